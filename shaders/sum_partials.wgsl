// out[i, j] = (accumulate ? out[i, j] : 0) + Σ_z part[z, i, j], then squared where `square` says so.
//
// The second pass of split products and of column sums: in a fixed order, so that results repeat. Four invocations share a
// sum, and each has eight loads under way at a time. Grid: (columns / 64, rows), both in strides.

struct Params { rows: u32, cols: u32, ld: u32, off: u32, parts: u32, stride: u32, part_ld: u32, accumulate: u32, square: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> part: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

const SHARES: u32 = 4u;
var<workgroup> shares: array<f32, 256>;

@compute @workgroup_size(64, 4)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let step = SHARES * p.stride;
    for (var col0 = wg.x * 64u; col0 < p.cols; col0 += grid.x * 64u) {
        for (var i = wg.y; i < p.rows; i += grid.y) {
            let j = col0 + local.x;
            var sum = 0.0;
            if (j < p.cols) {
                var z = local.y;
                var at = z * p.stride + i * p.part_ld + j;
                for (; z + 7u * SHARES < p.parts; z += 8u * SHARES) {
                    let low = (part[at] + part[at + step]) + (part[at + 2u * step] + part[at + 3u * step]);
                    at += 4u * step;
                    let high = (part[at] + part[at + step]) + (part[at + 2u * step] + part[at + 3u * step]);
                    at += 4u * step;
                    sum += low + high;
                }
                for (; z < p.parts; z += SHARES) {
                    sum += part[at];
                    at += step;
                }
            }
            shares[index] = sum;
            workgroupBarrier();
            if (local.y == 0u && j < p.cols) {
                let x = local.x;
                sum = (shares[x] + shares[x + 64u]) + (shares[x + 128u] + shares[x + 192u]);
                let place = p.off + i * p.ld + j;
                if (p.accumulate != 0u) { sum += out[place]; }
                if (p.square != 0u) { sum *= sum; }
                out[place] = sum;
            }
            // All have read the shares before the next sum's are written.
            workgroupBarrier();
        }
    }
}

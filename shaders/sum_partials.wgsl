// out[i, j] = (accumulate ? out[i, j] : 0) + Σ_z part[z, i, j], then squared where `square` says so.
//
// The second pass of split products and of column sums: in a fixed order, so that results repeat.
// Grid: (columns / 64, rows / 4), both in strides.

struct Params { rows: u32, cols: u32, ld: u32, off: u32, parts: u32, stride: u32, part_ld: u32, accumulate: u32, square: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> part: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.cols; j += grid.x * 64u) {
        for (var i = id.y; i < p.rows; i += grid.y * 4u) {
            let at = p.off + i * p.ld + j;
            var sum = 0.0;
            if (p.accumulate != 0u) { sum = out[at]; }
            for (var z = 0u; z < p.parts; z++) {
                sum += part[z * p.stride + i * p.part_ld + j];
            }
            if (p.square != 0u) { sum *= sum; }
            out[at] = sum;
        }
    }
}

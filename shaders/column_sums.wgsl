// part[chunk, j] = Σ_i m[i, j] (or m², where `squares` says so) over the rows of a chunk.
//
// Grid: (columns / 64, in strides, chunks). 64 columns × 4 rows at a time per workgroup; sum_partials adds the chunks up.

struct Params { rows: u32, cols: u32, ld: u32, chunk: u32, part_off: u32, part_ld: u32, squares: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> m: array<f32>;
@group(0) @binding(1) var<storage, read_write> part: array<f32>;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(64, 4)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let end = min(p.rows, (wg.y + 1u) * p.chunk);
    for (var col0 = wg.x * 64u; col0 < p.cols; col0 += grid.x * 64u) {
        let j = col0 + local.x;
        var sum = 0.0;
        if (j < p.cols) {
            for (var i = wg.y * p.chunk + local.y; i < end; i += 4u) {
                let v = m[i * p.ld + j];
                if (p.squares != 0u) { sum += v * v; } else { sum += v; }
            }
        }
        sums[index] = sum;
        workgroupBarrier();
        if (local.y == 0u && j < p.cols) {
            let x = local.x;
            part[p.part_off + wg.y * p.part_ld + j] = (sums[x] + sums[x + 64u]) + (sums[x + 128u] + sums[x + 192u]);
        }
        // All have read the sums before the next columns' are written.
        workgroupBarrier();
    }
}

// t_i = Σ_j X_ij G_j for a block of rows of X from row0 on, G_j the row of the symmetric G that begins at g_off.
// 16 rows per workgroup, 16 invocations per row. Grid: (rows / 16), in strides.

struct Params { rows: u32, k: u32, ld: u32, row0: u32, g_off: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gram: array<f32>;
@group(0) @binding(2) var<storage, read_write> t: array<f32>;

var<workgroup> part: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let lane = local % 16u;
    for (var row0 = wg.x * 16u; row0 < p.rows; row0 += grid.x * 16u) {
        let row = row0 + local / 16u;
        var sum = 0.0;
        if (row < p.rows) {
            for (var j = lane; j < p.k; j += 16u) { sum += x[row * p.ld + j] * gram[p.g_off + j]; }
        }
        part[local] = sum;
        workgroupBarrier();
        if (lane == 0u && row < p.rows) {
            for (var l = 1u; l < 16u; l++) { sum += part[local + l]; }
            t[p.row0 + row] = sum;
        }
        // All have read the parts before the next rows' are written.
        workgroupBarrier();
    }
}

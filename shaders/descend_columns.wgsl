// Coordinate descent on columns, `solved` of them from `first` on, each solved exactly:
//
//   r = G_jj x_j − u_j,  x_j ← max(0, (r − t)/G_jj)  with  t = mu Σ_i x_ij,  then  u_j' += G_jj' · (what x_j moved)
//
// for the later j' of the `count` gathered ones. x and u are by columns (`pitch` entries from column to column), u = XG − B. gram
// begins at g_off with the row of the first gathered column, which is j0. Where a penalty couples the rows (`coupled`), a column is
// solved by a dispatch of its own, and descend_threshold.wgsl has found its t; else t is 0. Where G_jj is 0 a column stays. An
// invocation keeps to its own rows. Grid: (rows / 256), in strides.

struct Params {
    rows: u32, pitch: u32, first: u32, solved: u32, count: u32, j0: u32, g_off: u32, g_ld: u32, coupled: u32,
}
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;
@group(0) @binding(2) var<storage, read> gram: array<f32>;
@group(0) @binding(3) var<storage, read> threshold: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var t = 0.0;
    if (p.coupled != 0u) { t = threshold[0]; }
    for (var j = p.first; j < p.first + p.solved; j++) {
        let of_j = p.g_off + j * p.g_ld + p.j0;
        let curvature = gram[of_j + j];
        if (curvature > 1e-30) {
            let column = j * p.pitch;
            for (var i = wg.x * 256u + local; i < p.rows; i += grid.x * 256u) {
                let old = x[column + i];
                let stepped = max(0.0, (curvature * old - u[column + i] - t) / curvature);
                x[column + i] = stepped;
                let moved = stepped - old;
                for (var later = j + 1u; later < p.count; later++) {
                    u[later * p.pitch + i] += gram[of_j + later] * moved;
                }
            }
        }
    }
}

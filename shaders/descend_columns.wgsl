// Coordinate descent on columns, `count` of them from j0 on, each solved exactly:
//
//   r = G_jj x_j − u_j,  x_j ← max(0, (r − t)/G_jj)  with  t = mu Σ_i x_ij,  then  u_j' += G_jj' · (what x_j moved)
//
// for the later j'. x and u are by columns (`pitch` entries from column to column), u = XG − B. The t is the root of a convex
// piecewise linear function: t = mu Σ_{r > t} r / (G_jj + mu · their number), from t = 0 on until no entry leaves. gram begins
// at g_off with row j0. Where G_jj is 0 a column stays. An invocation keeps to its own rows. One workgroup; without mu
// (rows / 256), in strides.

struct Params { rows: u32, pitch: u32, count: u32, j0: u32, g_off: u32, g_ld: u32, mu: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;
@group(0) @binding(2) var<storage, read> gram: array<f32>;

//: reduce total vec2<f32> a + b

// The t of a column; every invocation gets the same.
fn threshold(column: u32, curvature: f32, local: u32) -> f32 {
    var t = 0.0;
    var before = f32(p.rows) + 1.0;
    loop {
        var own = vec2<f32>();
        for (var i = local; i < p.rows; i += 256u) {
            let r = curvature * x[column + i] - u[column + i];
            if (r > t) { own += vec2<f32>(r, 1.0); }
        }
        let above = total(own, local);
        // Rounding may let an entry in again.
        if (above.y >= before || above.y == 0.0) { break; }
        before = above.y;
        t = p.mu * above.x / (curvature + p.mu * above.y);
    }
    return t;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (var j = 0u; j < p.count; j++) {
        let of_j = p.g_off + j * p.g_ld + p.j0;
        let curvature = gram[of_j + j];
        if (curvature > 1e-30) {
            let column = j * p.pitch;
            var t = 0.0;
            if (p.mu > 0.0) { t = threshold(column, curvature, local); }
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

// Coordinate descent on columns that a penalty on their sums couples, `count` of them from j0 on, each solved exactly:
//
//   r = G_jj x_j − u_j,  x_j ← max(0, (r − t)/G_jj)  with  t = mu Σ_i x_ij,  then  u_j' += G_jj' · (what x_j moved)
//
// for the later j'. x and u are by columns (`rows` entries from column to column), u = XG − B. The t is the root of a convex
// piecewise linear function: t = mu Σ_{r > t} r / (G_jj + mu · their number), from t = 0 on until no entry leaves. gram begins
// at g_off with row j0. Where G_jj is 0 a column stays. One workgroup; an invocation keeps to its own rows.

struct Params { rows: u32, count: u32, j0: u32, g_off: u32, g_ld: u32, mu: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;
@group(0) @binding(2) var<storage, read> gram: array<f32>;

//: reduce total f32 a + b
//: reduce count u32 a + b

// The t of a column; every invocation gets the same.
fn threshold(column: u32, curvature: f32, local: u32) -> f32 {
    var t = 0.0;
    var active_before = 0xffffffffu;
    loop {
        var sum = 0.0;
        var active_here = 0u;
        for (var i = local; i < p.rows; i += 256u) {
            let r = curvature * x[column + i] - u[column + i];
            if (r > t) {
                sum += r;
                active_here += 1u;
            }
        }
        let sum_of_active = total(sum, local);
        let all_active = count(active_here, local);
        // Rounding may let an entry in again.
        if (all_active >= active_before || all_active == 0u) { break; }
        active_before = all_active;
        t = p.mu * sum_of_active / (curvature + p.mu * f32(all_active));
    }
    return t;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    for (var j = 0u; j < p.count; j++) {
        let of_j = p.g_off + j * p.g_ld + p.j0;
        let curvature = gram[of_j + j];
        if (curvature > 1e-30) {
            let column = j * p.rows;
            let t = threshold(column, curvature, local);
            for (var i = local; i < p.rows; i += 256u) {
                let old = x[column + i];
                let next = max(0.0, (curvature * old - u[column + i] - t) / curvature);
                x[column + i] = next;
                let moved = next - old;
                for (var later = j + 1u; later < p.count; later++) {
                    u[later * p.rows + i] += gram[of_j + later] * moved;
                }
            }
        }
    }
}

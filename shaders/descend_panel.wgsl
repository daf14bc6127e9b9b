// Coordinate descent on columns that a penalty on their sums couples, a panel of them, each solved exactly:
//
//   r = G_jj x_j − (u − b)_j,  x_j ← max(0, (r − t)/G_jj)  with  t = mu Σ_i x_ij,  then  u_j' += G_jj' · (what x_j moved)
//
// for the later j' of the panel. u = XG is by columns (`pitch` entries from column to column). The t is the root of a convex piecewise
// linear function, by Newton's method: t ← mu Σ_{r > t} r / (G_jj + mu · their number), from mu Σ_i x_ij on, until as many are
// above it as before. After the first step t only grows and entries only leave. Where G_jj is 0 a column stays.
//
// A template: kernels/template.rs says how it is read, kernels/descend_panel.rs for which sizes. One workgroup; an invocation has
// $ROWS rows, 256 apart, and $QUADS quads of columns from quad `first` on, of which `columns` columns are there, in registers: the first
// quad is solved, then the quads change places. Distances of rows are multiples of 4.

struct Params { rows: u32, ld: u32, g_ld: u32, pitch: u32, first: u32, columns: u32, mu: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> rhs: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gram: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> u: array<f32>;

//: reduce total vec2<f32> a + b
//: reduce sums vec4<f32> a + b

fn above(r: f32, t: f32) -> vec2<f32> {
    return select(vec2<f32>(), vec2<f32>(r, 1.0), r > t);
}

// Of a quad the part that is set.
fn picked(quad: vec4<f32>, part: vec4<bool>) -> f32 {
    let v = select(vec4<f32>(), quad, part);
    return (v.x + v.y) + (v.z + v.w);
}

// The t of a column; every invocation gets the same.
fn threshold(
    //: for i 0 ROWS
    r_$i: f32,
    //: end
    curvature: f32, start: f32, local: u32,
) -> f32 {
    var t = start;
    var before = -1.0;
    for (var step = 0u; ; step++) {
        var own = vec2<f32>();
        //: for i 0 ROWS
        own += above(r_$i, t);
        //: end
        let all = total(own, local);
        // Rounding may let an entry in again.
        if (all.y == before || step > 1u && all.y > before) { break; }
        before = all.y;
        t = p.mu * all.x / (curvature + p.mu * all.y);
    }
    return t;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    let ld = p.ld / 4u;
    let g_ld = p.g_ld / 4u;
    var start = vec4<f32>();
    // Rows and columns that are not there are 0 and stay so.
    //: for i 0 ROWS
    let row_$i = local + 256u * $iu;
    let at_$i = row_$i * ld + p.first;
    //: for q 0 QUADS
    var x_$i_$q = vec4<f32>();
    var u_$i_$q = vec4<f32>();
    if (row_$i < p.rows && 4u * $qu < p.columns) {
        let at_u = row_$i + 4u * $qu * p.pitch;
        x_$i_$q = x[at_$i + $qu];
        u_$i_$q = vec4<f32>(u[at_u], u[at_u + p.pitch], u[at_u + 2u * p.pitch], u[at_u + 3u * p.pitch]) - rhs[at_$i + $qu];
    }
    //: end
    //: end
    for (var j = 0u; j < p.columns; j++) {
        let part = vec4<u32>(j % 4u) == vec4<u32>(0u, 1u, 2u, 3u);
        if (j % 4u == 0u) {
            start = p.mu * sums(
                vec4<f32>()
                //: for i 0 ROWS
                + x_$i_0
                //: end
                , local);
        }
        // Quad l is l quads behind that of this column.
        let of_j = (4u * p.first + j) * g_ld + p.first + j / 4u;
        let curvature = picked(gram[of_j], part);
        if (curvature > 1e-30) {
            //: for i 0 ROWS
            let r_$i = picked(curvature * x_$i_0 - u_$i_0, part);
            //: end
            let t = threshold(
                //: for i 0 ROWS
                r_$i,
                //: end
                curvature, picked(start, part), local);
            //: for i 0 ROWS
            let stepped_$i = max(0.0, (r_$i - t) / curvature);
            let moved_$i = stepped_$i - picked(x_$i_0, part);
            x_$i_0 = select(x_$i_0, vec4<f32>(stepped_$i), part);
            //: end
            //: for l 0 QUADS
            // What is behind the last column, or was solved, nobody uses.
            let g_$l = gram[of_j + $lu];
            //: for i 0 ROWS
            u_$i_$l += moved_$i * g_$l;
            //: end
            //: end
        }
        if (j % 4u == 3u || j + 1u == p.columns) {
            //: for i 0 ROWS
            if (row_$i < p.rows) { x[at_$i + j / 4u] = x_$i_0; }
            //: for q 1 QUADS after p
            x_$i_$p = x_$i_$q;
            u_$i_$p = u_$i_$q;
            //: end
            //: end
        }
    }
}

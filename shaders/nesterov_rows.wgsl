// All steps of Nesterov's method with projection on rows on their own, x ≥ 0, for the rows from row0 to `rows`; with Lc_j = right_j + extra
//
//   x_new = max(0, y − (yG − rhs) / Lc),  y_new = x_new + β (x_new − x),  β = (α − 1)/α',  α' = (1 + √(4α² + 1))/2
//
// from y = x and α = 1. Without curvature nothing depends on an entry, and it stays as it is. G is symmetric.
//
// A template: kernels/template.rs says how it is read, kernels/nesterov_rows.rs for which sizes. A workgroup keeps GROUPS·ROWS
// rows of $K columns from the first step to the last: y in workgroup memory, x in registers; G and rhs are read again in every
// step. A group has an invocation for every quad of columns, and each of these has ROWS rows, GROUPS apart. Distances of rows
// are multiples of 4. Grid: (rows / (GROUPS·ROWS)), in strides.

struct Params { row0: u32, rows: u32, ld: u32, steps: u32, extra: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> rhs: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gram: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> right: array<vec4<f32>>;

const GROUPS: u32 = $GROUPSu;
const BLOCK: u32 = $BLOCKu;
// Quads of a row, which are also those from row to row of G, and the whole ones.
const QUADS: u32 = $QUADSu;
const WHOLE: u32 = $WHOLEu;
// Quads from row to row of y.
const PITCH: u32 = $PITCHu;
var<workgroup> y: array<vec4<f32>, $TILE>;

@compute @workgroup_size($THREADS)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Those beyond the last group do what it does, and keep nothing.
    let group = min(local / QUADS, GROUPS - 1u);
    let column = local % QUADS;
    let own = local < GROUPS * QUADS;
    let ld = p.ld / 4u;
    let curvature = right[column] + p.extra;
    let curved = curvature > vec4<f32>();
    let inverse = 1.0 / curvature;
    //: for r 0 ROWS
    let in_y_$r = (group + $ru * GROUPS) * PITCH;
    //: end
    for (var block = p.row0 + wg.x * BLOCK; block < p.rows; block += grid.x * BLOCK) {
        //: for r 0 ROWS
        let row_$r = block + group + $ru * GROUPS;
        let at_$r = min(row_$r, p.rows - 1u) * ld + column;
        var x_$r = x[at_$r];
        if (own) { y[in_y_$r + column] = x_$r; }
        //: end
        workgroupBarrier();
        var alpha = 1.0;
        for (var step = 0u; step < p.steps; step++) {
            //: for r 0 ROWS
            var gradient_$r = -rhs[at_$r];
            //: end
            var at_g = column;
            for (var t = 0u; t < WHOLE; t += $UNROLLu) {
                //: for u 0 UNROLL
                //: for s 0 4
                let g_$u_$s = gram[at_g + (4u * $uu + $su) * QUADS];
                //: end
                //: end
                at_g += 4u * $UNROLLu * QUADS;
                //: for u 0 UNROLL
                //: for r 0 ROWS
                let y_$r_$u = y[in_y_$r + t + $uu];
                //: for s 0 4
                gradient_$r += y_$r_$u[$s] * g_$u_$s;
                //: end
                //: end
                //: end
            }
            //: if REST
            //: for r 0 ROWS
            let rest_$r = y[in_y_$r + WHOLE];
            //: end
            //: for s 0 REST
            let last_$s = gram[at_g + $su * QUADS];
            //: for r 0 ROWS
            gradient_$r += rest_$r[$s] * last_$s;
            //: end
            //: end
            //: end
            let next_alpha = (1.0 + sqrt(4.0 * alpha * alpha + 1.0)) / 2.0;
            let beta = (alpha - 1.0) / next_alpha;
            alpha = next_alpha;
            // Every invocation changes what only it reads here, but all read it in the product.
            workgroupBarrier();
            if (own) {
                //: for r 0 ROWS
                {
                    let stepped = max(vec4<f32>(), y[in_y_$r + column] - gradient_$r * inverse);
                    let next = select(x_$r, stepped, curved);
                    y[in_y_$r + column] = next + beta * (next - x_$r);
                    x_$r = next;
                }
                //: end
            }
            workgroupBarrier();
        }
        //: for r 0 ROWS
        if (own && row_$r < p.rows) { x[at_$r] = x_$r; }
        //: end
    }
}

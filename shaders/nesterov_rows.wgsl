// All steps of Nesterov's method with projection on rows on their own, x ≥ 0, for a block of rows; with Lc_j = right_j + extra
//
//   x_new = max(0, y − (yG − rhs) / Lc),  y_new = x_new + β (x_new − x),  β = (α − 1)/α',  α' = (1 + √(4α² + 1))/2
//
// from y = x and α = 1. Without curvature nothing depends on an entry, and it stays as it is. G is symmetric.
//
// A template: kernels/template.rs says how it is read, kernels/nesterov_rows.rs for which sizes. A workgroup keeps
// 8·ROWS rows from the first step to the last: y in workgroup memory, x and rhs in registers, and only G is read again. An
// invocation has ROWS rows and every 32nd quad of columns, QUADS of them. Distances of rows are multiples of 4.
// Grid: (rows / (8·ROWS)), in strides.

struct Params { rows: u32, k: u32, ld: u32, g_ld: u32, steps: u32, extra: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> rhs: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gram: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> right: array<vec4<f32>>;

const ROWS: u32 = $ROWSu;
// Quads from row to row of y. Invocations that are neighbours read the same quad or neighbouring ones: no padding.
const PITCH: u32 = $PITCHu;
var<workgroup> y: array<vec4<f32>, $TILE>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let lane = local % 32u;
    let row0 = local / 32u * ROWS;
    let quads = (p.k + 3u) / 4u;
    let ld = p.ld / 4u;
    let g_ld = p.g_ld / 4u;
    //: for q 0 QUADS
    // Past the last quad the last one is read, and what comes of it is not kept.
    let column_$q = lane + 32u * $qu;
    let there_$q = column_$q < quads;
    let from_$q = min(column_$q, quads - 1u);
    let curvature_$q = right[from_$q] + p.extra;
    let curved_$q = curvature_$q > vec4<f32>();
    //: end
    for (var block = wg.x * 8u * ROWS; block < p.rows; block += grid.x * 8u * ROWS) {
        //: for r 0 ROWS
        let row_$r = block + row0 + $ru;
        let kept_$r = row_$r < p.rows;
        let at_$r = min(row_$r, p.rows - 1u) * ld;
        //: for q 0 QUADS
        var x_$r_$q = x[at_$r + from_$q];
        let rhs_$r_$q = rhs[at_$r + from_$q];
        y[(row0 + $ru) * PITCH + column_$q] = x_$r_$q;
        //: end
        //: end
        workgroupBarrier();
        var alpha = 1.0;
        for (var step = 0u; step < p.steps; step++) {
            //: for r 0 ROWS
            //: for q 0 QUADS
            var gradient_$r_$q = -rhs_$r_$q;
            //: end
            //: end
            for (var t = 0u; t < quads; t++) {
                //: for r 0 ROWS
                let y_$r = y[(row0 + $ru) * PITCH + t];
                //: end
                //: for s 0 4
                // In the last quad there may be fewer rows of G; y is 0 there.
                let g_row_$s = min(4u * t + $su, p.k - 1u) * g_ld;
                //: for q 0 QUADS
                let g_$s_$q = gram[g_row_$s + from_$q];
                //: for r 0 ROWS
                gradient_$r_$q += y_$r[$s] * g_$s_$q;
                //: end
                //: end
                //: end
            }
            let next_alpha = (1.0 + sqrt(4.0 * alpha * alpha + 1.0)) / 2.0;
            let beta = (alpha - 1.0) / next_alpha;
            alpha = next_alpha;
            // Every invocation changes what only it reads here, but all read it in the product.
            workgroupBarrier();
            //: for r 0 ROWS
            //: for q 0 QUADS
            {
                let place = (row0 + $ru) * PITCH + column_$q;
                let stepped = max(vec4<f32>(), y[place] - gradient_$r_$q / curvature_$q);
                let next = select(x_$r_$q, stepped, curved_$q);
                y[place] = next + beta * (next - x_$r_$q);
                x_$r_$q = next;
            }
            //: end
            //: end
            workgroupBarrier();
        }
        //: for r 0 ROWS
        //: for q 0 QUADS
        if (kept_$r && there_$q) { x[at_$r + from_$q] = x_$r_$q; }
        //: end
        //: end
    }
}

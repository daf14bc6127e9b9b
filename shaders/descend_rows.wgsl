// Coordinate descent on rows on their own, for those from row0 to `rows`, `sweeps` times j from first to last:
//
//   x_j ← max(0, x_j − (Gx − b)_j / G_jj)
//
// Where G_jj is 0 an entry stays. G is symmetric.
//
// A template: kernels/template.rs says how it is read, kernels/descend_rows.rs for which sizes. A workgroup keeps ROWS rows of $K
// columns in workgroup memory from the first sweep to the last. SPLIT invocations share a row: in blocks of $BLOCK quads of
// columns each adds up its terms of u = Gx, in registers; the first of them then solves the block, and what moves corrects the u of
// the later columns. Distances of rows are multiples of 4. Grid: (rows / ROWS), in strides.

// k is $K. It comes from outside so that no compiler unrolls the loops and keeps G in registers.
struct Params { row0: u32, rows: u32, k: u32, ld: u32, sweeps: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> rhs: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gram: array<vec4<f32>>;

const ROWS: u32 = $ROWSu;
const SPLIT: u32 = $SPLITu;
// Quads of a row, which are also those from row to row of G, and the whole ones.
const QUADS: u32 = $QUADSu;
const WHOLE: u32 = $WHOLEu;
const BLOCK: u32 = $BLOCKu;
// x by quads of columns.
var<workgroup> kept: array<vec4<f32>, $KEPT>;
//: if OTHERS
// The sums of those that do not solve.
var<workgroup> parts: array<vec4<f32>, $PARTS_OF_U>;
//: end

@compute @workgroup_size($THREADS)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let lane = local % ROWS;
    let share = local / ROWS;
    let quads = (p.k + 3u) / 4u;
    let whole = p.k / 4u;
    for (var row0 = p.row0 + wg.x * ROWS; row0 < p.rows; row0 += grid.x * ROWS) {
        let row = row0 + lane;
        let at = min(row, p.rows - 1u) * (p.ld / 4u);
        for (var t = share; t < quads; t += SPLIT) { kept[t * ROWS + lane] = x[at + t]; }
        //: if OTHERS
        workgroupBarrier();
        //: end
        for (var sweep = 0u; sweep < p.sweeps; sweep++) {
            for (var next = 0u; next < quads; next += BLOCK) {
                // The last block reaches back until it is whole. What was solved before stays.
                let first = min(next, QUADS - BLOCK);
                //: for q 0 BLOCK
                let b_$q = rhs[at + first + $qu];
                var u_$q = vec4<f32>();
                //: end
                for (var t = share; t < whole; t += SPLIT) {
                    let of_t = kept[t * ROWS + lane];
                    let at_g = 4u * t * QUADS + first;
                    //: for s 0 4
                    //: for q 0 BLOCK
                    u_$q += of_t[$s] * gram[at_g + $su * QUADS + $qu];
                    //: end
                    //: end
                }
                //: if REST
                if (share == WHOLE % SPLIT) {
                    let of_t = kept[WHOLE * ROWS + lane];
                    let at_g = 4u * WHOLE * QUADS + first;
                    //: for s 0 REST
                    //: for q 0 BLOCK
                    u_$q += of_t[$s] * gram[at_g + $su * QUADS + $qu];
                    //: end
                    //: end
                }
                //: end
                //: if OTHERS
                if (share > 0u) {
                    //: for q 0 BLOCK
                    parts[((share - 1u) * BLOCK + $qu) * ROWS + lane] = u_$q;
                    //: end
                }
                workgroupBarrier();
                if (share == 0u) {
                    for (var other = 0u; other < SPLIT - 1u; other++) {
                        //: for q 0 BLOCK
                        u_$q += parts[(other * BLOCK + $qu) * ROWS + lane];
                        //: end
                    }
                //: end
                //: for q 0 BLOCK
                u_$q -= b_$q;
                var x_$q = kept[(first + $qu) * ROWS + lane];
                //: end
                //: for q 0 BLOCK
                //: for r 0 4
                {
                    // Behind the last column there are zeros.
                    let of_j = min(4u * (first + $qu) + $ru, $Ku - 1u) * QUADS + first;
                    let curvature = gram[of_j + $qu][$r];
                    let old = x_$q[$r];
                    let moves = curvature > 1e-30 && first + $qu >= next;
                    let stepped = select(old, max(0.0, old - u_$q[$r] / curvature), moves);
                    x_$q[$r] = stepped;
                    //: for l q BLOCK
                    u_$l += (stepped - old) * gram[of_j + $lu];
                    //: end
                }
                //: end
                //: end
                //: for q 0 BLOCK
                kept[(first + $qu) * ROWS + lane] = x_$q;
                //: end
                //: if OTHERS
                }
                workgroupBarrier();
                //: end
            }
        }
        if (row < p.rows) {
            for (var t = share; t < quads; t += SPLIT) { x[at + t] = kept[t * ROWS + lane]; }
        }
    }
}

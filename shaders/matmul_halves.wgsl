enable f16;
enable wgpu_cooperative_matrix;

// out = op(a) b from halves, with sums in f32, on the units that multiply fragments of $S × $S (tensor cores).
//
// A template: kernels/template.rs says how it is read, kernels/matmul_halves.rs for which sizes. op transposes where A_T says
// so. m and n are multiples of $S; a and b may be read up to the next multiple of the k terms, where b is 0. A subgroup has
// ROWS × COLS fragments of out, and a workgroup REGIONS such regions one below the other. Split z takes the terms
// [z·chunk, (z+1)·chunk) of the sum and writes at z·split_stride; sum_partials adds the splits up and leaves padding out.
// Grid: (columns / (COLS·S), rows / (REGIONS·ROWS·S), splits).

struct Params { m: u32, n: u32, k: u32, chunk: u32, lda: u32, ldb: u32, split_stride: u32, a_off: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> a: array<f16>;
@group(0) @binding(1) var<storage, read> b: array<f16>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

const S: u32 = $Su;
const ROWS: u32 = $ROWSu;
const COLS: u32 = $COLSu;
const REGIONS: u32 = $REGIONSu;

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let begin = wg.z * p.chunk;
    let end = min(p.k, begin + p.chunk);
    for (var region = subgroup; region < REGIONS; region += subgroups) {
        // Past the last fragment the last one is computed again, and not stored.
        //: for r 0 ROWS
        let row_$r = ((wg.y * REGIONS + region) * ROWS + $ru) * S;
        let i_$r = min(row_$r, p.m - S);
        //: end
        //: for c 0 COLS
        let col_$c = (wg.x * COLS + $cu) * S;
        let j_$c = min(col_$c, p.n - S);
        //: end
        //: for r 0 ROWS
        //: for c 0 COLS
        var sum_$r_$c = coop_mat$Sx$S<f32, C>();
        //: end
        //: end
        for (var t = begin; t < end; t += S) {
            //: for r 0 ROWS
            //: if !A_T
            let at_a_$r = p.a_off + i_$r * p.lda + t;
            let a_$r = coopLoadT<coop_mat$Sx$S<f16, A>>(&a[at_a_$r], p.lda);
            //: end
            //: if A_T
            let at_a_$r = p.a_off + t * p.lda + i_$r;
            let a_$r = coopLoad<coop_mat$Sx$S<f16, A>>(&a[at_a_$r], p.lda);
            //: end
            //: end
            //: for c 0 COLS
            let at_b_$c = t * p.ldb + j_$c;
            let b_$c = coopLoadT<coop_mat$Sx$S<f16, B>>(&b[at_b_$c], p.ldb);
            //: for r 0 ROWS
            sum_$r_$c = coopMultiplyAdd(a_$r, b_$c, sum_$r_$c);
            //: end
            //: end
        }
        //: for r 0 ROWS
        //: for c 0 COLS
        if (row_$r < p.m && col_$c < p.n) {
            let at = wg.z * p.split_stride + row_$r * p.n + col_$c;
            let sum = sum_$r_$c;
            let stride = p.n;
            coopStoreT(sum, &c[at], stride);
        }
        //: end
        //: end
    }
}

// Coordinate descent on `count` columns of X between two Grams, one after the other, in each i from first to last:
//
//   x_ij ← max(0, x_ij − (u_ij + mu s) / (A_ii G_jj + mu)),    u = AXG − B,  s = Σ_i x_ij
//
// What moves corrects u: of its own column by G_jj A δ, then of the later ones j' of these by G_jj' A δ. x and u are by columns
// (`pitch` entries from column to column), pull = A δ. gram begins at g_off with the row of the first of the columns, from that column
// on. Where the denominator is 0 an entry stays.
//
// A template: kernels/template.rs says how it is read. All coordinates are coupled, so it is one workgroup: it takes the rows in blocks
// of 32, of which a single invocation moves one after the other, in registers; all others then do what follows from it, each in
// its own rows.

struct Params { rows: u32, pitch: u32, count: u32, a_ld: u32, g_off: u32, g_ld: u32, mu: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> pull: array<f32>;
@group(0) @binding(3) var<storage, read> a: array<f32>;
@group(0) @binding(4) var<storage, read> gram: array<f32>;

const SIDE: u32 = 32u;
var<workgroup> gradient: array<f32, 32>;
var<workgroup> before: array<f32, 32>;
var<workgroup> after: array<f32, 32>;
var<workgroup> moved: array<f32, 32>;
// The block of A on the diagonal, 8 quads from row to row.
var<workgroup> square: array<vec4<f32>, 256>;

//: reduce total f32 a + b

// An entry of A; beyond the last row or column another, which nothing uses.
fn left(i: u32, t: u32) -> f32 {
    return a[min(i, p.rows - 1u) * p.a_ld + min(t, p.rows - 1u)];
}

// The rows of a block from `first` on; returns the sum of the column.
fn solve(first: u32, curvature: f32, sum: f32) -> f32 {
    var s = sum;
    //: for q 0 8
    var u_$q = vec4<f32>(gradient[4u * $qu], gradient[4u * $qu + 1u], gradient[4u * $qu + 2u], gradient[4u * $qu + 3u]);
    //: end
    // The quads from `quad` on are in u_0, u_1, and so on; what follows the last one is used by nothing. Written out in full this is more
    // than some compilers get through.
    for (var quad = 0u; quad < 8u; quad++) {
        //: for r 0 4
        {
            let i = 4u * quad + $ru;
            let at = 8u * i + quad;
            let denominator = square[at][$r] * curvature + p.mu;
            let old = before[i];
            let moves = denominator > 1e-30 && first + i < p.rows;
            let stepped = select(old, max(0.0, old - (u_0[$r] + p.mu * s) / denominator), moves);
            let by = stepped - old;
            s += by;
            after[i] = stepped;
            moved[i] = by;
            //: for l 0 8
            u_$l += (curvature * by) * square[min(at + $lu, 255u)];
            //: end
        }
        //: end
        u_0 = u_1;
        u_1 = u_2;
        u_2 = u_3;
        u_3 = u_4;
        u_4 = u_5;
        u_5 = u_6;
        u_6 = u_7;
    }
    return s;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    for (var j = 0u; j < p.count; j++) {
        let of_j = p.g_off + j * p.g_ld;
        let curvature = gram[of_j + j];
        let column = j * p.pitch;
        var own = 0.0;
        for (var i = local; i < p.rows; i += 256u) {
            own += x[column + i];
            pull[i] = 0.0;
        }
        var s = total(own, local);
        for (var first = 0u; first < p.rows; first += SIDE) {
            // Those whose rows these are.
            let lane = local - first % 256u;
            let mine = first + lane;
            if (lane < SIDE) {
                gradient[lane] = 0.0;
                before[lane] = 0.0;
                if (mine < p.rows) {
                    gradient[lane] = u[column + mine] + curvature * pull[mine];
                    before[lane] = x[column + mine];
                }
            }
            let row = first + local / 8u;
            let col = first + 4u * (local % 8u);
            square[local] = vec4<f32>(left(row, col), left(row, col + 1u), left(row, col + 2u), left(row, col + 3u));
            workgroupBarrier();
            if (local == 0u) { s = solve(first, curvature, s); }
            workgroupBarrier();
            for (var i = local; i < p.rows; i += 256u) {
                var sum = pull[i];
                for (var t = 0u; t < SIDE; t += 8u) {
                    //: for s 0 8
                    sum += left(first + t + $su, i) * moved[t + $su];
                    //: end
                }
                pull[i] = sum;
            }
            if (lane < SIDE && mine < p.rows) { x[column + mine] = after[lane]; }
        }
        for (var later = j + 1u; later < p.count; later++) {
            let g = gram[of_j + later];
            for (var i = local; i < p.rows; i += 256u) { u[later * p.pitch + i] += g * pull[i]; }
        }
    }
}

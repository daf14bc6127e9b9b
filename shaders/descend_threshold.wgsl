// The t of a column that a penalty on its sum couples, x_i ← max(0, (r_i − t)/c) with t = mu Σ_i x_i and r = c x − u:
//
//   t ← mu Σ_{r > t} r / (c + mu · their number),
//
// Newton's method for the root of a convex piecewise linear function, from mu Σ_i x_i on, until as many are above t as before. After
// the first step t only grows and entries only leave.
//
// x and u begin at `column`; c = gram[g_at]. One workgroup, which takes 8192 entries per turn of a loop: all turns of a kernel are few,
// since software drivers end loops after some. Columns begin at multiples of 4.

struct Params { rows: u32, column: u32, g_at: u32, mu: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> u: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gram: array<f32>;
@group(0) @binding(3) var<storage, read_write> threshold: array<f32>;

//: reduce total vec2<f32> a + b

// Sums of a quad of rows from `row` on, of those that are there: of x, or of the r above t, and how many these are.
fn quad(row: u32, c: f32, t: f32, first: bool) -> vec2<f32> {
    let at = (p.column + min(row, (p.rows - 1u) / 4u * 4u)) / 4u;
    let there = vec4<u32>(row, row + 1u, row + 2u, row + 3u) < vec4<u32>(p.rows);
    let r = select(c * x[at] - u[at], x[at], first);
    let counts = there & (vec4<bool>(first) | (r > vec4<f32>(t)));
    let sums = select(vec4<f32>(), r, counts);
    let ones = select(vec4<f32>(), vec4<f32>(1.0), counts);
    return vec2<f32>((sums.x + sums.y) + (sums.z + sums.w), (ones.x + ones.y) + (ones.z + ones.w));
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    let c = gram[p.g_at];
    var t = 0.0;
    var before = -1.0;
    for (var step = 0u; ; step++) {
        var own = vec2<f32>();
        for (var i = 4u * local; i < p.rows; i += 8192u) {
            //: for q 0 8
            own += quad(i + 1024u * $qu, c, t, step == 0u);
            //: end
        }
        let all = total(own, local);
        if (step == 0u) {
            t = p.mu * all.x;
            continue;
        }
        // Rounding may let an entry in again.
        if (all.y == before || step > 2u && all.y > before) { break; }
        before = all.y;
        t = p.mu * all.x / (c + p.mu * all.y);
    }
    if (local == 0u) { threshold[0] = t; }
}

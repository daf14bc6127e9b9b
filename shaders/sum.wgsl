// sums[slot, w] (+)= part w of 256 of a sum over a block of rows:
//
//   DOT         a_ij b_ij
//   ENTRIES     a_ij
//   TRACE       a_ii, i counted from row0
//   DIFFERENCE  (a_ij − b_ij)²
//   SQUARES     a_ij², where a cannot be bound as b
//
// stored.wgsl has a. The host adds the 256 parts in f64. Grid: a workgroup for every part that has rows, in strides; the
// first one sets those to 0 that have none.

const DOT: u32 = 0u;
const ENTRIES: u32 = 1u;
const TRACE: u32 = 2u;
const SQUARES: u32 = 4u;

struct Params {
    rows: u32, cols: u32, a_ld: u32, b_ld: u32,
    a_off: u32, a_row: u32, row0: u32, slot: u32, mode: u32, accumulate: u32,
}
var<immediate> p: Params;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

//: reduce total f32 a + b

// 64 neighbouring columns × 4 rows at a time, and four times that under way; parts take the rows in turn.
@compute @workgroup_size(64, 4)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    const STEP = 4u * $PARTSu;
    let parts = min($PARTSu, (p.rows + 3u) / 4u);
    if (wg.x == 0u && local >= parts && p.accumulate == 0u) { sums[p.slot * $PARTSu + local] = 0.0; }
    for (var w = wg.x; w < parts; w += grid.x) {
        var sum = vec4<f32>();
        if (p.mode == TRACE) {
            for (var i = w * 4u + id.y; i < p.rows && id.x == 0u; i += STEP) {
                sum.x += entry(p.a_off + i * p.a_ld + p.row0 + i, p.a_row + i);
            }
        } else {
            for (var i = w * 4u + id.y; i < p.rows; i += 4u * STEP) {
                // Beyond the last row it is read once more, and not counted.
                let rows = i + vec4<u32>(0u, STEP, 2u * STEP, 3u * STEP);
                let r = min(rows, vec4<u32>(p.rows - 1u));
                for (var j = id.x; j < p.cols; j += 64u) {
                    let at = p.a_off + r * p.a_ld + j;
                    let v = vec4<f32>(
                        entry(at.x, p.a_row + r.x), entry(at.y, p.a_row + r.y),
                        entry(at.z, p.a_row + r.z), entry(at.w, p.a_row + r.w),
                    );
                    var terms = v;
                    if (p.mode == SQUARES) { terms = v * v; }
                    if (p.mode != SQUARES && p.mode != ENTRIES) {
                        let other_at = r * p.b_ld + j;
                        let other = vec4<f32>(b[other_at.x], b[other_at.y], b[other_at.z], b[other_at.w]);
                        terms = select((v - other) * (v - other), v * other, p.mode == DOT);
                    }
                    sum += select(vec4<f32>(), terms, rows < vec4<u32>(p.rows));
                }
            }
        }
        let all = total((sum.x + sum.y) + (sum.z + sum.w), local);
        if (local == 0u) {
            let at = p.slot * $PARTSu + w;
            if (p.accumulate != 0u) { sums[at] += all; } else { sums[at] = all; }
        }
    }
}

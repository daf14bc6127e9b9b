// sums[slot, w] (+)= part w of 256 of a sum over a block of rows:
//
//   DOT         a_ij b_ij
//   ENTRIES     a_ij
//   TRACE       a_ii, i counted from row0
//   DIFFERENCE  (a_ij − b_ij)²
//   SQUARES     a_ij², where a cannot be bound as b
//
// stored.wgsl has a. The host adds the 256 parts in f64. Grid: (256), in strides.

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

// 64 neighbouring columns × 4 rows at a time; parts take the rows in turn.
@compute @workgroup_size(64, 4)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (var w = wg.x; w < $PARTSu; w += grid.x) {
        var sum = 0.0;
        for (var i = w * 4u + id.y; i < p.rows; i += $PARTSu * 4u) {
            if (p.mode == TRACE) {
                if (id.x == 0u) { sum += entry(p.a_off + i * p.a_ld + p.row0 + i, p.a_row + i); }
                continue;
            }
            for (var j = id.x; j < p.cols; j += 64u) {
                let v = entry(p.a_off + i * p.a_ld + j, p.a_row + i);
                if (p.mode == ENTRIES) {
                    sum += v;
                } else if (p.mode == SQUARES) {
                    sum += v * v;
                } else {
                    let other = b[i * p.b_ld + j];
                    if (p.mode == DOT) { sum += v * other; } else { sum += (v - other) * (v - other); }
                }
            }
        }
        let all = total(sum, local);
        if (local == 0u) {
            let at = p.slot * $PARTSu + w;
            if (p.accumulate != 0u) { sums[at] += all; } else { sums[at] = all; }
        }
    }
}

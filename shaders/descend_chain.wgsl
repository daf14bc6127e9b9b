// Coordinate descent on column j of X between two Grams, for the rows of a block from row0 on, i from first to last:
//
//   x_ij ← max(0, x_ij − ((A t)_i − b_ij + mu s) / (A_ii c + mu)),    t = X G_:j,  c = G_jj,  s = Σ_i x_ij
//
// t and s follow every move. All coordinates are coupled, so one workgroup takes them in blocks of 32: first u = A_I t,
// 8 invocations per row, then one coordinate after the other, each of which corrects u by its column of A_II.
// Where the denominator is 0 an entry stays. a_off and x_off are the words at which the block begins.

struct Params {
    rows: u32, size: u32, row0: u32, j: u32,
    a_off: u32, a_ld: u32, x_off: u32, x_ld: u32,
    g_at: u32, mu: f32,
}
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> rhs: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> gram: array<f32>;
@group(0) @binding(4) var<storage, read_write> t: array<f32>;
@group(0) @binding(5) var<storage, read_write> column_sums: array<f32>;

const BLOCK: u32 = 32u;
var<workgroup> part: array<f32, 256>;
var<workgroup> u: array<f32, 32>;
var<workgroup> old: array<f32, 32>;
var<workgroup> square: array<f32, 1024>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    let c = gram[p.g_at];
    // Every invocation keeps its own, equal copy.
    var s = 0.0;
    if (p.mu > 0.0) { s = column_sums[p.j]; }
    for (var first = 0u; first < p.rows; first += BLOCK) {
        let count = min(BLOCK, p.rows - first);
        let lane = local % 8u;
        let row = local / 8u;
        var sum = 0.0;
        if (row < count) {
            let of_row = p.a_off + (first + row) * p.a_ld;
            for (var l = lane; l < p.size; l += 8u) { sum += a[of_row + l] * t[l]; }
            for (var l = lane; l < count; l += 8u) { square[row * BLOCK + l] = a[of_row + p.row0 + first + l]; }
        }
        part[local] = sum;
        workgroupBarrier();
        if (lane == 0u && row < count) {
            for (var l = 1u; l < 8u; l++) { sum += part[local + l]; }
            let at = p.x_off + (first + row) * p.x_ld + p.j;
            u[row] = sum - rhs[at];
            old[row] = x[at];
        }
        workgroupBarrier();
        for (var i = 0u; i < count; i++) {
            let denominator = square[i * BLOCK + i] * c + p.mu;
            if (denominator > 1e-30) {
                let before = old[i];
                let next = max(0.0, before - (u[i] + p.mu * s) / denominator);
                let moved = next - before;
                s += moved;
                if (local > i && local < count) { u[local] += square[local * BLOCK + i] * c * moved; }
                if (local == i) {
                    x[p.x_off + (first + i) * p.x_ld + p.j] = next;
                    t[p.row0 + first + i] += c * moved;
                }
            }
            workgroupBarrier();
        }
        storageBarrier();
        workgroupBarrier();
    }
    if (local == 0u && p.mu > 0.0) { column_sums[p.j] = s; }
}

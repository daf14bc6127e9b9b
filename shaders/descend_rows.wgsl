// Coordinate descent on rows on their own, for a block of rows, `sweeps` times j from first to last:
//
//   x_j ← max(0, x_j − (Gx − b)_j / G_jj)
//
// for the columns j whose rows of the symmetric G are in this shard of it: g_row0 ≤ j < g_row0 + g_rows. A workgroup has
// 64 rows at a time to itself and goes through the columns in blocks of 32: first u = x Gᵀ_J − b_J by a tiled product, then an
// invocation per row, in which a coordinate that moved corrects the u of the later ones. Where G_jj is 0 an entry stays.
// Grid: (rows / 64), in strides.

struct Params { rows: u32, k: u32, ld: u32, g_ld: u32, g_row0: u32, g_rows: u32, sweeps: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> rhs: array<f32>;
@group(0) @binding(2) var<storage, read> gram: array<f32>;

const TILE: u32 = 64u;
const BLOCK: u32 = 32u;
const DEPTH: u32 = 16u;
// One more than what is in a row, so that rows begin in different banks.
const PITCH: u32 = 17u;
const PITCH_B: u32 = 33u;
var<workgroup> tile_x: array<vec4<f32>, 272>;
var<workgroup> tile_g: array<f32, 528>;
var<workgroup> u: array<f32, 2112>;

fn load_x(i: u32, t: u32) -> f32 {
    if (i >= p.rows || t >= p.k) { return 0.0; }
    return x[i * p.ld + t];
}

// u of the tile: 4 rows × 2 columns per invocation.
fn product(row0: u32, first: u32, count: u32, local: u32) {
    let low = local % 16u;
    let high = local / 16u;
    var left = vec4<f32>();
    var right = vec4<f32>();
    for (var t0 = 0u; t0 < p.k; t0 += DEPTH) {
        let i = row0 + 4u * high;
        let t = t0 + low;
        tile_x[low * PITCH + high] =
            vec4<f32>(load_x(i, t), load_x(i + 1u, t), load_x(i + 2u, t), load_x(i + 3u, t));
        for (var j = high; j < BLOCK; j += 16u) {
            var g = 0.0;
            if (j < count && t < p.k) { g = gram[(first - p.g_row0 + j) * p.g_ld + t]; }
            tile_g[low * PITCH_B + j] = g;
        }
        workgroupBarrier();
        for (var d = 0u; d < DEPTH; d++) {
            let xs = tile_x[d * PITCH + high];
            left += xs * tile_g[d * PITCH_B + 2u * low];
            right += xs * tile_g[d * PITCH_B + 2u * low + 1u];
        }
        workgroupBarrier();
    }
    let at = 4u * high * PITCH_B + 2u * low;
    u[at] = left.x;
    u[at + 1u] = right.x;
    u[at + PITCH_B] = left.y;
    u[at + PITCH_B + 1u] = right.y;
    u[at + 2u * PITCH_B] = left.z;
    u[at + 2u * PITCH_B + 1u] = right.z;
    u[at + 3u * PITCH_B] = left.w;
    u[at + 3u * PITCH_B + 1u] = right.w;
    workgroupBarrier();
}

fn solve(i: u32, mine: u32, first: u32, count: u32) {
    for (var j = 0u; j < count; j++) {
        let of_j = (first - p.g_row0 + j) * p.g_ld + first;
        let curvature = gram[of_j + j];
        if (curvature > 1e-30) {
            let at = i * p.ld + first + j;
            let old = x[at];
            let next = max(0.0, old - (u[mine + j] - rhs[at]) / curvature);
            let moved = next - old;
            if (moved != 0.0) {
                x[at] = next;
                for (var later = j + 1u; later < count; later++) {
                    u[mine + later] += gram[of_j + later] * moved;
                }
            }
        }
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let end = p.g_row0 + p.g_rows;
    for (var row0 = wg.x * TILE; row0 < p.rows; row0 += grid.x * TILE) {
        for (var sweep = 0u; sweep < p.sweeps; sweep++) {
            for (var first = p.g_row0; first < end; first += BLOCK) {
                let count = min(BLOCK, end - first);
                product(row0, first, count, local);
                if (local < TILE && row0 + local < p.rows) {
                    solve(row0 + local, local * PITCH_B, first, count);
                }
                storageBarrier();
                workgroupBarrier();
            }
        }
    }
}

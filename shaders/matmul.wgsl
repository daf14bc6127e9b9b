// out = op(a) op(b), a 64 × 64 tile of out per workgroup, 4 × 4 of it per invocation.
//
// op transposes where A_T, B_T say so. Grid: (column tiles, row tiles, splits); what has more tiles than a dispatch may have
// comes in several. Split z takes the terms [z·chunk, (z+1)·chunk) of the sum and writes at c_off + z·split_stride; with more
// than one split c is scratch and sum_partials adds the splits up. stored.wgsl has a.
//
// Every operand is loaded number by number, so it may begin anywhere: the reference of matmul_tiled.wgsl.

override A_T: bool = false;
override B_T: bool = false;

struct Params {
    m: u32, n: u32, k: u32, chunk: u32,
    lda: u32, ldb: u32, ldc: u32, split_stride: u32,
    a_off: u32, b_off: u32, c_off: u32, a_row: u32, accumulate: u32,
}
var<immediate> p: Params;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

const TILE: u32 = 64u;
const DEPTH: u32 = 16u;
// A row of the tile in workgroup memory: 16 vec4 and one more, so that rows begin in different banks.
const PITCH: u32 = 17u;
var<workgroup> tile_a: array<vec4<f32>, 272>;
var<workgroup> tile_b: array<vec4<f32>, 272>;

// op(a)[i, t] and op(b)[t, j], 0 outside.
fn load_a(i: u32, t: u32, end: u32) -> f32 {
    if (i >= p.m || t >= end) { return 0.0; }
    if (A_T) { return entry(p.a_off + t * p.lda + i, p.a_row + t); }
    return entry(p.a_off + i * p.lda + t, p.a_row + i);
}
fn load_b(t: u32, j: u32, end: u32) -> f32 {
    if (j >= p.n || t >= end) { return 0.0; }
    if (B_T) { return b[p.b_off + j * p.ldb + t]; }
    return b[p.b_off + t * p.ldb + j];
}

fn store(i: u32, j: u32, split: u32, v: f32) {
    if (i >= p.m || j >= p.n) { return; }
    let at = p.c_off + split * p.split_stride + i * p.ldc + j;
    if (p.accumulate != 0u) { c[at] += v; } else { c[at] = v; }
}
fn store4(i: u32, j: u32, split: u32, v: vec4<f32>) {
    store(i, j, split, v.x);
    store(i, j + 1u, split, v.y);
    store(i, j + 2u, split, v.z);
    store(i, j + 3u, split, v.w);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let col0 = wg.x * TILE;
    let row0 = wg.y * TILE;
    let low = local % 16u;
    let high = local / 16u;
    // Neighbouring invocations load neighbouring addresses: along the row of a that is stored, whichever that is.
    var a_t = low; var a_q = high;
    if (A_T) { a_t = high; a_q = low; }
    var b_t = high; var b_q = low;
    if (B_T) { b_t = low; b_q = high; }
    var acc0 = vec4<f32>(); var acc1 = vec4<f32>(); var acc2 = vec4<f32>(); var acc3 = vec4<f32>();
    let begin = wg.z * p.chunk;
    let end = min(p.k, begin + p.chunk);
    for (var t0 = begin; t0 < end; t0 += DEPTH) {
        let i = row0 + 4u * a_q;
        let ta = t0 + a_t;
        tile_a[a_t * PITCH + a_q] =
            vec4<f32>(load_a(i, ta, end), load_a(i + 1u, ta, end), load_a(i + 2u, ta, end), load_a(i + 3u, ta, end));
        let j = col0 + 4u * b_q;
        let tb = t0 + b_t;
        tile_b[b_t * PITCH + b_q] =
            vec4<f32>(load_b(tb, j, end), load_b(tb, j + 1u, end), load_b(tb, j + 2u, end), load_b(tb, j + 3u, end));
        workgroupBarrier();
        for (var t = 0u; t < DEPTH; t++) {
            let av = tile_a[t * PITCH + high];
            let bv = tile_b[t * PITCH + low];
            acc0 += av.x * bv;
            acc1 += av.y * bv;
            acc2 += av.z * bv;
            acc3 += av.w * bv;
        }
        workgroupBarrier();
    }
    let i = row0 + 4u * high;
    let j = col0 + 4u * low;
    store4(i, j, wg.z, acc0);
    store4(i + 1u, j, wg.z, acc1);
    store4(i + 2u, j, wg.z, acc2);
    store4(i + 3u, j, wg.z, acc3);
}

// out = op(a) op(b) as matmul.wgsl, a $BM × $BN tile of out per workgroup, $TM × $TN of it per invocation, in registers.
//
// A template: kernels/template.rs says how it is read, kernels/matmul_tiled.rs for which sizes; stored.wgsl has a.
// Every load from memory is one of four neighbours, so offsets and distances of rows are multiples of 4. The next slab
// of DEPTH terms is loaded into registers while one of the two in workgroup memory is computed with: a barrier per slab.
//
// Workgroup memory keeps a slab as it is stored. Where the terms of a row are neighbours (a of NN and NT, b of NT) a quad is four
// terms of a row, else it is four rows (columns) of a term. Pitches are odd: neighbours do not begin in the same bank.

struct Params {
    m: u32, n: u32, k: u32, chunk: u32,
    lda: u32, ldb: u32, ldc: u32, split_stride: u32,
    a_off: u32, b_off: u32, c_off: u32, a_row: u32, accumulate: u32,
}
var<immediate> p: Params;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;

const BM: u32 = $BMu;
const BN: u32 = $BNu;
const THREADS: u32 = $THREADSu;
// Invocations across and down; each has every ACROSS-th quad of columns and every DOWN-th quad of rows.
const ACROSS: u32 = $ACROSSu;
const DOWN: u32 = $DOWNu;
const DEPTH: u32 = $DEPTHu;
const TERM_QUADS: u32 = $TERM_QUADSu;
const A_PITCH: u32 = $A_PITCHu;
const B_PITCH: u32 = $B_PITCHu;
const A_SIZE: u32 = $A_SIZEu;
const B_SIZE: u32 = $B_SIZEu;
var<workgroup> tile_a: array<vec4<f32>, $A_BOTH>;
var<workgroup> tile_b: array<vec4<f32>, $B_BOTH>;

// Four terms from t on, those before `end`.
fn before(v: vec4<f32>, t: u32, end: u32) -> vec4<f32> {
    return select(vec4<f32>(), v, vec4<u32>(t, t + 1u, t + 2u, t + 3u) < vec4<u32>(end));
}

// The quad number `at` of the slab from t0 on, 0 outside; and where it goes.
//: if !A_T
fn load_a(row0: u32, t0: u32, at: u32, end: u32) -> vec4<f32> {
    let i = row0 + at / TERM_QUADS;
    let t = t0 + 4u * (at % TERM_QUADS);
    if (i >= p.m || t >= end) { return vec4<f32>(); }
    return before(quad((p.a_off + i * p.lda + t) / 4u, p.a_row + i), t, end);
}
fn place_a(at: u32) -> u32 { return (at / TERM_QUADS) * A_PITCH + at % TERM_QUADS; }
//: end
//: if A_T
fn load_a(row0: u32, t0: u32, at: u32, end: u32) -> vec4<f32> {
    let i = row0 + 4u * (at % (BM / 4u));
    let t = t0 + at / (BM / 4u);
    if (i >= p.m || t >= end) { return vec4<f32>(); }
    return quad((p.a_off + t * p.lda + i) / 4u, p.a_row + t);
}
fn place_a(at: u32) -> u32 { return (at / (BM / 4u)) * A_PITCH + at % (BM / 4u); }
//: end
//: if !B_T
fn load_b(col0: u32, t0: u32, at: u32, end: u32) -> vec4<f32> {
    let j = col0 + 4u * (at % (BN / 4u));
    let t = t0 + at / (BN / 4u);
    if (j >= p.n || t >= end) { return vec4<f32>(); }
    return b[(p.b_off + t * p.ldb + j) / 4u];
}
fn place_b(at: u32) -> u32 { return (at / (BN / 4u)) * B_PITCH + at % (BN / 4u); }
//: end
//: if B_T
fn load_b(col0: u32, t0: u32, at: u32, end: u32) -> vec4<f32> {
    let j = col0 + at / TERM_QUADS;
    let t = t0 + 4u * (at % TERM_QUADS);
    if (j >= p.n || t >= end) { return vec4<f32>(); }
    return before(b[(p.b_off + j * p.ldb + t) / 4u], t, end);
}
// The first columns of all quads, then the second ones …: neighbouring invocations read neighbouring rows of the slab.
fn place_b(at: u32) -> u32 {
    let j = at / TERM_QUADS;
    return ((j % 4u) * (BN / 4u) + j / 4u) * B_PITCH + at % TERM_QUADS;
}
//: end

// Columns from n on are not this product's.
fn store(i: u32, j: u32, split: u32, v: vec4<f32>) {
    if (i >= p.m || j >= p.n) { return; }
    let at = (p.c_off + split * p.split_stride + i * p.ldc + j) / 4u;
    if (p.accumulate == 0u && j + 4u <= p.n) {
        c[at] = v;
        return;
    }
    let old = c[at];
    let sum = select(v, old + v, p.accumulate != 0u);
    c[at] = select(old, sum, vec4<u32>(j, j + 1u, j + 2u, j + 3u) < vec4<u32>(p.n));
}

@compute @workgroup_size($THREADS)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let row0 = wg.y * BM;
    let col0 = wg.x * BN;
    let across = local % ACROSS;
    let down = local / ACROSS;
    let begin = wg.z * p.chunk;
    let end = min(p.k, begin + p.chunk);
    //: for q 0 ROW_QUADS
    //: for r 0 4
    //: for j 0 COL_QUADS
    var acc_$q_$r_$j = vec4<f32>();
    //: end
    //: end
    //: end
    //: for l 0 A_LOADS
    tile_a[place_a(local + $lu * THREADS)] = load_a(row0, begin, local + $lu * THREADS, end);
    //: end
    //: for l 0 B_LOADS
    tile_b[place_b(local + $lu * THREADS)] = load_b(col0, begin, local + $lu * THREADS, end);
    //: end
    workgroupBarrier();
    var now = 0u;
    for (var t0 = begin; t0 < end; t0 += DEPTH) {
        //: for l 0 A_LOADS
        let next_a_$l = load_a(row0, t0 + DEPTH, local + $lu * THREADS, end);
        //: end
        //: for l 0 B_LOADS
        let next_b_$l = load_b(col0, t0 + DEPTH, local + $lu * THREADS, end);
        //: end
        let in_a = now * A_SIZE;
        let in_b = now * B_SIZE;
        for (var u = 0u; u < TERM_QUADS; u++) {
            //: if !A_T
            //: for q 0 ROW_QUADS
            //: for r 0 4
            let a_$q_$r = tile_a[in_a + (4u * (down + $qu * DOWN) + $ru) * A_PITCH + u];
            //: end
            //: end
            //: end
            //: if A_T
            //: for q 0 ROW_QUADS
            //: for t 0 4
            let a_$q_$t = tile_a[in_a + (4u * u + $tu) * A_PITCH + down + $qu * DOWN];
            //: end
            //: end
            //: end
            //: for j 0 COL_QUADS
            //: if B_T
            //: for c 0 4
            let c_$j_$c = tile_b[in_b + ($cu * (BN / 4u) + across + $ju * ACROSS) * B_PITCH + u];
            //: end
            //: end
            //: for t 0 4
            //: if B_T
            let b_$j_$t = vec4<f32>(c_$j_0[$t], c_$j_1[$t], c_$j_2[$t], c_$j_3[$t]);
            //: end
            //: if !B_T
            let b_$j_$t = tile_b[in_b + (4u * u + $tu) * B_PITCH + across + $ju * ACROSS];
            //: end
            //: for q 0 ROW_QUADS
            //: for r 0 4
            //: if A_T
            acc_$q_$r_$j += a_$q_$t[$r] * b_$j_$t;
            //: end
            //: if !A_T
            acc_$q_$r_$j += a_$q_$r[$t] * b_$j_$t;
            //: end
            //: end
            //: end
            //: end
            //: end
        }
        now = 1u - now;
        //: for l 0 A_LOADS
        tile_a[now * A_SIZE + place_a(local + $lu * THREADS)] = next_a_$l;
        //: end
        //: for l 0 B_LOADS
        tile_b[now * B_SIZE + place_b(local + $lu * THREADS)] = next_b_$l;
        //: end
        workgroupBarrier();
    }
    //: for q 0 ROW_QUADS
    //: for r 0 4
    //: for j 0 COL_QUADS
    store(row0 + 4u * (down + $qu * DOWN) + $ru, col0 + 4u * (across + $ju * ACROSS), wg.z, acc_$q_$r_$j);
    //: end
    //: end
    //: end
}

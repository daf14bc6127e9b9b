// out = op(a) op(b) as matmul.wgsl, a $BM × $BN tile of out per workgroup, $TM × $TN of it per invocation, in registers.
//
// A template: kernels/template.rs says how it is read, kernels/matmul_tiled.rs for which sizes; stored.wgsl has a.
// Every load from memory is one of four neighbours, so offsets and distances of rows are multiples of 4. The next slab
// of DEPTH terms is loaded into registers while one of the two in workgroup memory is computed with: a barrier per slab.
// What is loaded is decoded after that, so that nothing waits for it before.
//
// Workgroup memory keeps both slabs by terms: a quad is four rows (columns) of a term. Where the terms of a row are neighbours in
// memory (a of NN and NT, b of NT) a slab is transposed on its way. Places outside are moved inside, and b alone is 0 where
// there are no more terms.

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
// Invocations across and down; each has every ACROSS-th quad of columns and every DOWN-th quad of rows. Neighbours are STRIP
// below one another, then side by side.
const ACROSS: u32 = $ACROSSu;
const DOWN: u32 = $DOWNu;
const STRIP: u32 = $STRIPu;
const DEPTH: u32 = $DEPTHu;
const TERM_QUADS: u32 = $TERM_QUADSu;
// Quads of a slab, and from term to term.
const A_QUADS: u32 = $A_QUADSu;
const B_QUADS: u32 = $B_QUADSu;
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

// Where the quad number `at` of a slab goes.
//: if !A_T
fn place_a(base: u32, at: u32, v: vec4<f32>) {
    let row = at / TERM_QUADS;
    let to = base + 4u * (at % TERM_QUADS) * A_PITCH + row / 4u;
    //: for s 0 4
    tile_a[to + $su * A_PITCH][row % 4u] = v[$s];
    //: end
}
//: end
//: if A_T
fn place_a(base: u32, at: u32, v: vec4<f32>) { tile_a[base + (at / (BM / 4u)) * A_PITCH + at % (BM / 4u)] = v; }
//: end
//: if B_T
fn place_b(base: u32, at: u32, v: vec4<f32>) {
    let row = at / TERM_QUADS;
    let to = base + 4u * (at % TERM_QUADS) * B_PITCH + row / 4u;
    //: for s 0 4
    tile_b[to + $su * B_PITCH][row % 4u] = v[$s];
    //: end
}
//: end
//: if !B_T
fn place_b(base: u32, at: u32, v: vec4<f32>) { tile_b[base + (at / (BN / 4u)) * B_PITCH + at % (BN / 4u)] = v; }
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
    let across = local / STRIP % ACROSS;
    let down = STRIP * (local / (STRIP * ACROSS)) + local % STRIP;
    let begin = wg.z * p.chunk;
    let end = min(p.k, begin + p.chunk);
    //: for q 0 ROW_QUADS
    //: for r 0 4
    //: for j 0 COL_QUADS
    var acc_$q_$r_$j = vec4<f32>();
    //: end
    //: end
    //: end
    // The last quad of terms, and the last quads of rows and columns, that there are.
    let last = (end - 1u) / 4u * 4u;
    //: for l 0 A_LOADS
    let at_a_$l = min(local + $lu * THREADS, A_QUADS - 1u);
    //: if !A_T
    let row_$l = min(row0 + at_a_$l / TERM_QUADS, p.m - 1u);
    let term_a_$l = 4u * (at_a_$l % TERM_QUADS);
    let from_a_$l = p.a_off + row_$l * p.lda;
    let scale_$l = scale_of(p.a_row + row_$l);
    //: end
    //: if A_T
    let term_a_$l = at_a_$l / (BM / 4u);
    let from_a_$l = p.a_off + min(row0 + 4u * (at_a_$l % (BM / 4u)), (p.m - 1u) / 4u * 4u);
    //: end
    //: end
    //: for l 0 B_LOADS
    let at_b_$l = min(local + $lu * THREADS, B_QUADS - 1u);
    //: if !B_T
    let term_b_$l = at_b_$l / (BN / 4u);
    let from_b_$l = p.b_off + min(col0 + 4u * (at_b_$l % (BN / 4u)), (p.n - 1u) / 4u * 4u);
    //: end
    //: if B_T
    let term_b_$l = 4u * (at_b_$l % TERM_QUADS);
    let from_b_$l = p.b_off + min(col0 + at_b_$l / TERM_QUADS, p.n - 1u) * p.ldb;
    //: end
    //: end
    //: for l 0 A_LOADS
    //: if !A_T
    let first_a_$l = decoded(raw((from_a_$l + min(begin + term_a_$l, last)) / 4u), scale_$l);
    //: end
    //: if A_T
    let first_term_$l = min(begin + term_a_$l, end - 1u);
    let first_a_$l = decoded(raw((from_a_$l + first_term_$l * p.lda) / 4u), scale_of(p.a_row + first_term_$l));
    //: end
    if (local + $lu * THREADS < A_QUADS) { place_a(0u, at_a_$l, first_a_$l); }
    //: end
    //: for l 0 B_LOADS
    //: if !B_T
    let first_b_$l = select(vec4<f32>(), b[(from_b_$l + min(begin + term_b_$l, end - 1u) * p.ldb) / 4u], begin + term_b_$l < end);
    //: end
    //: if B_T
    let first_b_$l = before(b[(from_b_$l + min(begin + term_b_$l, last)) / 4u], begin + term_b_$l, end);
    //: end
    if (local + $lu * THREADS < B_QUADS) { place_b(0u, at_b_$l, first_b_$l); }
    //: end
    workgroupBarrier();
    var now = 0u;
    for (var t0 = begin; t0 < end; t0 += DEPTH) {
        let t1 = t0 + DEPTH;
        //: for l 0 A_LOADS
        //: if !A_T
        let next_a_$l = raw((from_a_$l + min(t1 + term_a_$l, last)) / 4u);
        //: end
        //: if A_T
        let next_term_$l = min(t1 + term_a_$l, end - 1u);
        let next_a_$l = raw((from_a_$l + next_term_$l * p.lda) / 4u);
        let next_scale_$l = scale_of(p.a_row + next_term_$l);
        //: end
        //: end
        //: for l 0 B_LOADS
        //: if !B_T
        let next_b_$l = b[(from_b_$l + min(t1 + term_b_$l, end - 1u) * p.ldb) / 4u];
        //: end
        //: if B_T
        let next_b_$l = b[(from_b_$l + min(t1 + term_b_$l, last)) / 4u];
        //: end
        //: end
        let in_a = now * A_SIZE + down;
        let in_b = now * B_SIZE + across;
        for (var u = 0u; u < TERM_QUADS; u++) {
            //: for t 0 4
            //: for q 0 ROW_QUADS
            let a_$t_$q = tile_a[in_a + (4u * u + $tu) * A_PITCH + $qu * DOWN];
            //: end
            //: for j 0 COL_QUADS
            let b_$t_$j = tile_b[in_b + (4u * u + $tu) * B_PITCH + $ju * ACROSS];
            //: end
            //: for q 0 ROW_QUADS
            //: for r 0 4
            //: for j 0 COL_QUADS
            acc_$q_$r_$j += a_$t_$q[$r] * b_$t_$j;
            //: end
            //: end
            //: end
            //: end
        }
        now = 1u - now;
        //: for l 0 A_LOADS
        if (local + $lu * THREADS < A_QUADS) {
            //: if !A_T
            place_a(now * A_SIZE, at_a_$l, decoded(next_a_$l, scale_$l));
            //: end
            //: if A_T
            place_a(now * A_SIZE, at_a_$l, decoded(next_a_$l, next_scale_$l));
            //: end
        }
        //: end
        //: for l 0 B_LOADS
        if (local + $lu * THREADS < B_QUADS) {
            //: if !B_T
            place_b(now * B_SIZE, at_b_$l, select(vec4<f32>(), next_b_$l, t1 + term_b_$l < end));
            //: end
            //: if B_T
            place_b(now * B_SIZE, at_b_$l, before(next_b_$l, t1 + term_b_$l, end));
            //: end
        }
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

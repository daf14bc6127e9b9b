// Counts an iteration and ends the loop where its rule is met. With t_l = weights_l · sums[slot + l] (256 parts each)
//
//   r = constant + t_0 + t_1 (half the squared residual)      f = r + Σ_{l>1} t_l
//   over where  |f_before − f| ≤ tol f  or  r ≤ target
//
// or, of extrapolated iterations (patience > 0), where f_before, the least f so far, has `f_before − f ≤ tol f` `patience` times in
// a row, or r ≤ target and f ≤ f_before.
//
// f may be a small rest of large terms, and its change a small part of f: of sums in f32 neither would be left. So terms are
// rounded to whole quanta, 2⁻⁴⁴ of the constant, and added as integers of 64 bits: exactly, in any order, whatever a compiler
// takes floating-point sums for. Terms beyond 8 constants, infinities and NaN are no quanta: nothing is decided by them.
//
// gate = [over, whether f_before is known, f_before (low, high), iterations in a row that changed too little, workgroups of the
// indirect dispatches …]. One workgroup.

struct Params {
    len: u32, slot: u32, verdict: u32, first: u32, exponent: i32, tol: f32, target_quanta: f32, start_known: u32,
    constant_low: u32, constant_high: u32, start_low: u32, start_high: u32, patience: u32, made: f32, small: u32,
}
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> gate: array<u32>;

const STATE: u32 = 5u;
// r, and what f has beyond it.
//: reduce exact_total vec4<u32> vec4<u32>(plus(a.xy, b.xy), plus(a.zw, b.zw))
//: reduce any_of u32 a | b
var<workgroup> ended: u32;

fn negative(v: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(~v.x + 1u, ~v.y + select(0u, 1u, v.x == 0u));
}

fn plus(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn real(v: vec2<u32>) -> f32 {
    let below = v.y >= 0x80000000u;
    let size = select(v, negative(v), vec2<bool>(below));
    let real = f32(size.y) * 4294967296.0 + f32(size.x);
    return select(real, -real, below);
}

/// (low, high, 1 where it is too large).
fn quanta(t: f32) -> vec3<u32> {
    let bits = bitcast<u32>(t);
    let e = (bits >> 23u) & 0xffu;
    let m = (bits & 0x7fffffu) | 0x800000u;
    // t = ± m · 2^(e − 150), subnormal numbers aside, which are 0.
    let shift = i32(e) - p.exponent;
    if (e == 255u || (e > 0u && shift > 24)) { return vec3<u32>(0u, 0u, 1u); }
    if (e == 0u || shift < -24) { return vec3<u32>(0u); }
    var size = vec2<u32>(0u);
    if (shift >= 0) {
        size = vec2<u32>(m << u32(shift), (m >> 1u) >> u32(31 - shift));
    } else {
        size.x = (m + (1u << u32(-shift - 1))) >> u32(-shift);
    }
    let value = select(size, negative(size), vec2<bool>(bits >= 0x80000000u));
    return vec3<u32>(value, 0u);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    var own = vec4<u32>(0u);
    var beyond = 0u;
    for (var l = 0u; l < p.len; l++) {
        let t = quanta(weights[l] * sums[(p.slot + l) * $PARTSu + local]);
        beyond |= t.z;
        if (l < 2u) {
            own = vec4<u32>(plus(own.xy, t.xy), own.zw);
        } else {
            own = vec4<u32>(own.xy, plus(own.zw, t.xy));
        }
    }
    let all = exact_total(own, local);
    let strange = any_of(beyond, local);
    if (local == 0u) {
        ended = 0u;
        let is_first = p.first != 0u;
        if (is_first || gate[0] == 0u) {
            let r = plus(vec2<u32>(p.constant_low, p.constant_high), all.xy);
            let f = plus(r, all.zw);
            var before = vec2<u32>(p.start_low, p.start_high);
            var before_known = p.start_known;
            var made = p.made;
            var small = p.small;
            if (!is_first) {
                before_known = gate[1];
                before = vec2<u32>(gate[2], gate[3]);
                made = sums[p.verdict * $PARTSu];
                small = gate[4];
            }
            let known = strange == 0u;
            let comparable = known && before_known != 0u;
            let trials = p.patience > 0u;
            let fall = real(plus(before, negative(f)));
            let is_best = !trials || before_known == 0u || (known && fall >= 0.0);
            let settled = p.tol > 0.0 && comparable && select(abs(fall), fall, trials) <= p.tol * real(f);
            small = select(0u, small + 1u, settled);
            let near = known && is_best && real(r) <= p.target_quanta;
            ended = select(0u, 1u, near || small >= max(p.patience, 1u));
            gate[0] = ended;
            gate[4] = small;
            if (is_best) {
                gate[1] = select(0u, 1u, known);
                gate[2] = f.x;
                gate[3] = f.y;
            }
            sums[p.verdict * $PARTSu] = made + 1.0;
            sums[(p.verdict + 1u) * $PARTSu] = f32(ended);
            // For a loop that goes on elsewhere: f_before, in parts that hold all its bits.
            let best = select(before, f, is_best);
            sums[(p.verdict + 2u) * $PARTSu] = f32(best.x & 0xffffu);
            sums[(p.verdict + 2u) * $PARTSu + 1u] = f32(best.x >> 16u) * 65536.0;
            sums[(p.verdict + 2u) * $PARTSu + 2u] = f32(i32(best.y)) * 4294967296.0;
            sums[(p.verdict + 3u) * $PARTSu] = f32(small);
            sums[(p.verdict + 4u) * $PARTSu] = f32(select(before_known, u32(known), is_best));
        }
    }
    workgroupBarrier();
    if (ended != 0u) {
        for (var i = STATE + local; i < arrayLength(&gate); i += 256u) { gate[i] = 0u; }
    }
}

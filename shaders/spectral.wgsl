// All steps of the power iteration on D⁻¹G with its Collatz–Wielandt bound, for a small G in one shard; see spectral_step.wgsl:
//
//   v = max(v / max v, 1e-6),  v ← (Gv)_i / d_i,        scale_j = slack · max_i ratio_i · d_j,  ratio_i = (Gv)_i / (d_i v_i)
//
// d = diag(G) or 1. `vector` keeps the last v that was multiplied, so that the next bound starts where this one ended.
// One workgroup, $K columns. SPLIT invocations share the terms of a column; they keep their part of G, which is symmetric, in
// registers, or where it is too large (STREAM) read it again in every step. A template: kernels/template.rs says how it is read.

struct Params { ld: u32, diagonal: u32, iterations: u32, slack: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> gram: array<f32>;
@group(0) @binding(1) var<storage, read_write> vector: array<f32>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;

const FLOOR: f32 = 1e-6;
const K: u32 = $Ku;
const QUADS: u32 = $QUADSu;
const SPLIT: u32 = $SPLITu;
// Quads of the terms of an invocation, at most.
const SHARE: u32 = $SHAREu;
// (Gv)_i / d_i, 0 beyond K.
var<workgroup> next: array<vec4<f32>, $QUADS>;
var<workgroup> sums: array<f32, 256>;

//: reduce largest f32 max(a, b)

fn term(j: u32, i: u32) -> f32 {
    return select(0.0, gram[min(j, K - 1u) * p.ld + i], j < K);
}

// A quad of the terms of column i.
fn terms(t: u32, i: u32) -> vec4<f32> {
    return vec4<f32>(term(4u * t, i), term(4u * t + 1u, i), term(4u * t + 2u, i), term(4u * t + 3u, i));
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    let i = local % K;
    let own = local < K;
    // Those beyond the last share have no terms.
    let first = local / K * SHARE;
    //: if !STREAM
    //: for t 0 SHARE
    let g_$t = terms(first + $tu, i);
    //: end
    //: end
    var d = 1.0;
    if (p.diagonal != 0u) { d = gram[i * p.ld + i]; }
    if (local < QUADS) { next[local] = vec4<f32>(); }
    workgroupBarrier();
    if (own) { next[i / 4u][i % 4u] = vector[i]; }
    workgroupBarrier();
    var ratio = 0.0;
    var kept = 0.0;
    for (var step = 0u; step <= p.iterations; step++) {
        var most = vec4<f32>();
        for (var q = 0u; q < QUADS; q++) { most = max(most, next[q]); }
        let largest_v = max(max(most.x, most.y), max(most.z, most.w));
        let unit = select(0.0, 1.0 / largest_v, largest_v > 0.0);
        var sum = vec4<f32>();
        //: if STREAM
        for (var t = 0u; t < QUADS; t++) { sum += terms(t, i) * max(next[t] * unit, vec4<f32>(FLOOR)); }
        //: end
        //: if !STREAM
        //: for t 0 SHARE
        sum += g_$t * max(next[min(first + $tu, QUADS - 1u)] * unit, vec4<f32>(FLOOR));
        //: end
        //: end
        sums[local] = (sum.x + sum.y) + (sum.z + sum.w);
        workgroupBarrier();
        if (own) {
            var all = sums[i];
            for (var s = 1u; s < SPLIT; s++) { all += sums[i + s * K]; }
            kept = max(next[i / 4u][i % 4u] * unit, FLOOR);
            let after = select(0.0, all / d, d > 0.0);
            ratio = after / kept;
            next[i / 4u][i % 4u] = after;
        }
        workgroupBarrier();
    }
    let bound = largest(ratio, local) * p.slack;
    if (own) {
        vector[i] = kept;
        scale[i] = bound * d;
    }
}

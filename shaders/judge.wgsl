// f = constant + Σ_l weights_l · sums[slot + l] (256 parts each), and with state = [β, β_success, β_most, f_before, accepted]:
//
//   f > f_before:  β_most ← β_success,  β ← β/η,  accepted ← 0
//   else:          β_success ← β,  β ← min(β_most, γβ),  β_most ← min(1, γ̄ β_most),  accepted ← 1
//
// The first trial is always accepted. One workgroup. Ang & Gillis 2019.

struct Params { len: u32, slot: u32, first: u32, constant: f32, growth: f32, growth_of_most: f32, shrinkage: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;

//: reduce total f32 a + b

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    // ½‖X‖² is spread over the parts, so that it cancels against them and not against their sum.
    var sum = p.constant / f32($PARTSu);
    for (var l = 0u; l < p.len; l++) { sum += weights[l] * sums[(p.slot + l) * $PARTSu + local]; }
    let f = total(sum, local);
    if (local == 0u) {
        let beta = state[0];
        let success = state[1];
        let most = state[2];
        if (p.first == 0u && f > state[3]) {
            state[0] = beta / p.shrinkage;
            state[2] = success;
            state[4] = 0.0;
        } else {
            state[0] = min(most, p.growth * beta);
            state[1] = beta;
            state[2] = min(1.0, p.growth_of_most * most);
            state[4] = 1.0;
        }
        state[3] = f;
    }
}

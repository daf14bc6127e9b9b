// scale_j = slack · max_i ratio_i · metric_j. One workgroup; slack is more than rounding can have taken away.

struct Params { k: u32, slack: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> ratio: array<f32>;
@group(0) @binding(1) var<storage, read> metric: array<f32>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;

//: reduce largest f32 max(a, b)

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    var most = 0.0;
    for (var i = local; i < p.k; i += 256u) { most = max(most, ratio[i]); }
    let bound = largest(most, local) * p.slack;
    for (var j = local; j < p.k; j += 256u) { scale[j] = bound * metric[j]; }
}

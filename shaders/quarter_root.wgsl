// out_j = (coefficient · numerator_j / denominator_j)^¼, 1 where either is 0. Grid: (k / 64), in strides.

struct Params { k: u32, coefficient: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> numerator: array<f32>;
@group(0) @binding(1) var<storage, read> denominator: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.k; j += grid.x * 64u) {
        let n = p.coefficient * numerator[j];
        let d = denominator[j];
        var root = 1.0;
        if (n > 0.0 && d > 0.0) { root = sqrt(sqrt(n / d)); }
        out[j] = root;
    }
}

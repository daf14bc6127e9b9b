// membership[i, j] = 1 for the first j at which half_norms[j] − products[i, j] is least, else 0.
//
// Grid: (rows / 64), rows in strides. A thread per row, which it walks twice: k is small beside the product before it.

struct Params { rows: u32, cols: u32, ld: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> products: array<f32>;
@group(0) @binding(1) var<storage, read> half_norms: array<f32>;
@group(0) @binding(2) var<storage, read_write> membership: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var i = id.x; i < p.rows; i += grid.x * 64u) {
        let row = i * p.ld;
        var best = 0u;
        var least = half_norms[0] - products[row];
        for (var j = 1u; j < p.cols; j += 1u) {
            let v = half_norms[j] - products[row + j];
            if (v < least) {
                least = v;
                best = j;
            }
        }
        for (var j = 0u; j < p.cols; j += 1u) {
            membership[row + j] = select(0.0, 1.0, j == best);
        }
    }
}

// gradient −= rhs, then out = gradient where x > 0 or gradient < 0, else 0.
// Grid: (columns / 64, rows / 4), both in strides.

struct Params { rows: u32, cols: u32, ld: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> rhs: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.cols; j += grid.x * 64u) {
        for (var i = id.y; i < p.rows; i += grid.y * 4u) {
            let at = i * p.ld + j;
            let g = gradient[at] - rhs[at];
            gradient[at] = g;
            out[at] = select(0.0, g, g < 0.0 || x[at] > 0.0);
        }
    }
}

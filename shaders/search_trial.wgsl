// A trial of a line search:
//
//   trial = max(least, x − α gradient),  moved = trial − x          α = state[0]
//
// where least is 0 for nonnegative x and the least f32 for others.
// Grid: (columns / 64, rows / 4), both in strides.

struct Params { rows: u32, cols: u32, ld: u32, least: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> state: array<f32>;
@group(0) @binding(3) var<storage, read_write> trial: array<f32>;
@group(0) @binding(4) var<storage, read_write> moved: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.cols; j += grid.x * 64u) {
        let alpha = state[0];
        for (var i = id.y; i < p.rows; i += grid.y * 4u) {
            let at = i * p.ld + j;
            let old = x[at];
            let next = max(p.least, old - alpha * gradient[at]);
            trial[at] = next;
            moved[at] = next - old;
        }
    }
}

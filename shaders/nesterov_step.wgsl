// One step of Nesterov's method with projection on x ≥ 0, for a block of rows that begins at row0:
//
//   x_new = max(0, y − (gradient − rhs + mu·sums_j) / (left_i·right_j + extra))
//   y_new = x_new + beta (x_new − x)
//
// In the block's first step y is x. Without curvature nothing depends on an entry, and it stays as it is.
// RESTART: beta waits for the sum of the restart test; y takes x_new − x, gradient takes y − x_new, and the kernel
// `extrapolate` does the rest. Grid: (columns / 64, rows / 4), both in strides.

override RESTART: bool = false;

struct Params {
    rows: u32, cols: u32, ld: u32, row0: u32,
    first: u32, has_left: u32,
    mu: f32, extra: f32, beta: f32,
}
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(3) var<storage, read> rhs: array<f32>;
@group(0) @binding(4) var<storage, read> right: array<f32>;
@group(0) @binding(5) var<storage, read> left: array<f32>;
@group(0) @binding(6) var<storage, read> sums: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.cols; j += grid.x * 64u) {
        let curvature = right[j];
        var pull = 0.0;
        if (p.mu > 0.0) { pull = p.mu * sums[j]; }
        for (var i = id.y; i < p.rows; i += grid.y * 4u) {
            let at = i * p.ld + j;
            let old = x[at];
            let point = select(y[at], old, p.first != 0u);
            var denominator = curvature;
            if (p.has_left != 0u) { denominator *= left[p.row0 + i]; }
            denominator += p.extra;
            var next = old;
            if (denominator > 0.0) {
                next = max(0.0, point - (gradient[at] - rhs[at] + pull) / denominator);
            }
            let moved = next - old;
            x[at] = next;
            if (RESTART) {
                y[at] = moved;
                gradient[at] = point - next;
            } else {
                y[at] = next + p.beta * moved;
            }
        }
    }
}

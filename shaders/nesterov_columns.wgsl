// One step of Nesterov's method with projection where a penalty couples the rows of a column, with s_j = Σ_i y_ij:
//
//   x_new = max(0, y − (gradient − rhs + mu s_j) / (right_j left_i + extra)),  y_new = x_new + beta (x_new − x)
//
// and x for y in the first step; left is 1 where there is none. Without curvature x stays as it is.
//
// A workgroup has whole columns, 8 at a time, 32 rows of them at a time: it adds y up, and then steps. Grid: (columns / 8), in strides.

struct Params { rows: u32, cols: u32, ld: u32, first: u32, has_left: u32, mu: f32, extra: f32, beta: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read> rhs: array<f32>;
@group(0) @binding(4) var<storage, read> right: array<f32>;
@group(0) @binding(5) var<storage, read> left: array<f32>;

const COLUMNS: u32 = 8u;
const ROWS: u32 = 32u;
var<workgroup> sums: array<f32, 256>;

// The point of row i; beyond the last row it is not counted.
fn point(i: u32, j: u32) -> f32 {
    let at = min(i, p.rows - 1u) * p.ld + j;
    let value = select(y[at], x[at], p.first != 0u);
    return select(0.0, value, i < p.rows);
}

@compute @workgroup_size(8, 32)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    for (var col0 = wg.x * COLUMNS; col0 < p.cols; col0 += grid.x * COLUMNS) {
        let j = min(col0 + local.x, p.cols - 1u);
        var sum = vec4<f32>();
        for (var i = local.y; i < p.rows; i += 4u * ROWS) {
            sum += vec4<f32>(point(i, j), point(i + ROWS, j), point(i + 2u * ROWS, j), point(i + 3u * ROWS, j));
        }
        sums[index] = (sum.x + sum.y) + (sum.z + sum.w);
        workgroupBarrier();
        for (var half = ROWS / 2u; half > 0u; half /= 2u) {
            if (local.y < half) { sums[index] += sums[index + half * COLUMNS]; }
            workgroupBarrier();
        }
        let penalty = p.mu * sums[local.x];
        if (col0 + local.x < p.cols) {
            for (var i = local.y; i < p.rows; i += ROWS) {
                let at = i * p.ld + j;
                let old = x[at];
                let start = select(y[at], old, p.first != 0u);
                let of_row = select(1.0, left[i * p.has_left], p.has_left != 0u);
                let denominator = right[j] * of_row + p.extra;
                var next = old;
                if (denominator > 0.0) { next = max(0.0, start - (gradient[at] - rhs[at] + penalty) / denominator); }
                x[at] = next;
                y[at] = next + p.beta * (next - old);
            }
        }
        // All have read the sums before the next columns' are written.
        workgroupBarrier();
    }
}

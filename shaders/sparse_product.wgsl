// out = a b with a sparse a, for `rows` rows: from row a_row of this part of a, from row out_row of this part of out.
//
// Row i of a has the entries starts[i] .. starts[i + 1] of columns and weights. Of b there are the rows b_first to
// b_first + b_rows; `accumulate` adds to what the rows before gave. Grid: (columns / 64, rows / 4), both in strides.

struct Params {
    rows: u32, cols: u32, ld: u32,
    a_row: u32, out_row: u32, b_first: u32, b_rows: u32, accumulate: u32,
}
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> starts: array<u32>;
@group(0) @binding(1) var<storage, read> columns: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.cols; j += grid.x * 64u) {
        for (var i = id.y; i < p.rows; i += grid.y * 4u) {
            let at = (p.out_row + i) * p.ld + j;
            var sum = 0.0;
            if (p.accumulate != 0u) { sum = out[at]; }
            let end = starts[p.a_row + i + 1u];
            for (var e = starts[p.a_row + i]; e < end; e++) {
                // Below b_first this wraps around, and is not less either.
                let row = columns[e] - p.b_first;
                if (row < p.b_rows) { sum += weights[e] * b[row * p.ld + j]; }
            }
            out[at] = sum;
        }
    }
}

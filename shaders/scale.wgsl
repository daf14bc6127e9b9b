// m[i, j] *= d[(row0 + i)·by_row + j·by_col + entry], or divided by it: d of the row, of the column, or one entry.
// Grid: (columns / 64, rows / 4), both in strides.

struct Params { rows: u32, cols: u32, ld: u32, row0: u32, by_row: u32, by_col: u32, entry: u32, divide: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> m: array<f32>;
@group(0) @binding(1) var<storage, read> d: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.cols; j += grid.x * 64u) {
        for (var i = id.y; i < p.rows; i += grid.y * 4u) {
            let at = i * p.ld + j;
            let factor = d[(p.row0 + i) * p.by_row + j * p.by_col + p.entry];
            if (p.divide != 0u) { m[at] /= factor; } else { m[at] *= factor; }
        }
    }
}

// A few columns by columns, from one to the next, and back: for the rows from row0 on and `count` columns from j0 on,
//
//   columns[j, row0 + i] = x[i, j0 + j],  u[j, row0 + i] = −rhs[i, j0 + j]        STORE: x[i, j0 + j] = columns[j, row0 + i]
//
// columns and u have `pitch` entries from column to column. Grid: (rows / 64), in strides.

override STORE: bool = false;

struct Params { rows: u32, ld: u32, row0: u32, j0: u32, count: u32, pitch: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> rhs: array<f32>;
@group(0) @binding(2) var<storage, read_write> columns: array<f32>;
@group(0) @binding(3) var<storage, read_write> u: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var i = id.x; i < p.rows; i += grid.x * 64u) {
        for (var j = id.y; j < p.count; j += 4u) {
            let from_row = i * p.ld + p.j0 + j;
            let from_column = j * p.pitch + p.row0 + i;
            if (STORE) {
                x[from_row] = columns[from_column];
            } else {
                columns[from_column] = x[from_row];
                u[from_column] = -rhs[from_row];
            }
        }
    }
}

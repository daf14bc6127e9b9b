// An elementwise formula on a block of rows that begins at row0. kernels/map.rs puts the parts of a row of
// src/backend/formula/table.rs in the places of the names with a dollar.
// Grid: (columns / 64, rows / 4), both in strides.

struct Params { rows: u32, cols: u32, ld: u32, row0: u32, $FIELDS }
var<immediate> p: Params;
$BINDINGS
$FUNCTIONS
@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.cols; j += grid.x * 64u) {
        $OF_COLUMN
        for (var i = id.y; i < p.rows; i += grid.y * 4u) {
            let at = i * p.ld + j;
            $OF_ENTRY
            $BODY
            $STORES
        }
    }
}

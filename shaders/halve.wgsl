// out = a rounded to halves, two to a word and 0 outside of a: `rows` × `cols` of it from a_off on.
// Grid: (columns of out / 128, rows of out / 4), both in strides.

struct Params { rows: u32, cols: u32, lda: u32, a_off: u32, out_rows: u32, out_cols: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

fn entry(i: u32, j: u32) -> f32 {
    if (i >= p.rows || j >= p.cols) { return 0.0; }
    return a[p.a_off + i * p.lda + j];
}

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = 2u * id.x; j < p.out_cols; j += grid.x * 128u) {
        for (var i = id.y; i < p.out_rows; i += grid.y * 4u) {
            out[(i * p.out_cols + j) / 2u] = pack2x16float(vec2<f32>(entry(i, j), entry(i, j + 1u)));
        }
    }
}

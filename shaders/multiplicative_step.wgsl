// One multiplicative step for a block of rows that begins at row0:
//
//   n = max(rhs, 0) + attract,  d = max(−rhs, 0) + repel + degree_i x
//   x ← x · n / (d + floor)     or, where `root` says so,     x ← x · √(n / max(d, floor))
//
// Grid: (columns / 64, rows / 4), both in strides.

struct Params { rows: u32, cols: u32, ld: u32, row0: u32, has_attract: u32, has_degree: u32, root: u32, floor: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> rhs: array<f32>;
@group(0) @binding(2) var<storage, read> repel: array<f32>;
@group(0) @binding(3) var<storage, read> attract: array<f32>;
@group(0) @binding(4) var<storage, read> degree: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.cols; j += grid.x * 64u) {
        for (var i = id.y; i < p.rows; i += grid.y * 4u) {
            let at = i * p.ld + j;
            let old = x[at];
            var n = max(rhs[at], 0.0);
            var d = max(-rhs[at], 0.0) + repel[at];
            if (p.has_attract != 0u) { n += attract[at]; }
            if (p.has_degree != 0u) { d += degree[p.row0 + i] * old; }
            if (p.root != 0u) {
                x[at] = old * sqrt(n / max(d, p.floor));
            } else {
                x[at] = old * (n / (d + p.floor));
            }
        }
    }
}

// out = max(m, 0), max(−m, 0) or |m|, as `what` (0, 1, 2) says.
// Grid: (columns / 64, rows / 4), both in strides.

struct Params { rows: u32, cols: u32, ld: u32, what: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> m: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    for (var j = id.x; j < p.cols; j += grid.x * 64u) {
        for (var i = id.y; i < p.rows; i += grid.y * 4u) {
            let at = i * p.ld + j;
            var v = m[at];
            if (p.what == 1u) { v = -v; }
            if (p.what == 2u) { v = abs(v); }
            out[at] = max(v, 0.0);
        }
    }
}

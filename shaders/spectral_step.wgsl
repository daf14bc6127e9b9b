// One step of the power iteration on D⁻¹G with its Collatz–Wielandt ratios:
//
//   v = max(v_in / max v_in, 1e-6),  v_out_i = (Gv)_i / d_i,  ratio_i = v_out_i / v_i
//
// d = diag(G) or 1. The floor keeps v > 0, without which max_i ratio_i would be no bound. G comes in blocks of rows;
// row0 is the first row of this one. 16 rows per workgroup, 16 invocations per row. Grid: (rows / 16), in strides.
// The last step puts the normalised v into v_out (`keep`), so that the next bound starts where this one ended.

struct Params { rows: u32, k: u32, ld: u32, row0: u32, diagonal: u32, keep: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> gram: array<f32>;
@group(0) @binding(1) var<storage, read> v_in: array<f32>;
@group(0) @binding(2) var<storage, read_write> v_out: array<f32>;
@group(0) @binding(3) var<storage, read_write> ratio: array<f32>;
@group(0) @binding(4) var<storage, read_write> metric: array<f32>;

const FLOOR: f32 = 1e-6;
//: reduce largest f32 max(a, b)
var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var most = 0.0;
    for (var i = local; i < p.k; i += 256u) { most = max(most, v_in[i]); }
    most = largest(most, local);
    let unit = select(0.0, 1.0 / most, most > 0.0);

    let lane = local % 16u;
    for (var row0 = wg.x * 16u; row0 < p.rows; row0 += grid.x * 16u) {
        let row = row0 + local / 16u;
        var sum = 0.0;
        if (row < p.rows) {
            for (var j = lane; j < p.k; j += 16u) {
                sum += gram[row * p.ld + j] * max(v_in[j] * unit, FLOOR);
            }
        }
        sums[local] = sum;
        workgroupBarrier();
        if (lane == 0u && row < p.rows) {
            for (var l = 1u; l < 16u; l++) { sum += sums[local + l]; }
            let i = p.row0 + row;
            var d = 1.0;
            if (p.diagonal != 0u) { d = gram[row * p.ld + i]; }
            let v = max(v_in[i] * unit, FLOOR);
            let next = select(0.0, sum / d, d > 0.0);
            v_out[i] = select(next, v, p.keep != 0u);
            ratio[i] = next / v;
            metric[i] = d;
        }
        // All have read the sums before the next rows' are written.
        workgroupBarrier();
    }
}

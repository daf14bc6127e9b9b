// With q_l = weights_l · sums[first + l] (256 parts each): out_l = √(geometric mean of q / q_l), all 1 where a q is 0.
// One workgroup; `len` is the number of layers and one.

struct Params { len: u32, first: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

//: reduce total f32 a + b

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    var mean = 0.0;
    var usable = true;
    for (var l = 0u; l < p.len; l++) {
        let sum = total(sums[(p.first + l) * $PARTSu + local], local);
        if (local == 0u) {
            let q = weights[l] * sum;
            usable = usable && q > 0.0;
            let lq = log(max(q, 1e-38));
            mean += lq / f32(p.len);
            out[l] = lq;
        }
    }
    if (local == 0u) {
        for (var l = 0u; l < p.len; l++) {
            out[l] = select(1.0, exp(0.5 * (mean - out[l])), usable);
        }
    }
}

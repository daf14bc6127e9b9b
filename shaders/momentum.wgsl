// The restart test: with uphill = ⟨y − x, x − x_before⟩ (256 partial sums in slot `slot`) and state = [α, β]:
//
//   uphill > 0:  α ← 1, β ← 0;      else:  α' = (1 + √(4α² + 1))/2,  β ← (α − 1)/α',  α ← α'
//
// In a block's first step α is 1 and there is no test. One workgroup. O'Donoghue & Candès 2015, gradient scheme.

struct Params { slot: u32, first: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;

//: reduce total f32 a + b

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    let uphill = total(sums[p.slot * $PARTSu + local], local);
    if (local == 0u) {
        let alpha = select(state[0], 1.0, p.first != 0u);
        let next = (1.0 + sqrt(4.0 * alpha * alpha + 1.0)) / 2.0;
        let restart = p.first == 0u && uphill > 0.0;
        state[0] = select(next, 1.0, restart);
        state[1] = select((alpha - 1.0) / next, 0.0, restart);
    }
}

// Armijo's rule. With s_t the sum in slot t (256 parts each) and w its weight:
//
//   excess = Σ_t w_t s_t  =  f(trial) − f(x) − σ⟨g, δ⟩
//   excess ≤ 0:  α ← min(2α, largest), the search is over;      else:  α ← α/2
//
// state = [α, 1 where the search is over, 1 where this trial ended it]. A search that is over stays as it is until
// the `first` trial of the next one. One workgroup.

struct Params { first: u32, largest: f32, w0: f32, w1: f32, w2: f32, w3: f32, w4: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;

//: reduce total f32 a + b

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    let own = p.w0 * sums[local] + p.w1 * sums[$PARTSu + local] + p.w2 * sums[2u * $PARTSu + local]
        + p.w3 * sums[3u * $PARTSu + local] + p.w4 * sums[4u * $PARTSu + local];
    let excess = total(own, local);
    if (local == 0u) {
        if (p.first == 0u && state[1] != 0.0) {
            state[2] = 0.0;
            return;
        }
        // By its bits: a compiler may take it that there are no infinities and NaN to compare with.
        let finite = (bitcast<u32>(excess) & 0x7f800000u) != 0x7f800000u;
        let taken = finite && excess <= 0.0;
        let flag = select(0.0, 1.0, taken);
        state[0] = select(0.5 * state[0], min(2.0 * state[0], p.largest), taken);
        state[1] = flag;
        state[2] = flag;
    }
}

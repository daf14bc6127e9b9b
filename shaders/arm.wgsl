// The workgroups of an indirect dispatch, unless the loop is over: gate[at ..] = workgroups. See stop.wgsl. One workgroup.

struct Params { at: u32, x: u32, y: u32, z: u32, first: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> gate: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
    // Before the first check of a loop the state is that of the loop before.
    if (local == 0u && (p.first != 0u || gate[0] == 0u)) {
        gate[p.at] = p.x;
        gate[p.at + 1u] = p.y;
        gate[p.at + 2u] = p.z;
    }
}

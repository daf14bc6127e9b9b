// part[chunk, j] = Σ_i m[i, j] (or m², where `squares` says so) over the rows of a chunk; where there is one chunk, that is the
// result: then `accumulate` adds what is there, and `square` squares it.
//
// Grid: (columns / 16, in strides, chunks). 16 columns × 16 rows at a time per workgroup, and eight times that under way;
// sum_partials adds the chunks up.

struct Params {
    rows: u32, cols: u32, ld: u32, chunk: u32, part_off: u32, part_ld: u32, squares: u32, accumulate: u32, square: u32,
}
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> m: array<f32>;
@group(0) @binding(1) var<storage, read_write> part: array<f32>;

const SIDE: u32 = 16u;
var<workgroup> sums: array<f32, 256>;

// The terms of four rows from i on.
fn four(i: u32, j: u32, end: u32) -> vec4<f32> {
    let rows = i + SIDE * vec4<u32>(0u, 1u, 2u, 3u);
    // Beyond the last row it is read once more, and not counted.
    let at = min(rows, vec4<u32>(end - 1u)) * p.ld + j;
    let v = vec4<f32>(m[at.x], m[at.y], m[at.z], m[at.w]);
    return select(vec4<f32>(), select(v, v * v, p.squares != 0u), rows < vec4<u32>(end));
}

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let end = min(p.rows, (wg.y + 1u) * p.chunk);
    for (var col0 = wg.x * SIDE; col0 < p.cols; col0 += grid.x * SIDE) {
        let j = col0 + local.x;
        var sum = vec4<f32>();
        if (j < p.cols) {
            for (var i = wg.y * p.chunk + local.y; i < end; i += 8u * SIDE) {
                sum += four(i, j, end) + four(i + 4u * SIDE, j, end);
            }
        }
        sums[index] = (sum.x + sum.y) + (sum.z + sum.w);
        workgroupBarrier();
        for (var half = SIDE / 2u; half > 0u; half /= 2u) {
            if (local.y < half) { sums[index] += sums[index + half * SIDE]; }
            workgroupBarrier();
        }
        if (local.y == 0u && j < p.cols) {
            let at = p.part_off + wg.y * p.part_ld + j;
            var all = sums[index];
            if (p.accumulate != 0u) { all += part[at]; }
            if (p.square != 0u) { all *= all; }
            part[at] = all;
        }
        // All have read the sums before the next columns' are written.
        workgroupBarrier();
    }
}

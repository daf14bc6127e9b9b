// A step of Nesterov's method with projection where a penalty or a Gram on the left couples the rows, with s_j = Σ_i y_ij:
//
//   x_new = max(0, y − (A y G − rhs + mu s_j) / (right_j left_i + extra)),  y_new = x_new + beta (x_new − x)
//
// A and left are 1 where there is none. Without curvature x stays as it is. G and A are symmetric.
//
// `work` has y, the next y (these two change places from step to step), x and rhs, each by quads of columns: rows entries from
// quad to quad. The first dispatch of a block only brings x and rhs there; the last step brings x back.
//
// A template: kernels/template.rs says how it is read, kernels/nesterov_columns.rs for which sizes. A workgroup has a quad of columns
// and all their rows, an invocation $ROWS of these at a time. Distances of rows are multiples of 4. Grid: (quads), in strides.

struct Params {
    rows: u32, k: u32, ld: u32, a_ld: u32, gather: u32, odd: u32, last: u32, mu: f32, extra: f32, beta: f32,
}
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> work: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rhs: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> gram: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> right: array<vec4<f32>>;
//: if HALF
@group(0) @binding(5) var<storage, read> left: array<f32>;
@group(0) @binding(6) var<storage, read> a: array<f32>;
// A quad of columns of yG, with zeros behind them.
var<workgroup> half: array<vec4<f32>, $HALF>;
//: end

//: reduce total vec4<f32> a + b

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let quads = p.ld / 4u;
    let all = quads * p.rows;
    let y = p.odd * all;
    let next_y = (1u - p.odd) * all;
    for (var q = wg.x; q < quads; q += grid.x) {
        let column = q * p.rows;
        if (p.gather != 0u) {
            for (var i = local; i < p.rows; i += 256u) {
                let value = x[i * quads + q];
                work[y + column + i] = value;
                work[2u * all + column + i] = value;
                work[3u * all + column + i] = rhs[i * quads + q];
            }
            continue;
        }
        var own = vec4<f32>();
        if (p.mu > 0.0) {
            for (var i = local; i < p.rows; i += 256u) { own += work[y + column + i]; }
        }
        let penalty = p.mu * total(own, local);
        for (var i = local; i < p.rows; i += 256u * $ROWSu) {
            //: for r 0 ROWS
            let i_$r = min(i + 256u * $ru, p.rows - 1u);
            var sum_$r = vec4<f32>();
            var ahead_$r = work[y + i_$r];
            //: end
            for (var t = 0u; t < quads; t++) {
                // Behind the last column y is 0.
                //: for s 0 4
                let g_$s = gram[min(4u * t + $su, p.k - 1u) * quads + q];
                //: end
                let at = y + min(t + 1u, quads - 1u) * p.rows;
                //: for r 0 ROWS
                let y_$r = ahead_$r;
                ahead_$r = work[at + i_$r];
                //: for s 0 4
                sum_$r += y_$r[$s] * g_$s;
                //: end
                //: end
            }
            //: if HALF
            //: for r 0 ROWS
            if (i + 256u * $ru < p.rows) { half[i_$r] = sum_$r; }
            //: end
        }
        for (var i = p.rows + local; i < $HALFu; i += 256u) { half[i] = vec4<f32>(); }
        workgroupBarrier();
        for (var i = local; i < p.rows; i += 256u * $ROWSu) {
            //: for r 0 ROWS
            let i_$r = min(i + 256u * $ru, p.rows - 1u);
            var sum_$r = vec4<f32>();
            //: end
            for (var t = 0u; t < p.rows; t += 4u) {
                //: for u 0 4
                let half_$u = half[t + $uu];
                let at_$u = min(t + $uu, p.rows - 1u) * p.a_ld;
                //: for r 0 ROWS
                sum_$r += a[at_$u + i_$r] * half_$u;
                //: end
                //: end
            }
            //: end
            //: for r 0 ROWS
            if (i + 256u * $ru < p.rows) {
                let at = column + i_$r;
                let old = work[2u * all + at];
                var curvature = right[q];
                //: if HALF
                curvature *= left[i_$r];
                //: end
                curvature += p.extra;
                let stepped = max(vec4<f32>(), work[y + at] - (sum_$r - work[3u * all + at] + penalty) / curvature);
                let next = select(old, stepped, curvature > vec4<f32>());
                work[2u * all + at] = next;
                work[next_y + at] = next + p.beta * (next - old);
                if (p.last != 0u) { x[i_$r * quads + q] = next; }
            }
            //: end
        }
        // All have read what the next columns overwrite.
        workgroupBarrier();
    }
}

// What the invocations of a workgroup have, combined in a fixed order; every one of them gets the result. The directive
// `reduce` of kernels/template.rs puts in the names with a dollar. All invocations have to call it.
var<workgroup> of_$NAME: array<$TYPE, 256>;
fn $NAME(own: $TYPE, local: u32) -> $TYPE {
    of_$NAME[local] = own;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (local < half) {
            let a = of_$NAME[local];
            let b = of_$NAME[local + half];
            of_$NAME[local] = $COMBINED;
        }
        workgroupBarrier();
    }
    let all = of_$NAME[0];
    // All have read it before the next one is written.
    workgroupBarrier();
    return all;
}

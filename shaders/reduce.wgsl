// What the invocations of a workgroup have, combined in a fixed order; every one of them gets the result. The directive
// `reduce` of kernels/template.rs puts in the names with a dollar. All invocations have to call it.
var<workgroup> of_$NAME: array<$TYPE, 256>;
var<workgroup> few_$NAME: array<$TYPE, 16>;
fn $NAME(own: $TYPE, local: u32) -> $TYPE {
    of_$NAME[local] = own;
    workgroupBarrier();
    if (local < 16u) {
        var a = of_$NAME[local];
        for (var i = 1u; i < 16u; i++) {
            let b = of_$NAME[local + 16u * i];
            a = $COMBINED;
        }
        few_$NAME[local] = a;
    }
    // The next call has a barrier between what is read here and what it writes there.
    workgroupBarrier();
    var a = few_$NAME[0];
    for (var i = 1u; i < 16u; i++) {
        let b = few_$NAME[i];
        a = $COMBINED;
    }
    return a;
}

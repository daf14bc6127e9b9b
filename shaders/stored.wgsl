//: if !QUADS
// The read-only operand `a` of a kernel, stored as f32, as halves or as bytes with a scale per row, as a template. `at` is the place of
// an entry in numbers from the start of the buffer and `row` its row in the shard: x = scale[row] · byte.
//: if F32
@group(0) @binding(0) var<storage, read> a: array<f32>;
fn entry(at: u32, row: u32) -> f32 { return a[at]; }
//: end
//: if F16
@group(0) @binding(0) var<storage, read> a: array<u32>;
fn entry(at: u32, row: u32) -> f32 { return unpack2x16float(a[at / 2u])[at % 2u]; }
//: end
//: if U8
@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
fn entry(at: u32, row: u32) -> f32 { return scale[row] * f32((a[at / 4u] >> (8u * (at % 4u))) & 255u); }
//: end
//: end
//: if QUADS
// The same, four neighbours of a row at a time, loaded and decoded in two steps: `at` counts fours.
//: if F32
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
fn raw(at: u32) -> vec4<f32> { return a[at]; }
fn scale_of(row: u32) -> f32 { return 1.0; }
fn decoded(v: vec4<f32>, scale: f32) -> vec4<f32> { return v; }
//: end
//: if F16
@group(0) @binding(0) var<storage, read> a: array<vec2<u32>>;
fn raw(at: u32) -> vec2<u32> { return a[at]; }
fn scale_of(row: u32) -> f32 { return 1.0; }
fn decoded(pairs: vec2<u32>, scale: f32) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}
//: end
//: if U8
@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
fn raw(at: u32) -> u32 { return a[at]; }
fn scale_of(row: u32) -> f32 { return scale[row]; }
fn decoded(bytes: u32, scale: f32) -> vec4<f32> { return scale * vec4<f32>(unpack4xU8(bytes)); }
//: end
//: end

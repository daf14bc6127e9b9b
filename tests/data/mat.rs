//! MATLAB version 5, written by hand in both byte orders, plain and compressed.

use std::io::Write;
use std::path::Path;

use deepnmf::data::{ImageShape, LoadOptions, PixelOrder, SamplesAxis, load};
use ndarray::arr2;

use super::{Dir, read, refusal, refused, survives_damage};

/// Builds elements; `big` is the byte order.
#[derive(Clone, Copy)]
struct Mat {
    big: bool,
    compressed: bool,
}

const PLAIN: Mat = Mat { big: false, compressed: false };
const VARIANTS: [Mat; 4] = [
    PLAIN,
    Mat { big: true, compressed: false },
    Mat { big: false, compressed: true },
    Mat { big: true, compressed: true },
];

impl Mat {
    fn word(self, v: u32) -> [u8; 4] {
        if self.big { v.to_be_bytes() } else { v.to_le_bytes() }
    }

    fn element(self, kind: u32, bytes: &[u8]) -> Vec<u8> {
        let mut out = [self.word(kind), self.word(bytes.len() as u32)].concat();
        if (1..=4).contains(&bytes.len()) && kind != 15 {
            out = self.word((bytes.len() as u32) << 16 | kind).to_vec();
        }
        out.extend(bytes);
        if kind != 15 {
            out.resize(out.len().next_multiple_of(8), 0);
        }
        out
    }

    /// A matrix of `class`, its numbers stored as bytes of type `kind`.
    fn matrix(self, name: &str, class: u32, dims: &[i32], kind: u32, data: &[u8]) -> Vec<u8> {
        let flags = [self.word(class), self.word(0)].concat();
        let dims: Vec<u8> = dims.iter().flat_map(|&d| self.word(d as u32)).collect();
        let parts = [
            self.element(6, &flags),
            self.element(5, &dims),
            self.element(1, name.as_bytes()),
            self.element(kind, data),
        ];
        let matrix = self.element(14, &parts.concat());
        if !self.compressed {
            return matrix;
        }
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&matrix).expect("in memory");
        self.element(15, &encoder.finish().expect("in memory"))
    }

    fn bytes(self, name: &str, rows: i32, columns: i32, data: &[u8]) -> Vec<u8> {
        self.matrix(name, 9, &[rows, columns], 2, data)
    }

    fn file(self, matrices: &[Vec<u8>]) -> Vec<u8> {
        let mut head = b"MATLAB 5.0 MAT-file, by hand".to_vec();
        head.resize(124, b' ');
        head.extend(if self.big { *b"\x01\x00MI" } else { *b"\x00\x01IM" });
        head.extend(matrices.concat());
        head
    }
}

#[test]
fn samples_in_rows_or_in_columns() {
    let dir = Dir::new();
    for mat in VARIANTS {
        let rows = mat.file(&[mat.bytes("fea", 2, 3, &[1, 4, 2, 5, 3, 6]), mat.bytes("gnd", 2, 1, &[9, 3])]);
        let set = read(&dir.put("r.mat", &rows));
        assert_eq!(set.x, arr2(&[[1., 2., 3.], [4., 5., 6.]]));
        assert_eq!((set.labels, set.classes), (Some(vec![Some(1), Some(0)]), vec!["3".into(), "9".into()]));
        let columns = mat.file(&[mat.bytes("gnd", 1, 2, &[9, 3]), mat.bytes("fea", 3, 2, &[1, 2, 3, 4, 5, 6])]);
        assert_eq!(read(&dir.put("c.mat", &columns)).x, arr2(&[[1., 2., 3.], [4., 5., 6.]]));
        // Without labels rows are samples, unless told otherwise.
        let alone = dir.put("a.mat", &mat.file(&[mat.bytes("anything", 3, 2, &[1, 2, 3, 4, 5, 6])]));
        assert_eq!(read(&alone).x, arr2(&[[1., 4.], [2., 5.], [3., 6.]]));
        let set = load(&alone, &LoadOptions { samples: SamplesAxis::Columns, ..Default::default() }).expect("columns");
        assert_eq!(set.x, arr2(&[[1., 2., 3.], [4., 5., 6.]]));
    }
}

#[test]
fn features_keep_the_order_of_the_file_and_images_are_read_column_by_column() {
    let dir = Dir::new();
    let columns = |height, width, channels| Some(ImageShape::new(height, width, channels).ordered(PixelOrder::Columns));
    let two = [1, 10, 2, 20, 3, 30, 4, 40];
    let path = dir.put("s.mat", &PLAIN.file(&[PLAIN.bytes("fea", 2, 4, &two)]));
    let set = read(&path);
    assert_eq!(set.image_shape, columns(2, 2, 1));
    assert_eq!(set.x, arr2(&[[1., 2., 3., 4.], [10., 20., 30., 40.]]));
    let with = |path: &Path, opts: LoadOptions| load(path, &opts).expect("it fits");
    let set = with(&path, LoadOptions { pixel_order: Some(PixelOrder::Rows), ..Default::default() });
    assert_eq!(set.image_shape, Some(ImageShape::new(2, 2, 1)));
    // Resized there is no order of the file any more.
    let set = with(&path, LoadOptions { resize: Some((4, 4)), ..Default::default() });
    assert_eq!((set.image_shape, set.x[[0, 3]], set.x[[0, 12]]), (Some(ImageShape::new(4, 4, 1)), 3., 2.));
    // Six numbers are no square: no images, unless a shape is given.
    let path =
        dir.put("g.mat", &PLAIN.file(&[PLAIN.bytes("fea", 1, 6, &[0, 1, 2, 3, 4, 5]), PLAIN.bytes("gnd", 1, 1, &[1])]));
    let as_it_is = arr2(&[[0., 1., 2., 3., 4., 5.]]);
    assert_eq!((read(&path).image_shape, read(&path).x), (None, as_it_is.clone()));
    let mut set = with(&path, LoadOptions { image_shape: Some(ImageShape::new(2, 3, 1)), ..Default::default() });
    assert_eq!((set.image_shape, &set.x), (columns(2, 3, 1), &as_it_is));
    set.reorder(PixelOrder::Rows);
    assert_eq!((set.image_shape, set.x), (Some(ImageShape::new(2, 3, 1)), arr2(&[[0., 2., 4., 1., 3., 5.]])));
    let colour = LoadOptions { image_shape: Some(ImageShape::new(1, 2, 3)), ..Default::default() };
    let set = with(&path, LoadOptions { colour: true, ..colour.clone() });
    assert_eq!((set.image_shape, set.x), (columns(1, 2, 3), as_it_is));
    // Red 0 and 1, green 2 and 3, blue 4 and 5.
    let grey = with(&path, colour).x;
    let luma = |r: f32, g: f32, b: f32| 0.2126 * r + 0.7152 * g + 0.0722 * b;
    assert_eq!(grey, arr2(&[[luma(0., 2., 4.), luma(1., 3., 5.)]]));
    let order = LoadOptions { pixel_order: Some(PixelOrder::Rows), ..Default::default() };
    assert!(refusal(&path, &order).contains("--image-shape HxW"));
}

#[test]
fn numbers_may_be_stored_smaller_than_their_class() {
    let dir = Dir::new();
    // A double matrix whose numbers fit 16 bits; labels as 32-bit integers, negative too.
    let gnd: Vec<u8> = [-5i32, 7].iter().flat_map(|v| v.to_le_bytes()).collect();
    let fea: Vec<u8> = [-1i16, 300, 2, 3].iter().flat_map(|v| v.to_le_bytes()).collect();
    let file = [PLAIN.matrix("fea", 6, &[2, 2], 3, &fea), PLAIN.matrix("gnd", 12, &[2, 1], 5, &gnd)];
    let set = read(&dir.put("a.mat", &PLAIN.file(&file)));
    assert_eq!(set.x, arr2(&[[-1., 2.], [300., 3.]]));
    assert_eq!(set.classes, ["-5", "7"]);
    let doubles: Vec<u8> = [0.5f64, 1.5].iter().flat_map(|v| v.to_be_bytes()).collect();
    let big = Mat { big: true, compressed: false };
    assert_eq!(
        read(&dir.put("b.mat", &big.file(&[big.matrix("fea", 6, &[1, 2], 9, &doubles)]))).x,
        arr2(&[[0.5, 1.5]])
    );
}

#[test]
fn choosing_matrices_by_name() {
    let dir = Dir::new();
    let text = PLAIN.matrix("note", 4, &[1, 2], 4, &[104, 0, 105, 0]);
    let file = PLAIN.file(&[
        text,
        PLAIN.bytes("A", 2, 3, &[1; 6]),
        PLAIN.bytes("B", 3, 2, &[2; 6]),
        PLAIN.bytes("L", 1, 3, &[1, 2, 1]),
    ]);
    let path = dir.put("two.mat", &file);
    refused(&path, &["`fea`", "or only one matrix", "`note` char 1×2, `A` 2×3, `B` 3×2, `L` 1×3", "--x-key NAME"]);
    let opts = LoadOptions { x_key: Some("A".into()), y_key: Some("L".into()), ..Default::default() };
    assert_eq!(load(&path, &opts).expect("by name").x.dim(), (3, 2));
    let wrong = |x: &str, y: &str| LoadOptions { x_key: Some(x.into()), y_key: Some(y.into()), ..Default::default() };
    assert!(refusal(&path, &wrong("C", "L")).contains("expected an array `C`"));
    assert!(refusal(&path, &wrong("A", "M")).contains("expected an array `M`"));
    assert!(refusal(&path, &wrong("note", "L")).contains("`note` char 1×2"));
    assert!(refusal(&path, &wrong("A", "B")).contains("labels of one column"));
}

/// The names that files have, in upper and lower case; what is not asked for and cannot be read is no obstacle.
#[test]
fn usual_names_and_the_only_matrix() {
    let dir = Dir::new();
    let x = |name: &str| PLAIN.bytes(name, 2, 3, &[1, 4, 2, 5, 3, 6]);
    let y = |name: &str| PLAIN.bytes(name, 2, 1, &[9, 3]);
    for (i, (x_name, y_name)) in
        [("fea", "gnd"), ("X", "Y"), ("x", "y"), ("Data", "LABELS"), ("Fea", "Gnd")].iter().enumerate()
    {
        let set = read(&dir.put(&format!("{i}.mat"), &PLAIN.file(&[y(y_name), x(x_name)])));
        assert_eq!((set.x.dim(), set.label_source), ((2, 3), Some(format!("`{y_name}`"))));
        assert_eq!(set.notes, Vec::<String>::new());
    }
    // Features × samples with other names: the labels decide.
    let turned = PLAIN.file(&[PLAIN.bytes("X", 3, 2, &[1, 2, 3, 4, 5, 6]), y("Y")]);
    assert_eq!(read(&dir.put("t.mat", &turned)).x, arr2(&[[1., 2., 3.], [4., 5., 6.]]));
    let set = read(&dir.put("only.mat", &PLAIN.file(&[y("gnd"), x("spectra")])));
    assert_eq!((set.x.dim(), set.labels.is_some()), ((2, 3), true));
    assert!(set.notes[0].contains("`spectra`, the only matrix"), "{:?}", set.notes);
    refused(&dir.put("both.mat", &PLAIN.file(&[x("x"), x("X")])), &["found both `x` and `X`", "--x-key NAME"]);
    let text = PLAIN.matrix("gnd", 4, &[2, 2], 4, &[104, 0, 105, 0, 104, 0, 105, 0]);
    let set = read(&dir.put("text.mat", &PLAIN.file(&[x("fea"), text])));
    assert!(set.labels.is_none() && set.notes.iter().any(|n| n.contains("`gnd` char 2×2")), "{:?}", set.notes);
    let sparse = PLAIN.matrix("fea", 5, &[2, 3], 2, &[1; 6]);
    refused(&dir.put("sparse.mat", &PLAIN.file(&[sparse, x("B")])), &["`fea` sparse 2×3"]);
    let set = read(&dir.put("more.mat", &PLAIN.file(&[x("fea"), x("X"), y("gnd")])));
    assert!(set.notes[0].contains("the samples are `fea`, not `X` 2×3"), "{:?}", set.notes);
}

/// Where labels do not say which side is the samples, a note says which was taken.
#[test]
fn a_side_that_was_guessed_is_said() {
    let dir = Dir::new();
    let nine = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let square = PLAIN.file(&[PLAIN.bytes("fea", 3, 3, &nine), PLAIN.bytes("gnd", 3, 1, &[1, 2, 1])]);
    let set = read(&dir.put("s.mat", &square));
    assert!(set.notes[0].contains("fit both sides of the 3×3 matrix") && set.notes[0].contains("--samples columns"));
    let path = dir.put("n.mat", &PLAIN.file(&[PLAIN.bytes("fea", 2, 3, &nine[..6])]));
    assert!(read(&path).notes[0].contains("the 2 rows are taken as samples"), "{:?}", read(&path).notes);
    for samples in [SamplesAxis::Rows, SamplesAxis::Columns] {
        assert!(load(&path, &LoadOptions { samples, ..Default::default() }).expect("told").notes.is_empty());
    }
}

#[test]
fn memory_is_counted_before_it_is_taken() {
    let packed = Mat { big: false, compressed: true };
    let file = packed.file(&[packed.bytes("fea", 2, 2_000_000, &[0; 4_000_000])]);
    assert!(file.len() < 64 << 10, "{}", file.len());
    let dir = Dir::new();
    let path = dir.put("a.mat", &file);
    let with = |memory: u64| LoadOptions { memory: Some(memory), ..Default::default() };
    assert!(refusal(&path, &with(8 << 20)).contains("2×2000000 U8 numbers needs 15.26 MiB"));
    // Once more to turn it.
    assert!(refusal(&path, &with(20 << 20)).contains("turning the array needs 30.52 MiB"));
    assert_eq!(load(&path, &with(64 << 20)).expect("enough").x.dim(), (2, 2_000_000));
}

#[test]
fn headers_that_lie() {
    let dir = Dir::new();
    for mat in VARIANTS {
        let good = mat.file(&[mat.bytes("fea", 3, 3, &[7; 9])]);
        refused(&dir.put("cut.mat", &good[..good.len() - 3]), &["truncated", "expected", "found"]);
        let huge = mat.file(&[mat.matrix("fea", 9, &[i32::MAX, i32::MAX], 2, &[7; 9])]);
        refused(&dir.put("huge.mat", &huge), &["2147483647×2147483647", "9 bytes"]);
        let wrap = mat.file(&[mat.matrix("fea", 9, &[i32::MAX; 4], 2, &[7; 9]), mat.bytes("gnd", 1, 1, &[1])]);
        refused(&dir.put("wrap.mat", &wrap), &["found"]);
        let negative = mat.file(&[mat.matrix("fea", 9, &[-3, -3], 2, &[7; 9])]);
        refused(&dir.put("negative.mat", &negative), &["negative dimension"]);
        let wrong = mat.file(&[mat.matrix("fea", 6, &[3, 3], 9, &[7; 9])]);
        refused(&dir.put("wrong.mat", &wrong), &["`fea` 3×3", "9 bytes of type 9"]);
        if mat.compressed {
            let mut flipped = good.clone();
            *flipped.last_mut().expect("a checksum") ^= 1;
            refused(&dir.put("flipped.mat", &flipped), &["corrupt"]);
        }
        let none = mat.file(&[]);
        refused(&dir.put("none.mat", &none), &["`fea`"]);
    }
    // A data element that claims more than its matrix, in a file that has more.
    let mut file = PLAIN.file(&[PLAIN.bytes("fea", 3, 3, &[7; 9]), PLAIN.bytes("pad", 30, 30, &[1; 900])]);
    let dims = file.windows(8).position(|w| w == [3, 0, 0, 0, 3, 0, 0, 0]).expect("the dimensions of fea");
    file[dims] = 30;
    file[dims + 4] = 30;
    let data = file.windows(8).position(|w| w == [2, 0, 0, 0, 9, 0, 0, 0]).expect("the numbers of fea");
    file[data + 4..data + 6].copy_from_slice(&900u16.to_le_bytes());
    refused(&dir.put("greedy.mat", &file), &["expected 900 bytes"]);
}

#[test]
fn damage_is_survived() {
    for mat in VARIANTS {
        let fea = mat.bytes("fea", 4, 2, &[1, 2, 3, 4, 5, 6, 7, 8]);
        survives_damage("a.mat", &mat.file(&[mat.bytes("gnd", 4, 1, &[1, 2, 1, 2]), fea]));
    }
}

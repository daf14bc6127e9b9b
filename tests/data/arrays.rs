//! `.npy` and `.npz`, written by another crate.

use std::io::Write;

use deepnmf::data::{ImageShape, LoadOptions, SamplesAxis, load};
use ndarray::arr2;
use npyz::{AutoSerialize, Order, WriterBuilder, half::f16};
use proptest::prelude::*;

use super::{Dir, gzip, read, refusal, refused, survives_damage};

fn npy<T: AutoSerialize>(shape: &[u64], order: Order, values: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .order(order)
        .writer(&mut bytes)
        .begin_nd()
        .expect("valid");
    writer.extend(values).expect("in memory");
    writer.finish().expect("as many as the shape says");
    bytes
}

fn zip_of(members: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).expect("in memory");
        writer.write_all(bytes).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

fn npz(members: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let named: Vec<_> = members.iter().map(|(name, bytes)| (format!("{name}.npy"), bytes.clone())).collect();
    let named: Vec<_> = named.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    zip_of(&named, method)
}

/// A header as a liar writes it.
fn header(shape: &str, descr: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn every_number_type_in_both_orders() {
    let dir = Dir::new();
    let wanted = arr2(&[[0., 1., 2.], [3., 4., 5.]]);
    macro_rules! check {
        ($($t:ty => $from:expr),*) => {$(
            let from = $from;
            let rows = npy::<$t>(&[2, 3], Order::C, [0u8, 1, 2, 3, 4, 5].map(from));
            assert_eq!(read(&dir.put("a.npy", &rows)).x, wanted, stringify!($t));
            let columns = npy::<$t>(&[2, 3], Order::Fortran, [0u8, 3, 1, 4, 2, 5].map(from));
            assert_eq!(read(&dir.put("a.npy", &columns)).x, wanted, stringify!($t));
        )*};
    }
    check!(u8 => u8::from, i8 => |v| v as i8, u16 => u16::from, i16 => i16::from, u32 => u32::from, i32 => i32::from,
           u64 => u64::from, i64 => i64::from, f32 => f32::from, f64 => f64::from, f16 => |v: u8| f16::from_f32(v.into()));
    let bools = npy(&[1, 2], Order::C, [true, false]);
    assert_eq!(read(&dir.put("b.npy", &bools)).x, arr2(&[[1., 0.]]));
    let big_endian = header("(1, 2)", ">i2", &[1, 0, 0xff, 0xff]);
    assert_eq!(read(&dir.put("c.npy", &big_endian)).x, arr2(&[[256., -1.]]));
    assert_eq!(read(&dir.put("a.npy.gz", &gzip(&npy(&[1, 2], Order::C, [1.5f64, 2.5])))).x, arr2(&[[1.5, 2.5]]));
}

#[test]
fn stacks_of_images_keep_their_shape() {
    let dir = Dir::new();
    let shape = |height, width, channels| Some(ImageShape::new(height, width, channels));
    let set = read(&dir.put("a.npy", &npy(&[2, 2, 3], Order::C, 0u8..12)));
    assert_eq!((set.x.dim(), set.image_shape), ((2, 6), shape(2, 3, 1)));
    assert_eq!(set.x.row(1).to_vec(), [6., 7., 8., 9., 10., 11.]);
    // First index fastest: element (n, r, c) is n + 2 r + 4 c.
    let set = read(&dir.put("a.npy", &npy(&[2, 2, 3], Order::Fortran, 0u8..12)));
    assert_eq!(set.x.row(1).to_vec(), [1., 5., 9., 3., 7., 11.]);
    let colour = dir.put("c.npy", &npy(&[2, 1, 2, 3], Order::C, 0u8..12));
    let set = load(&colour, &LoadOptions { colour: true, ..Default::default() }).expect("colour");
    assert_eq!((set.x.dim(), set.image_shape), ((2, 6), shape(1, 2, 3)));
    let grey = read(&colour);
    assert_eq!((grey.x.dim(), grey.image_shape), ((2, 2), shape(1, 2, 1)));
    assert!((grey.x[[1, 0]] - (0.2126 * 6. + 0.7152 * 7. + 0.0722 * 8.)).abs() < 1e-5);
    let resized = load(&colour, &LoadOptions { resize: Some((4, 2)), ..Default::default() }).expect("resized");
    assert_eq!((resized.x.dim(), resized.image_shape), ((2, 8), shape(2, 4, 1)));
    refused(&dir.put("t.npy", &npy(&[2, 3, 4, 4], Order::C, 0u8..96)), &["2×3×4×4", "channels come last"]);
    refused(&dir.put("v.npy", &npy(&[4], Order::C, 0u8..4)), &["1 dimensions"]);
}

#[test]
fn a_shape_can_be_given_but_must_fit() {
    let dir = Dir::new();
    let path = dir.put("a.npy", &npy(&[2, 6], Order::C, 0u8..12));
    assert_eq!(read(&path).image_shape, None);
    let shape = ImageShape::new(2, 3, 1);
    let set = load(&path, &LoadOptions { image_shape: Some(shape), ..Default::default() }).expect("2·3 = 6");
    assert_eq!(set.image_shape, Some(shape));
    for (height, width, channels) in [(2, 2, 1), (usize::MAX, 3, 1), (1, 3, 2)] {
        let image_shape = Some(ImageShape::new(height, width, channels));
        let error = load(&path, &LoadOptions { image_shape, ..Default::default() }).expect_err("not 6");
        assert!(error.to_string().contains("= 6"), "{error}");
    }
}

#[test]
fn npz_with_labels_finds_the_samples_axis() {
    let dir = Dir::new();
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let y = npy(&[3, 1], Order::C, [5i64, -1, 5]);
        let rows = [("X", npy(&[3, 2], Order::C, 0u8..6)), ("y", y.clone()), ("other", npy(&[9], Order::C, 0u8..9))];
        let set = read(&dir.put("a.npz", &npz(&rows, method)));
        assert_eq!(set.x, arr2(&[[0., 1.], [2., 3.], [4., 5.]]));
        assert_eq!((set.labels, set.classes), (Some(vec![Some(1), Some(0), Some(1)]), vec!["-1".into(), "5".into()]));
        let columns = [("arr_0", npy(&[2, 3], Order::C, 0u8..6)), ("arr_1", y.clone())];
        let path = dir.put("b.npz", &npz(&columns, method));
        assert_eq!(read(&path).x, arr2(&[[0., 3.], [1., 4.], [2., 5.]]));
        let message = refusal(&path, &LoadOptions { samples: SamplesAxis::Rows, ..Default::default() });
        assert!(message.contains("expected 2 labels") && message.contains("found 3"), "{message}");
        let named = [("a", npy(&[2, 3], Order::C, 0u8..6)), ("b", y.clone())];
        let path = dir.put("c.npz", &npz(&named, method));
        let set = read(&path);
        assert!(
            set.labels.is_none() && set.notes.iter().any(|n| n.contains("`a`, the only matrix")),
            "{:?}",
            set.notes
        );
        let opts = LoadOptions { x_key: Some("a".into()), ..Default::default() };
        assert_eq!(load(&path, &opts).expect("by key").labels, None);
        refused(
            &dir.put("e.npz", &npz(&[named[0].clone(), ("c", named[0].1.clone())], method)),
            &["`x`", "`a` 2×3, `c` 2×3"],
        );
        let opts = LoadOptions { y_key: Some("b".into()), ..opts };
        assert_eq!(load(&path, &opts).expect("by keys").x.nrows(), 3);
        let message = refusal(&path, &LoadOptions { y_key: Some("z".into()), ..opts });
        assert!(message.contains("`z`"), "{message}");
    }
    let both = npz(
        &[("x", npy(&[3, 2], Order::C, 0u8..6)), ("y", npy(&[4], Order::C, 0u8..4))],
        zip::CompressionMethod::Stored,
    );
    refused(&dir.put("d.npz", &both), &["4 labels", "3×2"]);
}

fn texts(texts: &[&str], width: usize) -> Vec<u8> {
    let wide = texts.iter().flat_map(|t| {
        let mut wide: Vec<u32> = t.chars().map(u32::from).collect();
        wide.resize(width, 0);
        wide.into_iter().flat_map(u32::to_le_bytes)
    });
    header(&format!("({},)", texts.len()), &format!("<U{width}"), &wide.collect::<Vec<_>>())
}

#[test]
fn labels_that_are_texts_missing_or_no_labels() {
    let dir = Dir::new();
    let stored = |y: Vec<u8>| npz(&[("X", npy(&[3, 2], Order::C, 0u8..6)), ("y", y)], zip::CompressionMethod::Stored);
    let set = read(&dir.put("u.npz", &stored(texts(&["zwölf", "", "zwölf"], 6))));
    assert_eq!((set.labels, set.classes), (Some(vec![Some(0), None, Some(0)]), vec!["zwölf".into()]));
    assert_eq!(set.label_source.as_deref(), Some("`y`"));
    let set = read(&dir.put("s.npz", &stored(header("(3,)", "|S2", b"b\0abb\0"))));
    assert_eq!((set.labels, set.classes), (Some(vec![Some(1), Some(0), Some(1)]), vec!["ab".into(), "b".into()]));
    let set = read(&dir.put("n.npz", &stored(npy(&[3], Order::C, [1.5f64, f64::NAN, 1.5]))));
    assert_eq!((set.labels, set.classes), (Some(vec![Some(0), None, Some(0)]), vec!["1.5".into()]));
    let set = read(&dir.put("none.npz", &stored(npy(&[3], Order::C, [f64::NAN; 3]))));
    assert!(set.labels.is_none() && set.notes.iter().any(|n| n.contains("`y` holds no label")), "{:?}", set.notes);
    // Nobody asked for these: the samples are read without them.
    for (name, y) in [("o.npz", header("(3,)", "|O", b"\x80\x04.")), ("m.npz", npy(&[3, 2], Order::C, 0u8..6))] {
        let path = dir.put(name, &stored(y));
        let set = read(&path);
        assert!(set.labels.is_none() && set.notes.iter().any(|n| n.contains("no column of labels")), "{:?}", set.notes);
        refusal(&path, &LoadOptions { y_key: Some("y".into()), ..Default::default() });
    }
    let wide = header("(3,)", "<U4000000000", &[0; 12]);
    assert!(load(&dir.put("w.npz", &stored(wide)), &Default::default()).is_err());
}

#[test]
fn what_a_file_is_and_what_to_do_is_said() {
    let dir = Dir::new();
    let one = |values: &[i32]| npy(&[values.len() as u64], Order::C, values.iter().copied());
    let sparse = [
        ("indices", one(&[0])),
        ("indptr", one(&[0, 1])),
        ("format", header("()", "|S3", b"csr")),
        ("shape", one(&[1, 1])),
        ("data", npy(&[1], Order::C, [1.0f64])),
    ];
    refused(
        &dir.put("s.npz", &npz(&sparse, zip::CompressionMethod::Deflated)),
        &["scipy.sparse.save_npz", "toarray()"],
    );
    refused(
        &dir.put(
            "book.xlsx",
            &zip_of(&[("xl/workbook.xml", b"<workbook/>".to_vec())], zip::CompressionMethod::Deflated),
        ),
        &["this is an Excel workbook", "save it as CSV"],
    );
    refused(
        &dir.put("large.npy", &npy(&[1, 2], Order::C, [1.0, 1e39])),
        &["up to 3.4e38", "found 1e39", "divide the data"],
    );
    refused(&dir.put("large.csv", b"1,2\n3,-1e39\n"), &["line 2, column 2", "up to 3.4e38", "found -1e39"]);
    let path = dir.put("noise.npy", &npy(&[1, 3], Order::C, [1.0, -1e-9, -2e-9]));
    let set = load(&path, &LoadOptions { clip_negative: true, ..Default::default() }).expect("clipped");
    assert_eq!(set.x, arr2(&[[1., 0., 0.]]));
    assert!(
        set.notes.iter().any(|n| n.contains("2 negative values") && n.contains("lowest -0.000000002")),
        "{:?}",
        set.notes
    );
}

/// A small file may unpack to a large array: what it would take is compared with the budget before it is allocated.
#[test]
fn memory_is_counted_before_it_is_taken() {
    let dir = Dir::new();
    let zeros =
        |rows: u64, columns: u64| header(&format!("({rows}, {columns})"), "|u1", &vec![0; (rows * columns) as usize]);
    let (tall, labels) = (zeros(4_000_000, 1), header("(4000000,)", "|u1", &[1; 4_000_000]));
    let deflated = zip::CompressionMethod::Deflated;
    let csv = gzip("0,1,2,3\n".repeat(1_000_000).as_bytes());
    let named = gzip("a,1,2,3\n".repeat(1_000_000).as_bytes());
    for (name, bytes, needs) in [
        ("a.npy.gz", gzip(&tall), "15.26 MiB"),
        ("a.npz", npz(&[("x", zeros(2, 2_000_000))], deflated), "15.26 MiB"),
        ("y.npz", npz(&[("x", zeros(4, 4)), ("y", labels)], deflated), "122.07 MiB"),
        ("a.csv.gz", csv, "of memory"),
        ("n.csv.gz", named, "of memory"),
    ] {
        assert!(bytes.len() < 64 << 10, "{name}: {}", bytes.len());
        let path = dir.put(name, &bytes);
        let message = refusal(&path, &LoadOptions { memory: Some(8 << 20), ..Default::default() });
        assert!(
            message.contains(needs) && message.contains("at most 8.00 MiB") && message.contains("--memory"),
            "{message}"
        );
    }
    let set = load(&dir.path().join("a.npy.gz"), &LoadOptions { memory: Some(64 << 20), ..Default::default() });
    let set = set.expect("enough");
    assert_eq!((set.n_samples(), set.names.capacity()), (4_000_000, 0), "numbers are no names");
}

#[test]
fn headers_that_lie() {
    let dir = Dir::new();
    let good = npy(&[2, 3], Order::C, [0f32; 6]);
    refused(&dir.put("short.npy", &good[..good.len() - 5]), &["expected 24 bytes", "found 19"]);
    refused(&dir.put("long.npy", &[good.clone(), vec![0]].concat()), &["found more"]);
    refused(
        &dir.put("big.npy", &header("(1048576, 1048576)", "<f8", &[0; 64])),
        &["expected 8796093022208 bytes", "found 64"],
    );
    refused(
        &dir.put("big.npy.gz", &gzip(&header("(1048576, 1048576)", "<f8", &[0; 64]))),
        &["8796093022208", "at most"],
    );
    refused(&dir.put("wrap.npy", &header("(4294967296, 4294967296, 4)", "<f8", &[0; 64])), &["addressed"]);
    refused(&dir.put("zero.npy", &header("(0, 4294967296, 4294967296)", "<f8", &[])), &["expected samples"]);
    refused(&dir.put("text.npy", &header("(1, 2)", "<U5", &[0; 40])), &["real numbers", "texts"]);
    refused(&dir.put("deep.npy", &header(&"(".repeat(60_000), "<f8", &[])), &["dimension"]);
    refused(&dir.put("head.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), &["at most 65536 bytes", "4294967295"]);
    let mut flipped = gzip(&good);
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    refused(&dir.put("flipped.npy.gz", &flipped), &["corrupt"]);
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let mut flipped = npz(&[("x", npy(&[2, 3], Order::C, 0u8..6))], method);
        let at = flipped.windows(4).rposition(|w| w == b"PK\x01\x02").expect("the directory");
        flipped[at + 16] ^= 1;
        let message = load(&dir.put("flipped.npz", &flipped), &Default::default()).expect_err("checksum").to_string();
        assert!(message.contains("corrupt"), "{message}");
        let liar = npz(&[("x", header("(1048576, 1048576)", "|u1", &[0; 64]))], method);
        let message = load(&dir.put("liar.npz", &liar), &Default::default()).expect_err("2^40").to_string();
        assert!(message.contains("1099511627776 bytes") && message.contains("x.npy"), "{message}");
        let short = npz(&[("x", header("(2, 40)", "|u1", &[0; 64]))], method);
        let message = load(&dir.put("short.npz", &short), &Default::default()).expect_err("64 < 80").to_string();
        assert!(message.contains("expected 80 bytes"), "{message}");
    }
}

#[test]
fn damage_is_survived() {
    let good = npy(&[2, 3], Order::C, [0f32; 6]);
    survives_damage("a.npy", &good);
    survives_damage("a.npy.gz", &gzip(&good));
    let members = [("x", good), ("y", npy(&[2], Order::C, [1u8, 2]))];
    survives_damage("a.npz", &npz(&members, zip::CompressionMethod::Deflated));
    survives_damage("a.npz", &npz(&members, zip::CompressionMethod::Stored));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fortran_order_is_only_a_layout(n in 1usize..6, h in 1usize..5, w in 1usize..5, seed in any::<u32>()) {
        let value = |i: usize, r: usize, c: usize| ((i * 31 + r * 7 + c) as u32 ^ seed) as f32;
        let c_order = (0..n * h * w).map(|k| value(k / (h * w), k / w % h, k % w));
        let fortran = (0..n * h * w).map(|k| value(k % n, k / n % h, k / (n * h)));
        let dir = Dir::new();
        let shape = [n as u64, h as u64, w as u64];
        let a = read(&dir.put("c.npy", &npy(&shape, Order::C, c_order)));
        let b = read(&dir.put("f.npy", &npy(&shape, Order::Fortran, fortran)));
        prop_assert_eq!(a.x, b.x);
    }
}

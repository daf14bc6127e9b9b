//! HDF5, and MATLAB's version 7.3, which is HDF5 with the axes in reverse order.

use deepnmf::data::{ImageSet, LoadOptions, PixelOrder, SamplesAxis, load, open};
use hdf5_pure::FileBuilder;
use ndarray::Array2;

use super::{Dir, refused};

const N: usize = 90;
const M: usize = 16;

fn value(i: usize, j: usize) -> f32 {
    ((i * 31 + j * 17) % 97) as f32
}

fn expected() -> Array2<f32> {
    Array2::from_shape_fn((N, M), |(i, j)| value(i, j))
}

/// Samples in rows, of any type and layout, with labels.
fn file(build: impl FnOnce(&mut FileBuilder)) -> Vec<u8> {
    let mut file = FileBuilder::new();
    build(&mut file);
    file.finish().expect("a file")
}

fn labels(file: &mut FileBuilder) {
    let labels: Vec<i64> = (0..N as i64).map(|i| 10 * (i % 3)).collect();
    file.create_dataset("labels").with_i64_data(&labels);
}

/// Read into memory and from the file, which is the same.
#[track_caller]
fn both(dir: &Dir, name: &str, bytes: &[u8], opts: &LoadOptions) -> ImageSet {
    let path = dir.put(name, bytes);
    let held = load(&path, opts).expect(name);
    let streamed = open(&path, opts).expect(name).hold().expect(name);
    assert_eq!(streamed.x, held.x, "{name}");
    assert_eq!((&streamed.labels, streamed.image_shape), (&held.labels, held.image_shape), "{name}");
    assert_eq!((&streamed.classes, &streamed.notes), (&held.classes, &held.notes), "{name}");
    held
}

#[test]
fn arrays_in_every_layout_and_type() {
    let dir = Dir::new();
    let shape = [N as u64, M as u64];
    let x: Vec<f32> = expected().into_raw_vec_and_offset().0;
    macro_rules! layouts {
        ($with:ident, $t:ty) => {{
            let values: Vec<$t> = x.iter().map(|v| *v as $t).collect();
            for layout in 0..5 {
                let bytes = file(|file| {
                    labels(file);
                    let array = file.create_dataset("x").$with(&values).with_shape(&shape);
                    let _ = match layout {
                        0 => array,
                        1 => array.with_chunks(&[7, 16]),
                        2 => array.with_chunks(&[13, 5]).with_deflate(6),
                        3 => array.with_chunks(&[90, 16]).with_shuffle().with_deflate(1),
                        _ => array.with_chunks(&[1, 16]).with_shuffle().with_deflate(4).with_fletcher32(),
                    };
                });
                let set = both(&dir, "x.h5", &bytes, &LoadOptions::default());
                assert_eq!(set.x, expected(), "{} in layout {layout}", stringify!($t));
                assert_eq!(set.classes, ["0", "10", "20"]);
                let mut source = open(&dir.path().join("x.h5"), &LoadOptions::default()).expect("opened");
                let rows = [88, 3, 4, 5, 20, 19];
                source = source.select(&rows);
                assert_eq!(source.hold().expect("read").x, expected().select(ndarray::Axis(0), &rows));
            }
        }};
    }
    layouts!(with_u8_data, u8);
    layouts!(with_i8_data, i8);
    layouts!(with_u16_data, u16);
    layouts!(with_i32_data, i32);
    layouts!(with_u64_data, u64);
    layouts!(with_f32_data, f32);
    layouts!(with_f64_data, f64);
}

#[test]
fn images_in_groups_and_texts_as_labels() {
    let dir = Dir::new();
    let pixels: Vec<u8> = (0..N * 48).map(|at| (at % 251) as u8).collect();
    let names: Vec<&str> = (0..N).map(|i| ["cat", "dog", "NA"][i % 3]).collect();
    let bytes = file(|file| {
        let mut group = file.create_group("train");
        group
            .create_dataset("images")
            .with_u8_data(&pixels)
            .with_shape(&[N as u64, 4, 4, 3])
            .with_chunks(&[20, 4, 4, 3]);
        group.create_dataset("who").with_strings(&names).expect("texts");
        group.create_dataset("mean").with_f64_data(&[0.5]);
        let group = group.finish();
        file.add_group(group);
    });
    let keys = |x: &str, y: &str| LoadOptions {
        x_key: Some(x.into()),
        y_key: Some(y.into()),
        colour: true,
        ..LoadOptions::default()
    };
    let set = both(&dir, "x.h5", &bytes, &keys("train/images", "train/who"));
    assert_eq!(set.image_shape.map(|s| (s.height, s.width, s.channels)), Some((4, 4, 3)));
    assert_eq!((set.classes.len(), set.labels.expect("labels")[2]), (2, None));
    assert_eq!(set.x[[1, 5]], 53.0);
    // The only matrix needs no name; what is not there is listed.
    let set = both(&dir, "x.h5", &bytes, &LoadOptions::default());
    assert!(set.notes[0].contains("`train/images`, the only matrix"), "{:?}", set.notes);
    let message = load(&dir.path().join("x.h5"), &keys("images", "train/who")).expect_err("no such array").to_string();
    assert!(message.contains("`train/images` 90×4×4×3") && message.contains("`train/mean`"), "{message}");
}

/// As MATLAB writes a 90×16 matrix: an array of 16×90, behind a header of its own.
#[test]
fn a_matrix_of_matlab() {
    let dir = Dir::new();
    let turned: Vec<f64> = expected().t().iter().map(|v| f64::from(*v)).collect();
    let mut header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".to_vec();
    header.resize(512, b' ');
    let write = |shape: [u64; 2], values: &[f64]| {
        file(|file| {
            file.with_userblock(512).with_userblock_content(&header);
            file.create_dataset("fea").with_f64_data(values).with_shape(&shape).with_chunks(&[4, 16]).with_deflate(3);
        })
    };
    let bytes = write([M as u64, N as u64], &turned);
    let path = dir.put("x.mat", &bytes);
    let set = load(&path, &LoadOptions::default()).expect("read");
    assert_eq!(set.x, expected());
    assert_eq!(set.image_shape.map(|s| (s.height, s.width, s.order)), Some((4, 4, PixelOrder::Columns)));
    // Its samples are rows of a column-major matrix.
    let message = open(&path, &LoadOptions::default()).expect_err("not side by side").to_string();
    assert!(message.contains("cannot be streamed") && message.contains("side by side"), "{message}");
    let values: Vec<f64> = expected().iter().map(|v| f64::from(*v)).collect();
    let columns = LoadOptions { samples: SamplesAxis::Columns, ..LoadOptions::default() };
    let set = both(&dir, "x.mat", &write([N as u64, M as u64], &values), &columns);
    assert_eq!(set.x, expected());
    assert_eq!(set.image_shape.map(|s| s.order), Some(PixelOrder::Columns));
}

#[test]
fn files_that_are_wrong() {
    let dir = Dir::new();
    let good = file(|file| {
        let values: Vec<u8> = (0..N * M).map(|at| (at % 251) as u8).collect();
        file.create_dataset("x").with_u8_data(&values).with_shape(&[N as u64, M as u64]);
    });
    refused(&dir.put("cut.h5", &good[..good.len() / 2]), &["cut.h5"]);
    refused(&dir.put("head.h5", &good[..16]), &["head.h5"]);
    let texts = file(|file| {
        file.create_dataset("x").with_strings(&["a", "b"]).expect("texts");
    });
    refused(&dir.put("texts.h5", &texts), &["texts.h5", "`x`"]);
    refused(&dir.put("none.h5", &file(|_| {})), &["none.h5", "found: none"]);
}

/// What Python's anndata wrote: 6 cells of 5 genes, CSR, with two categories, a number and names.
const CELLS: &[u8] = include_bytes!("../corpus/hdf5/cells.h5ad");

#[test]
fn single_cells_have_names_and_columns_of_labels() {
    let dir = Dir::new();
    let path = dir.put("cells.h5ad", CELLS);
    let set = load(&path, &LoadOptions::default()).expect("read");
    let nonzero: Vec<_> = set.x.indexed_iter().filter(|(_, v)| **v != 0.0).map(|(at, _)| at).collect();
    assert_eq!(set.x.dim(), (6, 5));
    assert_eq!(nonzero.len(), 15);
    assert_eq!(set.names, ["c0", "c1", "c2", "c3", "c4", "c5"]);
    assert_eq!(set.feature_names, ["g0", "g1", "g2", "g3", "g4"]);
    let notes = set.notes.join("; ");
    assert!(
        notes.contains("takes a column of obs: louvain, n, s") && notes.contains("50.0 % of its values are stored")
    );
    assert!(set.labels.is_none());
    let with = |key: &str| LoadOptions { y_key: Some(key.into()), ..LoadOptions::default() };
    let labelled = load(&path, &with("louvain")).expect("read");
    assert_eq!(
        (labelled.classes, labelled.labels),
        (vec!["a".into(), "b".into(), "c".into()], Some([0, 1, 2, 0, 1, 2].map(Some).into()))
    );
    assert_eq!(load(&path, &with("n")).expect("read").classes, ["0", "1", "2", "3", "4", "5"]);
    let message = load(&path, &with("leiden")).expect_err("there is none").to_string();
    assert!(message.contains("expected a column `leiden` of obs") && message.contains("louvain, n, s"), "{message}");
    let key = LoadOptions { x_key: Some("layers/counts".into()), ..LoadOptions::default() };
    let message = load(&path, &key).expect_err("there is none").to_string();
    assert!(message.contains("expected a matrix `layers/counts`, found none"), "{message}");
    assert!(open(&path, &LoadOptions::default()).expect_err("sparse").to_string().contains("its matrix is sparse"));
    let columns = LoadOptions { samples: SamplesAxis::Columns, ..LoadOptions::default() };
    assert!(load(&path, &columns).expect_err("rows").to_string().contains("samples of an .h5ad file are its rows"));
}

//! Samples that stay in their file: they are those that are read into memory, a fit of them is the same, and a file that changes
//! or is wrong is found out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deepnmf::backend::{Cpu, Rows};
use deepnmf::data::{
    self, Features, ImageSet, ImageShape, LoadOptions, PixelOrder, ReadAhead, Samples, SamplesAxis, Scale,
};
use deepnmf::model::{MODELS, ModelSpec};
use deepnmf::train::{self, Config, Fit, Source};
use deepnmf::{DeviceRequest, Engine, Error};
use ndarray::{Array2, Axis, s};
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

const N: usize = 1203;
const M: usize = 48;

/// An .npy file: a header of this type, and bytes.
fn npy(descr: &str, fortran: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let dict = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let length = (10 + dict.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{dict:<width$}\n", width = length - 1).as_bytes());
    bytes.extend(values);
    bytes
}

/// Sums of four parts and noise: whole numbers from 0 to 255, and zeros.
fn pixel(i: usize, j: usize) -> u8 {
    let part = |a: usize, b: usize| ((a * 7919 + b * 104_729) % 1009) as f64 / 1009.0;
    let sum: f64 = (0..4).map(|p| part(i, p) * f64::from(u8::from(j % 4 == p || (j / 5) % 4 == p))).sum();
    (60.0 * sum + 80.0 * part(i * i + 3, j * j + 5 * i)) as u8
}

fn pixels() -> Vec<u8> {
    (0..N * M).map(|at| pixel(at / M, at % M)).collect()
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn pixels(&self) -> PathBuf {
        self.put("x.npy", &npy("|u1", "False", &format!("({N}, {M})"), &pixels()))
    }
}

fn open(path: &Path, opts: &LoadOptions) -> ImageSet<Samples> {
    data::open(path, opts).unwrap()
}

fn ahead(set: ImageSet<Samples>) -> ReadAhead {
    let Samples::InFile(x) = set.x else { panic!("read into memory") };
    ReadAhead::new(*x).unwrap()
}

/// The same preprocessed samples, image shape and labels by both ways.
#[track_caller]
fn same(path: &Path, opts: &LoadOptions, scale: Scale, features: Features) {
    let mut held = data::load(path, opts).unwrap();
    let mut streamed = open(path, opts);
    let checked = match opts.clip_negative {
        false => data::validate_finite(held.x.view(), &[], "x").unwrap(),
        true => data::validate_nonnegative(held.x.view(), &[], "x").unwrap(),
    };
    assert_eq!(streamed.validate(!opts.clip_negative, "x").unwrap(), checked);
    let how = data::preprocess_features(&mut held.x, scale, features, held.image_shape).unwrap();
    assert_eq!(streamed.preprocess_features(scale, features).unwrap().0, how);
    assert_eq!(streamed.image_shape, held.image_shape);
    assert_eq!((&streamed.labels, &streamed.classes), (&held.labels, &held.classes));
    assert_eq!(streamed.notes, held.notes);
    assert_eq!((streamed.n_samples(), streamed.n_features()), held.x.dim());
    let rows = [3, 4, 5, 1, held.n_samples() - 1, 0, 0];
    let some = streamed.select(&rows).hold().unwrap();
    assert_eq!(some.x, held.x.select(Axis(0), &rows));
    assert_eq!(some.labels, held.select(&rows).labels);
    assert_eq!(streamed.hold().unwrap().x, held.x);
}

#[test]
fn every_kind_of_number_is_that_of_the_reader() {
    let dir = Dir::new();
    let shape = "(40, 6)";
    macro_rules! kind {
        ($descr:literal, $of:expr) => {
            for big in [false, true] {
                let number = |v: i32| if big { $of(v).to_be_bytes() } else { $of(v).to_le_bytes() };
                let values: Vec<u8> = (0..240).flat_map(|i| number(i * 7 % 101)).collect();
                let descr = format!("{}{}", if big { '>' } else { '<' }, $descr);
                let path = dir.put("x.npy", &npy(&descr, "False", shape, &values));
                for scale in [Scale::UnitL2, Scale::Max, Scale::None] {
                    same(&path, &LoadOptions::default(), scale, Features::Values);
                }
            }
        };
    }
    kind!("u1", |v| v as u8);
    kind!("i1", |v| v as i8 - 20);
    kind!("u2", |v| v as u16 * 300);
    kind!("i2", |v| v as i16 * 300 - 9000);
    kind!("u4", |v| v as u32 * 3_000_000);
    kind!("i4", |v| v * 3_000_000 - 9_000_000);
    kind!("u8", |v| v as u64 * 3_000_000_000);
    kind!("i8", |v| i64::from(v) * 3_000_000_000 - 7);
    kind!("f2", |v| half::f16::from_f32(v as f32 / 7.0));
    kind!("f4", |v| v as f32 / 7.0 - 1.0);
    kind!("f8", |v| f64::from(v) / 7.0 - 1.0);
}

/// More than a block of the file, in every place and with everything that is done to a sample.
#[test]
fn samples_in_a_file_are_those_that_are_read() {
    let dir = Dir::new();
    let signed: Vec<u8> = (0..N * M).flat_map(|at| (f32::from(pixel(at / M, at % M)) - 9.0).to_le_bytes()).collect();
    let plain = LoadOptions::default();
    let image = LoadOptions { image_shape: Some(ImageShape::new(6, 8, 1)), ..plain.clone() };
    let colour = LoadOptions { image_shape: Some(ImageShape::new(4, 4, 3)), ..plain.clone() };
    let options = [
        plain.clone(),
        LoadOptions { clip_negative: true, ..plain.clone() },
        LoadOptions { resize: Some((5, 3)), clip_negative: true, ..image.clone() },
        LoadOptions { pixel_order: Some(PixelOrder::Columns), ..image.clone() },
        LoadOptions { pixel_order: Some(PixelOrder::Columns), resize: Some((8, 6)), ..image.clone() },
        LoadOptions { colour: true, ..colour.clone() },
        colour,
    ];
    for (name, descr, bytes) in [("u1.npy", "|u1", pixels()), ("f4.npy", "<f4", signed)] {
        let path = dir.put(name, &npy(descr, "False", &format!("({N}, {M})"), &bytes));
        for opts in &options {
            for scale in [Scale::UnitL2, Scale::Max, Scale::None] {
                same(&path, opts, scale, Features::Values);
                if opts.image_shape.is_some() {
                    same(&path, opts, scale, Features::Igo);
                }
            }
        }
    }
    // Images in their own shape; samples in the columns of a column-major array.
    let path = dir.put("images.npy", &npy("|u1", "False", &format!("({N}, 4, 4, 3)"), &pixels()));
    same(&path, &plain, Scale::UnitL2, Features::Values);
    let path = dir.put("columns.npy", &npy("|u1", "True", &format!("({M}, {N})"), &pixels()));
    same(&path, &LoadOptions { samples: SamplesAxis::Columns, ..plain.clone() }, Scale::UnitL2, Features::Values);
    // More bytes than are read at a time.
    let large: Vec<u8> = (0..2_000_000).flat_map(|i: u32| ((i * 7919 % 1009) as f32).to_le_bytes()).collect();
    same(&dir.put("large.npy", &npy("<f4", "False", "(2000, 1000)", &large)), &plain, Scale::Max, Features::Values);
}

#[test]
fn arrays_of_an_archive_and_images_with_labels() {
    let dir = Dir::new();
    let labels: Vec<u8> = (0..N).flat_map(|i| ((i % 7) as u16).to_le_bytes()).collect();
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [
        ("y.npy", npy("<u2", "False", &format!("({N},)"), &labels)),
        ("x.npy", npy("|u1", "False", &format!("({N}, {M})"), &pixels())),
    ] {
        file.start_file(name, stored).unwrap();
        file.write_all(&bytes).unwrap();
    }
    let path = dir.put("x.npz", file.finish().unwrap().get_ref());
    same(&path, &LoadOptions::default(), Scale::UnitL2, Features::Values);
    assert_eq!(open(&path, &LoadOptions::default()).classes.len(), 7);

    let header = |kind: [u8; 4], dims: &[usize]| {
        let dims = dims.iter().flat_map(|&d| (d as u32).to_be_bytes());
        kind.into_iter().chain(dims).collect::<Vec<u8>>()
    };
    let images = [header([0, 0, 8, 3], &[N, 6, 8]), pixels()].concat();
    dir.put("a-labels-idx1-ubyte", &[header([0, 0, 8, 1], &[N]), (0..N).map(|i| (i % 5) as u8).collect()].concat());
    let path = dir.put("a-images-idx3-ubyte", &images);
    same(&path, &LoadOptions::default(), Scale::UnitL2, Features::Igo);
    assert_eq!(open(&path, &LoadOptions::default()).classes.len(), 5);
}

/// What is asked for is what comes, in order and out of it; after the last shard comes the first one.
#[test]
fn shards_are_read_ahead_in_any_order() {
    let dir = Dir::new();
    let path = dir.pixels();
    let all = data::load(&path, &LoadOptions::default()).unwrap().x;
    let mut source = ahead(open(&path, &LoadOptions::default()));
    let reading = source.reading();
    let mut asked = 0;
    let mut ask = |rows: Range<usize>| {
        assert_eq!(source.rows(rows.clone()).unwrap(), all.slice(s![rows.clone(), ..]), "{rows:?}");
        asked += rows.len() as u64;
    };
    for shard in [500, N, 1, 64] {
        for _ in 0..2 {
            (0..N).step_by(shard).take(20).for_each(|first| ask(first..N.min(first + shard)));
        }
    }
    [7..9, 3..4, N - 1..N, 0..0, 0..N, 12..13].into_iter().for_each(ask);
    assert_eq!(reading.samples(), asked);
    assert!(reading.bytes() >= asked * M as u64);
}

fn fit(b: &mut Cpu<f32>, x: &mut dyn Source<f32>, config: &Config) -> Fit<f32> {
    train::fit_samples(b, x, config, None, &mut train::silent).unwrap()
}

/// Shards of any size, streamed or held: the same objective to 1e-6, the same factors to 1e-4; streamed or held in the same shards, the
/// same bits.
#[test]
fn neither_the_shards_nor_the_place_of_samples_matters() {
    let dir = Dir::new();
    let path = dir.pixels();
    // As many components as parts: the start along singular vectors of noise would be another one for every rounding.
    for (model, layers) in [("sdnmf-l", &[4, 3][..]), ("sdnmf-rl2", &[4]), ("deep-semi-nmf", &[4, 4])] {
        let model = ModelSpec::by_name(model).unwrap();
        let config = Config { pretrain: 5, sweeps: 5, tol: 0.0, ..Config::new(model, layers) };
        let mut held = data::load(&path, &LoadOptions::default()).unwrap().x;
        data::preprocess(&mut held, Scale::UnitL2);
        let held = held.into_shared();
        let whole = fit(&mut Cpu::new(), &mut Rows::from(held.clone()), &config);
        for rows in [100, 601, N] {
            let in_memory = fit(&mut Cpu::with_shard_rows(rows), &mut Rows::from(held.clone()), &config);
            let mut set = open(&path, &LoadOptions::default());
            set.preprocess_features(Scale::UnitL2, Features::Values).unwrap();
            let config = Config { stream: true, ..config.clone() };
            let streamed = fit(&mut Cpu::with_shard_rows(rows), &mut ahead(set), &config);
            let name = format!("{} in shards of {rows}", model.name);
            assert_eq!(streamed.factors.h, in_memory.factors.h, "{name}");
            assert_eq!(streamed.factors.w, in_memory.factors.w, "{name}");
            assert_eq!(streamed.history, in_memory.history, "{name}");
            assert!((streamed.objective - whole.objective).abs() <= 1e-6 * whole.objective, "{name}");
            let near = |a: &Array2<f32>, b: &Array2<f32>| {
                let most = a.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-4 * most)
            };
            assert!(near(&whole.factors.h, &streamed.factors.h), "{name}, H");
            assert!(whole.factors.w.iter().zip(&streamed.factors.w).all(|(a, b)| near(a, b)), "{name}, W");
        }
    }
}

/// Coefficients that are made a shard at a time are those of all samples together.
#[test]
fn coefficients_are_made_a_shard_at_a_time() {
    // A shard of the CPU backend is 64 MiB.
    let (n, m) = (2 * 4096 + 77, 4096);
    let dir = Dir::new();
    let bytes: Vec<u8> = (0..n * m).map(|at| if at / m == 5 { 0 } else { pixel(at / m, at % m % M) }).collect();
    let path = dir.put("x.npy", &npy("|u1", "False", &format!("({n}, {m})"), &bytes));
    let mut set = open(&path, &LoadOptions::default());
    set.preprocess_features(Scale::UnitL2, Features::Values).unwrap();
    let x = set.clone().hold().unwrap().x;
    let mut engine = Engine::open(&DeviceRequest::Cpu).unwrap();
    let config = Config { pretrain: 2, sweeps: 2, ..Config::new(MODELS[0], [6, 3]) };
    let factors = engine.fit(x.slice(s![..500, ..]), &config, &mut train::silent).unwrap().factors;
    let how = train::Projection::of_layers(config.model.h_penalty, false, 0.0, &[0.0, 0.0]);
    for layer in [1, 2] {
        let all = engine.transform(x.view(), &factors, layer, &how, &mut train::silent).unwrap();
        let (mut rows, mut shards) = (Vec::new(), 0);
        let mut take = |h: ndarray::ArrayView2<'_, f32>| {
            shards += 1;
            rows.extend(h.rows().into_iter().map(|h| h.to_vec()));
            Ok(())
        };
        let (error, steps) = engine
            .transform_samples((&mut ahead(set.clone()), None), &factors, layer, &how, &mut train::silent, &mut take)
            .unwrap();
        assert_eq!((shards, rows.len()), (3, n));
        assert!(rows.iter().zip(all.h.rows()).all(|(a, b)| a[..] == b.to_vec()[..]), "layer {layer}");
        assert_eq!(steps, all.steps);
        assert!((error - all.relative_error).abs() < 1e-6, "{error} {}", all.relative_error);
    }
}

#[test]
fn what_cannot_be_read_by_rows_is_refused_with_its_reason() {
    let dir = Dir::new();
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    file.start_file("x.npy", zip::write::SimpleFileOptions::default()).unwrap();
    file.write_all(&npy("|u1", "False", &format!("({N}, {M})"), &pixels())).unwrap();
    let npz = dir.put("x.npz", file.finish().unwrap().get_ref());
    let fortran = dir.put("f.npy", &npy("|u1", "True", &format!("({N}, {M})"), &pixels()));
    let csv = dir.put("x.csv", b"a,b\n1,2\n3,4\n");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&npy("|u1", "False", "(2, 2)", &[1, 2, 3, 4])).unwrap();
    let gz = dir.put("x.npy.gz", &gz.finish().unwrap());
    for (path, why) in
        [(npz, "`x` is compressed"), (fortran, "do not lie side by side"), (csv, "a CSV file"), (gz, "gzip")]
    {
        let message = data::open(&path, &LoadOptions::default()).unwrap_err().to_string();
        for part in [&*path.to_string_lossy(), "cannot be streamed", why, "deepnmf pack"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    // A header that claims more or less than there is.
    for rows in [N - 1, N + 1, usize::MAX] {
        let path = dir.put("x.npy", &npy("|u1", "False", &format!("({rows}, {M})"), &pixels()));
        assert!(matches!(data::open(&path, &LoadOptions::default()), Err(Error::Format { .. })), "{rows}");
    }
}

/// The first, the 900th and the last shard: sample and feature are named.
#[test]
fn a_value_that_is_wrong_is_found_wherever_it_is() {
    let dir = Dir::new();
    let (n, m) = (1000, 5);
    for at in [0, 900 * m + 3, n * m - 1] {
        for (value, say) in [
            (f64::NAN, "1 value is not finite, the first NaN"),
            (f64::INFINITY, "1 value is not finite, the first inf"),
            (-0.5, "1 value is negative, the first -0.5"),
            (1e300, "expected numbers up to 3.4e38, the largest of 32-bit floats, found 1e300"),
        ] {
            let values: Vec<u8> =
                (0..n * m).flat_map(|i| if i == at { value } else { (i % 9) as f64 }.to_le_bytes()).collect();
            let path = dir.put("x.npy", &npy("<f8", "False", &format!("({n}, {m})"), &values));
            let mut set = open(&path, &LoadOptions::default());
            let message = set.validate(false, "x.npy").unwrap_err().to_string();
            let (row, column) = (at / m + 1, at % m + 1);
            let place = if value == 1e300 {
                format!("row {row}, column {column}")
            } else {
                format!("sample {row}, feature {column}")
            };
            assert!(message.contains(say) && message.contains(&place), "{message}");
            // Without that look, the first pass of a fit finds it.
            let config = Config { stream: true, ..Config::new(MODELS[0], [3]) };
            let mut b = Cpu::<f32>::with_shard_rows(1);
            let found = train::fit_samples(&mut b, &mut ahead(set), &config, None, &mut train::silent);
            let message = found.unwrap_err().to_string();
            let place = format!("sample {}, feature {}", at / m, at % m);
            assert!(message.contains(&place) || value == 1e300 && message.contains(say), "{message}");
        }
    }
}

/// Cut short, or written to: noticed in the middle of a pass, and in the next one.
#[test]
fn a_file_that_changes_is_noticed() {
    let dir = Dir::new();
    let change = |what: &str, path: &Path| {
        let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        if what == "cut" {
            return file.set_len(5000).unwrap();
        }
        file.seek(SeekFrom::End(-3)).unwrap();
        file.write_all(&[1]).unwrap();
        file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
    };
    for (what, say) in [("cut", "bytes as when it was opened, found 5000"), ("written", "it was written to")] {
        for shards in [1, 3, 7, 9, 20] {
            let path = dir.pixels();
            let mut source = ahead(open(&path, &LoadOptions::default()));
            let passes = (0..N).step_by(150).map(|first| first..N.min(first + 150)).cycle();
            let mut read = 0;
            let failure = passes.take(60).find_map(|rows| {
                if read == shards {
                    change(what, &path);
                }
                read += 1;
                source.rows(rows).err()
            });
            let message = failure.expect("a file that changed").to_string();
            assert!(message.contains("x.npy") && message.contains(say), "{message}");
            // One shard was there already.
            assert!(read <= shards + 2, "{read} {shards}");
        }
    }
}

//! What is done with bytes that a stranger made up: one function for every kind of them, which must neither panic nor ask
//! for a block of memory that the bytes do not account for. tests/fuzz feeds them with what libFuzzer thinks of,
//! tests/corpus with what is kept here.

#![allow(unreachable_pub, reason = "a library in tests/fuzz, a module of a test here")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use deepnmf::backend::{Cpu, Rows, Storage};
use deepnmf::data::{self, Features, ImageSet, ImageShape, LoadOptions, SamplesAxis, Scale, Table};
use deepnmf::model::{Activate, Activation, MODELS};
use deepnmf::report::html::Report;
use deepnmf::store::Model;
use deepnmf::train::{
    self, Balance, Config, Extrapolate, GraphConfig, GraphWeights, Init, Metric, PenaltyScale, Solver,
};
use ndarray::Array2;

/// The longest input, in bytes.
pub const INPUT: usize = 64 << 10;
/// The largest block that anything may ask for because of it, in bytes.
pub const BLOCK: usize = 256 << 20;

/// A name, and what reads the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every kind of input by the name of its corpus.
pub const TARGETS: [Target; 12] = [
    ("npy", |bytes| load("x.npy", bytes)),
    ("npz", |bytes| load("x.npz", bytes)),
    ("mat", |bytes| load("x.mat", bytes)),
    ("hdf5", |bytes| load("x.h5", bytes)),
    ("idx", |bytes| load("x-images-idx3-ubyte", bytes)),
    ("csv", |bytes| load("x.csv", bytes)),
    ("gz", gz),
    ("images", |bytes| {
        load(if matches!(bytes, [b'I', b'I', ..] | [b'M', b'M', ..]) { "images/0.tif" } else { "images/0.png" }, bytes)
    }),
    ("labels", labels),
    ("model", model),
    ("metadata", metadata),
    ("config", config),
];

/// Notes the largest block that was asked for.
struct Noting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// Safety: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

/// Gives `bytes` to the target of that name.
///
/// # Panics
/// If there is none, or what it calls panics or asks for a block of more than [`BLOCK`] bytes.
pub fn run(name: &str, bytes: &[u8]) {
    let Some((_, target)) = TARGETS.iter().find(|(n, _)| *n == name) else { panic!("no target is called {name}") };
    if bytes.len() <= INPUT {
        watched(name, bytes, target);
    }
}

/// Gives `bytes` to `target`.
///
/// # Panics
/// If that does, or asks for a block of more than [`BLOCK`] bytes.
pub fn watched(name: &str, bytes: &[u8], target: impl FnOnce(&[u8])) {
    LARGEST.store(0, Ordering::Relaxed);
    target(bytes);
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest <= BLOCK, "{name}: {} bytes of input asked for a block of {largest} bytes", bytes.len());
}

/// Puts `bytes` where `name` says in a folder of its own, and that through `read`.
fn in_a_folder(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().expect("in the folder")).expect("made");
    std::fs::write(&path, bytes).expect("written");
    read(&path);
}

/// Numbers that make choices, told from the bytes: the same for the same.
fn hash(bytes: &[u8]) -> usize {
    bytes.iter().fold(7u32, |h, b| h.wrapping_mul(16_777_619) ^ u32::from(*b)) as usize
}

/// Reads a data set in one of many ways, and does with it what a fit does before it begins.
fn load(name: &str, bytes: &[u8]) {
    let shape = ImageShape::new(2, 3, 1);
    let choice = hash(bytes);
    let options = LoadOptions {
        samples: [SamplesAxis::Auto, SamplesAxis::Rows, SamplesAxis::Columns][choice % 3],
        image_shape: [None, None, Some(shape)][choice / 3 % 3],
        resize: [None, None, Some((3, 2))][choice / 9 % 3],
        colour: choice / 27 % 2 == 1,
        clip_negative: choice / 54 % 2 == 1,
        memory: Some(BLOCK as u64 / 2),
        ..LoadOptions::default()
    };
    in_a_folder(name, bytes, |path| {
        let source = if name.contains('/') { path.parent().unwrap_or(path) } else { path };
        // What can be read by rows is the same so.
        let small = |set: &ImageSet<data::Samples>| set.n_samples().saturating_mul(set.n_features()) <= BLOCK / 8;
        let streamed = data::open(source, &options).ok().filter(small).map(ImageSet::<data::Samples>::hold);
        let Ok(set) = data::load(source, &options) else { return };
        if let Some(Ok(streamed)) = streamed {
            assert!(streamed.x.iter().zip(&set.x).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
        }
        assert_eq!(set.x.dim(), (set.n_samples(), set.n_features()));
        assert!(set.image_shape.is_none_or(|s| s.features() == set.n_features()), "{:?}", set.image_shape);
        let counted: usize = set.class_counts().iter().sum();
        assert!(counted <= set.n_samples());
        let last = set.n_samples().checked_sub(1);
        let some = set.select(&last.into_iter().chain(last).collect::<Vec<_>>());
        for scale in [Scale::UnitL2, Scale::Max, Scale::None] {
            for features in [Features::Values, Features::Igo] {
                // Igo needs the shape of an image.
                let _ = data::preprocess_features(&mut some.x.clone(), scale, features, some.image_shape);
            }
        }
    });
}

/// The bytes as they are, and packed.
fn gz(bytes: &[u8]) {
    load("x.npy.gz", bytes);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let packed = std::io::Write::write_all(&mut packed, bytes).and_then(|()| packed.finish()).expect("packed");
    load("x.csv.gz", &packed);
}

/// A table about three samples, with names and without.
fn labels(bytes: &[u8]) {
    in_a_folder("labels.csv", bytes, |path| {
        let Ok(table) = Table::read(path) else { return };
        for names in [vec![], ["a.png", "s1/b.png", "s2/b.png"].map(String::from).to_vec()] {
            let x = Array2::zeros((3, 2));
            let (labels, classes, feature_names, notes) = (None, Vec::new(), Vec::new(), Vec::new());
            let set =
                ImageSet { x, image_shape: None, labels, classes, label_source: None, names, feature_names, notes };
            let Ok(join) = table.join(&set) else { continue };
            assert_eq!(join.rows.len(), 3);
            for column in table.columns().iter().take(4) {
                let Ok((of, classes)) = table.labels(column, &join) else { continue };
                assert!(of.iter().flatten().all(|class| *class < classes.len()));
            }
        }
    });
}

/// A model file, as it is.
fn model(bytes: &[u8]) {
    in_a_folder("m.safetensors", bytes, |path| {
        if let Ok(model) = Model::load(path) {
            use_model(&model, path);
        }
    });
}

/// What a model file says of itself, with tensors that are in order: 3 samples of 6 features, layers 4 and 2.
fn metadata(bytes: &[u8]) {
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    let values: Vec<u8> = (0..24).flat_map(|i| (i as f32 / 8.0).to_le_bytes()).collect();
    let rows: Vec<u8> = [0u32, 4, 7].iter().flat_map(|row| row.to_le_bytes()).collect();
    let tensors = [("W_1", [6, 4]), ("W_2", [4, 2]), ("H_2", [3, 2])].map(|(name, shape)| {
        let bytes = &values[..4 * shape[0] * shape[1]];
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes).expect("fits"))
    });
    let rows = safetensors::tensor::TensorView::new(safetensors::Dtype::U32, vec![3], &rows).expect("fits");
    let info = std::collections::HashMap::from([("deepnmf".to_string(), json.to_string())]);
    let file = safetensors::serialize(tensors.into_iter().chain([("training_rows", rows)]), Some(info));
    model(&file.expect("serialised"));
}

/// What commands do with a model: the parts of its split, its components, new samples, a page, and a file again.
fn use_model(model: &Model, path: &Path) {
    let (f, m) = (&model.factors, &model.metadata);
    if let Some(split) = &m.split {
        let _ = split.parts(m.n_samples.saturating_mul(2));
        if let Some((train, test)) = split.parts(m.n_samples + 5) {
            assert_eq!((train.len(), test.len()), (split.train, split.test));
        }
    }
    let mut x = Array2::from_shape_fn((2, f.n_features() / m.preprocess.features_per_value()), |(i, j)| (i + j) as f32);
    if m.preprocess.apply(&mut x).is_ok() {
        let _ = model.is_of(&mut Rows::from(x.view()));
    }
    // A page takes its time: of every fourth model.
    if hash(m.device.as_bytes()).wrapping_add(m.objective.to_bits() as usize).is_multiple_of(4) {
        let made = std::time::UNIX_EPOCH;
        let _ = Report { model, name: "m.safetensors", made, samples: None, clusters: None }.page();
    }
    model.save(path).expect("what was loaded can be saved");
    let again = Model::load(path).expect("what was saved can be loaded");
    assert_eq!(again.factors.h, f.h);
}

/// Settings that no one would choose: refused, or harmless in a small fit.
fn config(bytes: &[u8]) {
    const SIZES: [usize; 12] = [1, 2, 3, 0, 4, 8, 9, 100, 1 << 31, 1 << 40, usize::MAX / 2, usize::MAX];
    const NUMBERS: [f64; 16] = [
        0.0,
        1e-3,
        0.1,
        0.5,
        1.0,
        3.0,
        1e30,
        1e300,
        -1.0,
        -0.0,
        1e-30,
        5e-324,
        f64::MAX,
        f64::NAN,
        f64::INFINITY,
        0.999,
    ];
    let mut bytes = bytes.iter().copied();
    let mut pick = |n: usize| usize::from(bytes.next().unwrap_or(0)) % n;
    let model = MODELS[pick(MODELS.len())];
    let layers: Vec<usize> = (0..pick(4)).map(|_| SIZES[pick(SIZES.len())]).collect();
    let (n, m) = (SIZES[pick(SIZES.len())], SIZES[pick(SIZES.len())]);
    let defaults = Config::new(model, layers);
    let config = Config {
        activation: [None, Some(Activation::Root), Some(Activation::Tanh), Some(Activation::Softplus)][pick(4)],
        activate: [Activate::Hidden, Activate::All][pick(2)],
        mu: (0..pick(4)).map(|_| NUMBERS[pick(NUMBERS.len())]).collect(),
        lambda: (0..pick(4)).map(|_| NUMBERS[pick(NUMBERS.len())]).collect(),
        penalty_scale: [PenaltyScale::ScaleFree, PenaltyScale::Absolute][pick(2)],
        init: [Init::Nndsvd, Init::Nndsvda, Init::Nndsvdar, Init::Random, Init::Svd][pick(5)],
        seed: SIZES[pick(SIZES.len())] as u64,
        solver: [Solver::Auto, Solver::Nesterov, Solver::Cd][pick(3)],
        x_storage: [Storage::Auto, Storage::F32, Storage::F16, Storage::U8][pick(4)],
        pretrain: SIZES[pick(SIZES.len())],
        sweeps: SIZES[pick(SIZES.len())],
        inner: SIZES[pick(SIZES.len())],
        passes: [None, Some(SIZES[pick(SIZES.len())])][pick(2)],
        extrapolate: [Extrapolate::None, Extrapolate::Pretrain, Extrapolate::All][pick(3)],
        tol: NUMBERS[pick(NUMBERS.len())],
        target_error: [None, Some(NUMBERS[pick(NUMBERS.len())])][pick(2)],
        metric: [Metric::Plain, Metric::Diagonal][pick(2)],
        restart: pick(2) == 1,
        balance: Balance { layers: pick(2) == 1, penalties: pick(2) == 1, lengths: pick(2) == 1 },
        theta: [defaults.theta, NUMBERS[pick(NUMBERS.len())]][pick(2)],
        graph: GraphConfig {
            neighbors: SIZES[pick(SIZES.len())],
            weights: [GraphWeights::Binary, GraphWeights::Heat, GraphWeights::Cosine][pick(3)],
            lambda: NUMBERS[pick(NUMBERS.len())],
        },
        hidden: pick(2) == 1,
        power_iterations: SIZES[pick(SIZES.len())],
        ..defaults
    };
    if config.validate().is_err() {
        return;
    }
    let _ = train::device_bytes(&config, n, m);
    let (n, m) = (n.clamp(1, 9), m.clamp(1, 9));
    // What is asked for is done: only what is asked of little is done here.
    if config.layers.iter().any(|k| *k > 9) {
        return;
    }
    let config = Config {
        pretrain: config.pretrain.min(3),
        sweeps: config.sweeps.min(3),
        inner: config.inner.min(4),
        passes: config.passes.map(|passes| passes.min(3)),
        power_iterations: config.power_iterations.min(4),
        ..config
    };
    let x = Array2::from_shape_fn((n, m), |(i, j)| ((i * 7 + j * 13 + i * j) % 17) as f32);
    if let Ok(fit) = train::fit(&mut Cpu::<f32>::new(), x.view(), &config, None, &mut deepnmf::train::silent) {
        let factors = fit.factors.w.iter().chain([&fit.factors.h]);
        assert!(factors.flatten().all(|v| v.is_finite()), "{config:?}: factors that are not finite");
    }
}

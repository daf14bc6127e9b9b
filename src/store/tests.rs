use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use super::model::KEY;
use super::tensors::{ROWS, Tensor, write};
use super::{Model, Split};
use crate::Error;
use crate::atomic::{NewFile, write_atomically};
use crate::data::{ImageShape, Scale};
use crate::model::{Activate, Activation, Factors, ModelSpec, Solver};
use crate::train::{Config, Fit, History, Penalties, Seconds};
use ndarray::{Array, Array2, ShapeBuilder};
use safetensors::Dtype;

fn ramp(rows: usize, cols: usize) -> Array2<f32> {
    Array::from_iter((0..rows * cols).map(|i| i as f32 / 8.0)).into_shape_with_order((rows, cols)).expect("fits")
}

/// Six features, layers 4 and 2, three samples.
fn model() -> Model {
    let mut config = Config::new(ModelSpec::by_name("sdnmf-rl2").expect("known"), [4, 2]);
    config.target_error = Some(0.25);
    let fit = Fit {
        solver: Solver::Nesterov,
        x_storage: crate::backend::Storage::F32,
        pretrain_samples: None,
        factors: Factors {
            w: vec![ramp(6, 4), ramp(4, 2)],
            h: ramp(3, 2),
            hidden: vec![ramp(3, 4)],
            activation: Some(Activation::Tanh),
            activate: Activate::All,
        },
        penalties: Penalties { mu: vec![0.5, 0.25], lambda: vec![0.0, 2.0] },
        history: History { pretrain: vec![vec![8.0, 4.0], vec![2.0]], finetune: vec![3.0, 1.5] },
        objective: 1.5,
        relative_error: 0.125,
        n_samples: 3,
        norm: 1.0,
        seconds: Seconds { init: 0.5, pretrain: 1.0, finetune: 2.0, total: 3.5 },
        warnings: Vec::new(),
    };
    let mut x = ramp(3, 6);
    let preprocess = crate::data::preprocess(&mut x, Scale::Max);
    let mut model = Model::new(&config, fit, preprocess, "cpu".into());
    model.metadata.image_shape = Some(ImageShape::new(2, 3, 1));
    model.metadata.split = Some(Split { per_class: 1, seed: 7, train: 3, test: 5, rows: vec![0, 4, 7] });
    model.metadata.classes = vec!["a".into(), "b".into()];
    model.metadata.labels = Some(vec![Some(0), None, Some(1)]);
    model
}

type Tensors = Vec<(String, Array2<f32>)>;
type Change = fn(&mut Tensors, &mut serde_json::Value);

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }
    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("m.safetensors")
    }
    fn names(&self) -> Vec<std::ffi::OsString> {
        std::fs::read_dir(self.0.path()).expect("listed").map(|e| e.expect("an entry").file_name()).collect()
    }
    /// The message with which the file is refused.
    fn refusal(&self) -> String {
        match Model::load(&self.file()) {
            Err(Error::Format { path, message }) => {
                assert_eq!(path, self.file());
                message
            }
            other => panic!("expected a format error, found {other:?}"),
        }
    }
}

/// What `save` would write after `change`, without its own checks.
fn write_unchecked(path: &Path, change: impl FnOnce(&mut Tensors, &mut serde_json::Value)) {
    write_with_rows(path, Some(&[0, 4, 7]), change);
}

fn write_with_rows(path: &Path, rows: Option<&[u32]>, change: impl FnOnce(&mut Tensors, &mut serde_json::Value)) {
    let m = model();
    let mut tensors = vec![
        ("W_1".to_string(), m.factors.w[0].clone()),
        ("W_2".to_string(), m.factors.w[1].clone()),
        ("H_2".to_string(), m.factors.h.clone()),
    ];
    let mut json = serde_json::to_value(&m.metadata).expect("serialises");
    change(&mut tensors, &mut json);
    let rows = rows.map(|rows| (ROWS.into(), Tensor::Rows(rows)));
    let tensors: Vec<_> = tensors.iter().map(|(name, a)| (name.clone(), Tensor::Matrix(a))).chain(rows).collect();
    let file = NewFile::create(path).expect("created");
    write(file, (KEY, &json.to_string()), &tensors).expect("written");
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = Folder::new();
    let saved = model();
    saved.save(&folder.file()).expect("saved");
    let loaded = Model::load(&folder.file()).expect("loaded");
    assert_eq!(loaded.metadata, saved.metadata);
    assert_eq!(loaded.factors.w, saved.factors.w);
    assert_eq!(loaded.factors.h, saved.factors.h);
    assert_eq!(loaded.factors.hidden, saved.factors.hidden);
    let components = Model::load_components(&folder.file()).expect("loaded");
    assert_eq!((&components.metadata, &components.factors.w), (&saved.metadata, &saved.factors.w));
    let shapes = |h: &Array2<f32>| h.dim();
    assert_eq!((shapes(&components.factors.h), shapes(&components.factors.hidden[0])), ((0, 2), (0, 4)));
    assert_eq!((loaded.factors.activation, loaded.factors.activate), (Some(Activation::Tanh), Activate::All));
    assert_eq!(folder.names().len(), 1, "nothing temporary is left");
}

#[test]
fn a_file_that_does_not_speak_of_activations_is_linear() {
    let folder = Folder::new();
    write_unchecked(&folder.file(), |_, json| {
        let fields = json.as_object_mut().expect("an object");
        assert!(fields.remove("activation").is_some() && fields.remove("activate").is_some());
    });
    let loaded = Model::load(&folder.file()).expect("loaded");
    assert_eq!((loaded.factors.activation, loaded.factors.activate), (None, Activate::Hidden));
    write_unchecked(&folder.file(), |_, json| json["activation"] = "cube".into());
    assert!(folder.refusal().contains("found JSON that is not it"));
}

#[test]
fn the_layout_in_memory_does_not_matter() {
    let folder = Folder::new();
    let mut m = model();
    let mut columns = Array2::zeros((3, 2).f());
    columns.assign(&m.factors.h);
    m.factors.h = columns;
    m.save(&folder.file()).expect("saved");
    assert_eq!(Model::load(&folder.file()).expect("loaded").factors.h, ramp(3, 2));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = Folder::new();
    model().save(&folder.file()).expect("saved");
    let bytes = std::fs::read(folder.file()).expect("read");
    for length in [0, 1, 7, 8, 9, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(folder.file(), &bytes[..length]).expect("written");
        assert!(folder.refusal().contains("expected a safetensors file"), "{length} bytes");
    }
    std::fs::write(folder.file(), [bytes, vec![0]].concat()).expect("written");
    assert!(folder.refusal().contains("expected a safetensors file"), "one byte too many");
}

#[test]
fn garbage_and_lying_headers_are_refused() {
    let folder = Folder::new();
    let header = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let huge = r#"{"W_1":{"dtype":"F32","shape":[1099511627776,4],"data_offsets":[0,17592186044416]}}"#;
    let overflow = r#"{"W_1":{"dtype":"F32","shape":[18446744073709551615,4],"data_offsets":[0,16]}}"#;
    for bytes in [vec![0xff; 64], vec![0; 64], b"\x89PNG\r\n".to_vec(), header(huge), header(overflow), header("[]")] {
        std::fs::write(folder.file(), bytes).expect("written");
        assert!(folder.refusal().contains("expected a safetensors file"));
    }
}

#[test]
fn a_safetensors_file_of_something_else_is_named_as_such() {
    let folder = Folder::new();
    let weights = ramp(2, 2);
    let file = NewFile::create(&folder.file()).expect("created");
    write(file, ("format", "pt"), &[("encoder.weight".into(), Tensor::Matrix(&weights))]).expect("written");
    let message = folder.refusal();
    assert!(message.contains("expected a deepnmf model") && message.contains("encoder.weight"), "{message}");
}

#[test]
fn metadata_that_is_not_ours_is_refused() {
    let folder = Folder::new();
    let cases: [(&str, Change); 5] = [
        ("found format 2", |_, j| j["format"] = 2.into()),
        ("found no format number", |_, j| j["format"] = "1".into()),
        ("found no format number", |_, j| *j = serde_json::json!([1])),
        ("found JSON that is not it", |_, j| j["penalties"] = 3.into()),
        ("at least one layer", |_, j| j["layers"] = serde_json::json!([])),
    ];
    for (expected, change) in cases {
        write_unchecked(&folder.file(), change);
        let message = folder.refusal();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn shapes_that_do_not_chain_are_refused() {
    let folder = Folder::new();
    let cases: [(&str, Change); 10] = [
        ("rows of W_2 (the columns of W_1): expected 4, found 3", |t, _| t[1].1 = ramp(3, 2)),
        ("columns of W_1: expected 4, found 5", |t, _| t[0].1 = ramp(6, 5)),
        ("columns of H_2 (the columns of W_2): expected 2, found 3", |t, _| t[2].1 = ramp(3, 3)),
        ("rows of H_2 (samples): expected 3, found 4", |t, _| t[2].1 = ramp(4, 2)),
        ("expected a tensor W_2, found", |t, _| t[1].0 = "V_2".into()),
        ("features of the image shape", |_, j| j["image_shape"]["width"] = 4.into()),
        ("labels: expected numbers below 2, found 9", |_, j| j["labels"] = serde_json::json!([0, 9, 1])),
        ("penalty constants: expected numbers of at least 0, found -1", |_, j| j["penalties"]["mu"][0] = (-1).into()),
        ("expected a positive number, found 0", |_, j| j["preprocess"]["factor"] = 0.into()),
        ("W_1: expected finite numbers, found NaN in row 1, column 2", |t, _| t[0].1[[1, 2]] = f32::NAN),
    ];
    for (expected, change) in cases {
        write_unchecked(&folder.file(), change);
        let message = folder.refusal();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn rows_that_are_no_split_are_refused() {
    let folder = Folder::new();
    let ascending = "training_rows: expected ascending rows below 8";
    let cases: [(&str, Option<&[u32]>); 5] = [
        ("expected the rows of the training samples, found none", None),
        ("rows of the training samples: expected 3, found 2", Some(&[0, 4])),
        (ascending, Some(&[0, 4, 8])),
        (ascending, Some(&[4, 0, 7])),
        (ascending, Some(&[4, 4, 7])),
    ];
    for (expected, rows) in cases {
        write_with_rows(&folder.file(), rows, |_, _| ());
        let message = folder.refusal();
        assert!(message.contains(expected), "{message}");
    }
    write_unchecked(&folder.file(), |_, _| ());
    let split = Model::load(&folder.file()).expect("loaded").metadata.split.expect("there");
    assert_eq!(split.parts(8), Some((vec![0, 4, 7], vec![1, 2, 3, 5, 6])));
    assert_eq!((split.parts(7), split.parts(9)), (None, None));
}

/// Nothing else in the file bears witness to the number of test samples.
#[test]
fn a_split_of_more_samples_than_can_be_is_refused_and_any_other_allocates_nothing() {
    let folder = Folder::new();
    for test in [u64::MAX, u64::MAX - 3, 100_000_000_000, 4_294_967_293] {
        write_unchecked(&folder.file(), |_, json| json["split"]["test"] = test.into());
        let message = folder.refusal();
        assert!(message.contains(&format!("at most 4294967295 samples in all, found 3 and {test}")), "{message}");
    }
    write_unchecked(&folder.file(), |_, json| json["split"]["test"] = 4_294_967_292_u64.into());
    let split = Model::load(&folder.file()).expect("loaded").metadata.split.expect("there");
    assert_eq!(split.parts(8), None);
}

#[test]
fn other_types_and_dimensions_are_refused() {
    let folder = Folder::new();
    let mut metadata = model().metadata;
    metadata.split = None;
    let json = serde_json::to_string(&metadata).expect("serialises");
    let bytes = [0; 48];
    for (dtype, shape) in [(Dtype::F16, vec![6, 4]), (Dtype::F32, vec![12]), (Dtype::F32, vec![3, 2, 2])] {
        let tensor = safetensors::tensor::TensorView::new(dtype, shape, &bytes).expect("fits");
        let info = HashMap::from([(KEY.to_string(), json.clone())]);
        std::fs::write(folder.file(), safetensors::serialize([("W_1", tensor)], Some(info)).expect("serialises"))
            .expect("written");
        let message = folder.refusal();
        assert!(message.contains("W_1: expected an F32 matrix, found"), "{message}");
    }
}

#[test]
fn nothing_is_written_that_could_not_be_loaded() {
    let folder = Folder::new();
    let mut m = model();
    m.factors.h[[2, 1]] = f32::INFINITY;
    let error = m.save(&folder.file()).expect_err("refused");
    assert!(error.to_string().contains("H_2: expected finite numbers"), "{error}");
    let mut m = model();
    m.metadata.objective = f64::NAN;
    assert!(m.save(&folder.file()).is_err());
    assert!(folder.names().is_empty());
}

/// H is nonnegative everywhere, W in all models but those that say otherwise.
#[test]
fn negative_entries_are_refused_where_the_model_has_none() {
    let folder = Folder::new();
    let save = |name: &str, w: f32, h: f32| {
        let mut m = model();
        m.metadata.model = name.into();
        (m.factors.w[0][[1, 2]], m.factors.h[[2, 1]]) = (w, h);
        m.save(&folder.file()).map_err(|e| e.to_string())
    };
    save("deep-semi-nmf", -0.5, 0.5).expect("saved");
    assert_eq!(Model::load(&folder.file()).expect("loaded").factors.w[0][[1, 2]], -0.5);
    for (name, w, h, expected) in [
        ("sdnmf-l", -0.5, 0.5, "W_1: expected no negative numbers, found -0.5 in row 1, column 2"),
        ("nsnmf", -0.5, 0.5, "W_1: expected no negative numbers"),
        ("deep-semi-nmf", 0.5, -0.5, "H_2: expected no negative numbers, found -0.5 in row 2, column 1"),
        ("no-such-model", 0.5, 0.5, "no model is called `no-such-model`"),
    ] {
        let message = save(name, w, h).expect_err("refused");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_failed_write_leaves_the_old_file_alone() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "old").expect("written");
    let result = write_atomically(&folder.file(), |out| {
        out.write_all(b"new")?;
        Err(std::io::Error::other("the disk is full"))
    });
    assert!(matches!(result, Err(Error::Io { .. })));
    assert_eq!(std::fs::read(folder.file()).expect("read"), b"old");
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn what_cannot_be_written_is_known_before() {
    let folder = Folder::new();
    let here = folder.0.path();
    assert!(NewFile::create(&folder.file()).is_ok());
    assert!(folder.names().is_empty());
    for bad in [here.to_path_buf(), here.join("missing/m.safetensors"), here.join("..")] {
        assert!(matches!(NewFile::create(&bad), Err(Error::Format { .. })), "{}", bad.display());
    }
    let file = NewFile::create(&folder.file()).expect("writable");
    file.reserve(1 << 16).expect("room");
    let message = file.reserve(1 << 62).expect_err("more than there is").to_string();
    assert!(message.contains("expected room for 4611686018427387904 bytes, found "), "{message}");
    file.write(|out| out.write_all(b"new")).expect("written");
    assert_eq!(std::fs::read(folder.file()).expect("read"), b"new", "no longer than what was written");
}

/// Files of processes that were killed are told from those of living ones by their lock.
#[test]
fn what_dead_processes_left_is_removed_and_nothing_else() {
    let folder = Folder::new();
    let here = folder.0.path();
    let alive = NewFile::create(&here.join("a")).expect("writable");
    for name in [".deepnmf-Ab12Xz.tmp", ".deepnmf-notes.tmp", ".deepnmf-Ab12X.tmp", ".deepnmf-Ab12Xz", "x.tmp"] {
        std::fs::write(here.join(name), "left").expect("written");
    }
    std::fs::create_dir(here.join(".deepnmf-folder.tmp")).expect("made");
    write_atomically(&folder.file(), |out| out.write_all(b"new")).expect("written");
    assert!(!here.join(".deepnmf-Ab12Xz.tmp").exists(), "{:?}", folder.names());
    // The folder, the files that are called otherwise, the new file, and that of the other writer, where it has a name.
    assert!([6, 7].contains(&folder.names().len()), "{:?}", folder.names());
    alive.write(|out| out.write_all(b"whole")).expect("not taken for a leftover");
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_mode_and_a_link_leads_on() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new();
    let (private, link, chain, dangling) = (
        folder.0.path().join("private"),
        folder.0.path().join("link"),
        folder.0.path().join("chain"),
        folder.0.path().join("dangling"),
    );
    std::fs::write(&private, "old").expect("written");
    std::fs::set_permissions(&private, PermissionsExt::from_mode(0o600)).expect("set");
    symlink("private", &link).expect("linked");
    symlink(&link, &chain).expect("linked");
    symlink("new", &dangling).expect("linked");
    for path in [&private, &link, &chain, &dangling] {
        write_atomically(path, |out| out.write_all(path.to_string_lossy().as_bytes())).expect("written");
        assert_eq!(std::fs::read(path).expect("read"), path.to_string_lossy().as_bytes());
        assert_eq!(path.is_symlink(), *path != private);
        let mode = std::fs::metadata(&private).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    assert!(folder.0.path().join("new").is_file());
    let circle = folder.0.path().join("circle");
    symlink("circle", &circle).expect("linked");
    assert!(NewFile::create(&circle).is_err());
}

#[cfg(unix)]
#[test]
fn a_result_is_as_readable_as_any_other_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    model().save(&folder.file()).expect("saved");
    let plain = folder.0.path().join("plain");
    std::fs::write(&plain, "").expect("written");
    let mode = |p: &Path| std::fs::metadata(p).expect("there").permissions().mode();
    assert_eq!(mode(&folder.file()), mode(&plain));
}

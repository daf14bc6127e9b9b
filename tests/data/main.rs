//! Reading data: every format, and every way I know for a file to be wrong.

use std::io::Write;
use std::path::{Path, PathBuf};

use deepnmf::data::{ImageSet, LoadOptions, load};

mod arrays;
mod csv;
mod folders;
mod hdf5;
mod idx;
mod joins;
mod mat;
mod parquet;
mod prepare;
mod real;

/// Where the data sets are that cannot be part of the repository.
fn data_dir() -> PathBuf {
    std::env::var_os("DEEPNMF_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), Into::into)
}

fn read(path: &Path) -> ImageSet {
    load(path, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// The message of the error that loading must give; it names the file.
#[track_caller]
fn refusal(path: &Path, opts: &LoadOptions) -> String {
    match load(path, opts) {
        Ok(set) => panic!("{} was read as {:?}", path.display(), set.x.dim()),
        Err(e) => {
            let message = e.to_string();
            let name = path.file_name().expect("a file").to_string_lossy();
            assert!(message.contains(&*name), "the message does not name the file: {message}");
            message
        }
    }
}

/// Loading with the default options must fail and say all of `parts`.
#[track_caller]
fn refused(path: &Path, parts: &[&str]) {
    let message = refusal(path, &LoadOptions::default());
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// A temporary folder and a way to put files into it.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

/// No prefix and no single changed byte of `good` may panic or run away; a prefix never reads.
fn survives_damage(name: &str, good: &[u8]) {
    let dir = Dir::new();
    let path = dir.put(name, good);
    load(&path, &LoadOptions::default()).expect("undamaged it reads");
    for length in 0..good.len() {
        std::fs::write(&path, &good[..length]).expect("a file");
        assert!(load(&path, &LoadOptions::default()).is_err(), "{length} of {} bytes were read as whole", good.len());
    }
    for at in 0..good.len() {
        for value in [0, 1, 0x7f, 0xff, good[at] ^ 0x10] {
            let mut bad = good.to_vec();
            bad[at] = value;
            std::fs::write(&path, &bad).expect("a file");
            // Reading something else is no failure of the reader: the byte may be data.
            let _ = load(&path, &LoadOptions::default());
        }
    }
}

#[test]
fn missing_paths_and_unknown_files() {
    let dir = Dir::new();
    refused(&dir.path().join("nowhere.mat"), &["o such file"]);
    refused(&dir.put("notes.txt", b"hello there, this is text"), &["unknown format", ".npz"]);
    refused(&dir.put("empty.npy", b""), &["empty"]);
    refused(&dir.put("photo.png", b"not looked at"), &["one image", "folder"]);
    let mut hdf5 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".to_vec();
    hdf5.resize(512, 0);
    hdf5.extend(b"\x89HDF\r\n\x1a\n....");
    refused(&dir.put("new.mat", &hdf5), &["new.mat", "expected an HDF5 file"]);
    refused(&dir.put("old.mat", &[0; 400]), &["version 4"]);
}

#[test]
fn options_that_mean_nothing_for_a_format_are_refused() {
    let dir = Dir::new();
    let csv = dir.put("a.csv", b"1,2\n3,4\n");
    let opts = LoadOptions { x_key: Some("fea".into()), ..Default::default() };
    assert!(refusal(&csv, &opts).contains("--x-key fea means nothing for a CSV file"));
    let opts = LoadOptions { resize: Some((2, 2)), ..Default::default() };
    assert!(refusal(&csv, &opts).contains("--image-shape HxW"));
}

#[test]
fn the_format_is_told_by_content_not_by_name() {
    let dir = Dir::new();
    let set = read(&dir.put("numbers.csv", &idx::images(&[2, 1, 3], &[1, 2, 3, 4, 5, 6])));
    assert_eq!(set.x, ndarray::arr2(&[[1., 2., 3.], [4., 5., 6.]]));
}

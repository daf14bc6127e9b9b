//! A folder, files in it, and the command run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A temporary folder in which commands run.
pub(crate) struct Folder(tempfile::TempDir);

/// What a command did.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Everything in the folder, by name.
    pub(crate) fn names(&self) -> Vec<String> {
        list(self.0.path())
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in the folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deepnmf"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).env_remove("DEEPNMF_DEVICE");
        command
    }

    /// Runs `deepnmf` with arguments that hold no blanks.
    pub(crate) fn run(&self, arguments: &str) -> Run {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("started");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let run = Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
        assert!(!run.stderr.contains("panicked"), "{arguments}: {}", run.stderr);
        run
    }

    /// Runs a command that has to succeed.
    pub(crate) fn ok(&self, arguments: &str) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{arguments}: {}", run.stderr);
        run
    }

    /// Runs a command that has to fail with `code` and an error that has all of `parts` in it, and to write nothing.
    pub(crate) fn refused(&self, arguments: &str, code: i32, parts: &[&str]) {
        let before = self.names();
        let run = self.run(arguments);
        assert_eq!(run.code, Some(code), "{arguments}: {}{}", run.stdout, run.stderr);
        assert_eq!(run.stdout, "", "{arguments}");
        assert!(run.stderr.lines().any(|l| l.starts_with("error: ")), "{arguments}: {}", run.stderr);
        for part in parts {
            assert!(run.stderr.contains(part), "{arguments}: expected `{part}` in: {}", run.stderr);
        }
        assert_eq!(self.names(), before, "{arguments}: nothing half-written");
    }
}

impl Run {
    /// The one JSON object on standard output.
    pub(crate) fn json(&self) -> Value {
        let mut objects = serde_json::Deserializer::from_str(&self.stdout).into_iter::<Value>();
        let object = objects.next().expect("an object").expect("JSON");
        assert!(object.is_object(), "{}", self.stdout);
        assert!(objects.next().is_none(), "more than one object: {}", self.stdout);
        object
    }
}

pub(crate) fn list(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("listed");
    let mut names: Vec<_> =
        entries.map(|e| e.expect("an entry").file_name().into_string().expect("a plain name")).collect();
    names.sort();
    names
}

/// An .npy file whose header says `shape`, whatever there is of `values`.
pub(crate) fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// `n` nonnegative samples of `m` features, sums of three parts and a little noise; the same every time.
pub(crate) fn samples(n: usize, m: usize) -> Vec<f32> {
    let mut state = 12345u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let mut values = Vec::with_capacity(n * m);
    for _ in 0..n {
        let weights = [random(), random(), random()];
        values.extend((0..m).map(|j| weights[j * 3 / m] * (1.0 + (j % 5) as f32) + 0.05 * random()));
    }
    values
}

/// A file of 60 samples of 36 features.
pub(crate) fn x_npy() -> Vec<u8> {
    npy("(60, 36)", &samples(60, 36))
}

pub(crate) fn pgm(width: usize, height: usize, shade: u8) -> Vec<u8> {
    let mut bytes = format!("P5\n{width} {height}\n255\n").into_bytes();
    bytes.extend((0..width * height).map(|i| shade.wrapping_add((i * 37 % 101) as u8) / 2 + 1));
    bytes
}

/// Three classes of six images of 8×6 pixels.
pub(crate) fn faces(folder: &Folder) {
    for class in 0..3u8 {
        for i in 0..6u8 {
            folder.write(&format!("faces/s{class}/{i}.pgm"), pgm(8, 6, 40 * class + 11 * i));
        }
    }
}

/// An IDX file of images whose header claims `n`×`height`×`width` bytes.
pub(crate) fn idx(n: u32, height: u32, width: u32, bytes: usize) -> Vec<u8> {
    let mut file = vec![0, 0, 8, 3];
    file.extend([n, height, width].iter().flat_map(|d| d.to_be_bytes()));
    file.extend((0..bytes).map(|i| (i % 251) as u8));
    file
}

/// A MATLAB file with one matrix `fea` of `n` samples of `m` features, which lie row by row in `x`.
pub(crate) fn mat(n: usize, m: usize, x: &[f32]) -> Vec<u8> {
    let element = |kind: u32, bytes: &[u8]| {
        let mut out = [kind.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    };
    let dims: Vec<u8> = [n, m].iter().flat_map(|&d| (d as i32).to_le_bytes()).collect();
    let values: Vec<u8> = (0..n * m).flat_map(|i| x[i % n * m + i / n].to_le_bytes()).collect();
    // Class 7 is single, type 7 its numbers.
    let parts = [element(6, &[7, 0, 0, 0, 0, 0, 0, 0]), element(5, &dims), element(1, b"fea"), element(7, &values)];
    let mut file = b"MATLAB 5.0 MAT-file".to_vec();
    file.resize(124, b' ');
    file.extend(*b"\x00\x01IM");
    file.extend(element(14, &parts.concat()));
    file
}

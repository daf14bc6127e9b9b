//! What is known of the samples of an `.npy` file besides their values: labels, names and the shape of images, in a JSON file beside
//! it, `X.json` for `X.npy`.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::budget::afford;
use super::labels::Labels;
use super::source::product_text;
use super::{ImageSet, ImageShape, LoadOptions, SamplesAxis};
use crate::atomic::write_atomically;
use crate::{Error, Result};

const FORMAT: u32 = 1;
/// Bytes at the beginning and at the end of an array by which it is recognised.
const ENDS: u64 = 64 << 10;

/// The sidecar's place for the array `npy`: the same name ending in `.json`; None if `npy` does not end in `.npy`.
pub fn sidecar_of(npy: &Path) -> Option<PathBuf> {
    npy.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")).then(|| npy.with_extension("json"))
}

/// The content of the file: a sidecar is told from any other JSON by its one key.
#[derive(Serialize, Deserialize)]
struct Content<T> {
    deepnmf: T,
}

/// What is known of the samples of an array.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sidecar {
    format: u32,
    crate_version: String,
    samples: usize,
    features: usize,
    image_shape: Option<ImageShape>,
    classes: Vec<String>,
    /// Indices into `classes`; None for a sample without a label.
    labels: Option<Vec<Option<usize>>>,
    label_source: Option<String>,
    /// Empty if the samples have none.
    names: Vec<String>,
    /// As `names`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    feature_names: Vec<String>,
    /// Where the samples came from, and how they were read.
    data: String,
    reading: LoadOptions,
    /// A hash of the ends of the array.
    ends: String,
}

impl Sidecar {
    /// Of these samples, which were read from `data` and are in the file `array`.
    ///
    /// # Errors
    /// [`Error::Io`] if the array cannot be read.
    pub(super) fn new<X>(
        set: ImageSet<X>,
        (samples, features): (usize, usize),
        data: &Path,
        reading: &LoadOptions,
        array: &Path,
    ) -> Result<Self> {
        Ok(Self {
            format: FORMAT,
            crate_version: env!("CARGO_PKG_VERSION").into(),
            samples,
            features,
            image_shape: set.image_shape,
            classes: set.classes,
            labels: set.labels,
            label_source: set.label_source,
            names: set.names,
            feature_names: set.feature_names,
            data: data.display().to_string(),
            reading: reading.clone(),
            ends: ends(array)?,
        })
    }

    /// Writes it completely or not at all.
    pub(super) fn write(self, path: &Path) -> Result<()> {
        write_atomically(path, |out| {
            serde_json::to_writer(&mut *out, &Content { deepnmf: self })?;
            writeln!(out)
        })
    }

    /// That of an array, if it has one. Of another file with its name a note is made.
    ///
    /// # Errors
    /// [`Error::Format`] for a sidecar that does not fit the array; [`Error::Config`] for samples in columns.
    pub(super) fn read(npy: &Path, shape: &[u64], opts: &LoadOptions, notes: &mut Vec<String>) -> Result<Option<Self>> {
        let Some((path, mut file)) = open(npy)? else { return Ok(None) };
        let failed = |e| Error::io(&path, e);
        if !is_sidecar(&mut file).map_err(failed)? {
            notes.push(format!("{} is no sidecar of `deepnmf pack` and is not read", path.display()));
            return Ok(None);
        }
        let length = file.metadata().map_err(failed)?.len();
        afford(&path, "labels and names", length.saturating_mul(4), opts.budget())?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let wrong = |message: String| {
            let advice = "pack again, or remove the file to read the array without labels and names";
            Error::format(&path, format!("{message}; {advice}"))
        };
        let Content { deepnmf: sidecar } = serde_json::from_str::<Content<Self>>(&text)
            .map_err(|e| wrong(format!("expected a sidecar of format {FORMAT}, but it does not read: {e}")))?;
        sidecar.check(npy, shape).map_err(wrong)?;
        if opts.samples == SamplesAxis::Columns {
            let message = format!("{}: its samples are rows, as {} says; found columns", npy.display(), path.display());
            return Err(Error::Config(message));
        }
        let what = match (sidecar.image_shape.is_some(), sidecar.labels.is_some()) {
            (true, true) => "labels and the shape of images",
            (true, false) => "the shape of images",
            (false, true) => "labels",
            (false, false) => "what is known of the samples",
        };
        notes.push(format!("{what} from {}, packed from {}", path.display(), sidecar.data));
        if !opts.colour && sidecar.image_shape.is_some_and(|s| s.channels == 3) {
            notes.push("its images in colour become grey; --colour keeps the colours".into());
        }
        Ok(Some(sidecar))
    }

    fn check(&self, npy: &Path, shape: &[u64]) -> std::result::Result<(), String> {
        let (n, m, array, npy) = (self.samples, self.features, npy, npy.display());
        if self.format != FORMAT {
            return Err(format!("expected a sidecar of format {FORMAT}, found format {}", self.format));
        }
        if *shape != [n as u64, m as u64] {
            let found = product_text(shape);
            return Err(format!("expected the sidecar of an array of {found}, as in {npy}, found that of {n}×{m}"));
        }
        let count = |what: &str, found: usize| match found == n {
            true => Ok(()),
            false => Err(format!("expected {n} {what}, one for every sample of {npy}, found {found}")),
        };
        if let Some(labels) = &self.labels {
            count("labels", labels.len())?;
            if let Some(label) = labels.iter().flatten().find(|label| **label >= self.classes.len()) {
                return Err(format!(
                    "expected labels below {}, the number of classes, found {label}",
                    self.classes.len()
                ));
            }
        }
        if !self.names.is_empty() {
            count("names", self.names.len())?;
        }
        if !self.feature_names.is_empty() && self.feature_names.len() != m {
            return Err(format!("expected {m} names of features, found {}", self.feature_names.len()));
        }
        self.image_shape.map_or(Ok(()), |shape| shape.check(m).map_err(|e| e.to_string()))?;
        match ends(array).map_err(|e| e.to_string())? == self.ends {
            true => Ok(()),
            false => Err(format!("expected the sidecar of {npy}, found that of another array of the same shape")),
        }
    }

    /// The labels, moved out.
    pub(super) fn labels(&mut self) -> Option<Labels> {
        let (of, source) = (self.labels.take()?, self.label_source.take().unwrap_or_default());
        Some(Labels { of, classes: std::mem::take(&mut self.classes), source })
    }

    pub(super) fn image_shape(&self) -> Option<ImageShape> {
        self.image_shape
    }

    /// The samples of the array with their names and the shape of their images.
    pub(super) fn complete<X>(self, set: ImageSet<X>) -> ImageSet<X> {
        let Self { image_shape, names, feature_names, .. } = self;
        ImageSet { image_shape, names, feature_names, ..set }
    }
}

/// Whether the array `npy` has a sidecar that says how samples are images.
pub(super) fn has_images(npy: &Path) -> bool {
    #[derive(Deserialize)]
    struct Shape {
        image_shape: Option<ImageShape>,
    }
    let Ok(Some((_, file))) = open(npy) else { return false };
    let content = serde_json::from_reader::<_, Content<Shape>>(std::io::BufReader::new(file));
    content.is_ok_and(|content| content.deepnmf.image_shape.is_some())
}

/// [`Error::Config`] if a sidecar would replace a file of another kind.
pub(super) fn refuse_other(npy: &Path) -> Result<()> {
    let Some((path, mut file)) = open(npy)? else { return Ok(()) };
    if is_sidecar(&mut file).map_err(|e| Error::io(&path, e))? {
        return Ok(());
    }
    let message = format!("expected to write labels and names to {}, found a file of another kind", path.display());
    Err(Error::Config(format!("{}: {message}; choose another name", npy.display())))
}

fn open(npy: &Path) -> Result<Option<(PathBuf, File)>> {
    let Some(path) = sidecar_of(npy).filter(|path| path.is_file()) else { return Ok(None) };
    match File::open(&path) {
        Ok(file) => Ok(Some((path, file))),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(&path, e)),
    }
}

/// Whether a file begins as a sidecar does, whole or not; goes back to its beginning.
fn is_sidecar(file: &mut File) -> std::io::Result<bool> {
    let mut head = Vec::new();
    file.take(64).read_to_end(&mut head)?;
    file.rewind()?;
    head.retain(|byte| !byte.is_ascii_whitespace());
    Ok(head.starts_with(br#"{"deepnmf":"#))
}

fn ends(npy: &Path) -> Result<String> {
    let read = || {
        let mut file = File::open(npy)?;
        let length = file.metadata()?.len();
        let mut bytes = Vec::new();
        (&mut file).take(ENDS).read_to_end(&mut bytes)?;
        file.seek(SeekFrom::Start(length.saturating_sub(ENDS)))?;
        file.take(ENDS).read_to_end(&mut bytes)?;
        Ok(format!("{:016x}", hash(&bytes)))
    };
    read().map_err(|e| Error::io(npy, e))
}

/// The hash FNV-1a of 64 bits, the same on every machine.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

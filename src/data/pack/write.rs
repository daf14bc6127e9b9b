//! Packs a data set.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::inputs::{lies_in, reads};
use super::super::npy::npy_header;
use super::super::sidecar::{Sidecar, refuse_other, sidecar_of};
use super::super::stream::is_byte;
use super::super::{Dim, ImageSet, ImageShape, LoadOptions, SoFar};
use super::input::Input;
use super::part::Part;
use crate::atomic::{folder_of, place};
use crate::{Error, Result};

/// The most samples of a block, and the most bytes that they take as 32-bit floats if there are more than one for every thread.
const BLOCK_SAMPLES: usize = 512;
const BLOCK_BYTES: usize = 16 << 20;

/// The type of the numbers of a packed array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Bytes for a folder whose first image has 8 bits, and for other data that bytes hold exactly; else floats.
    #[default]
    Auto,
    /// Bytes: values from 0 to 255, rounded to whole numbers.
    U8,
    /// 32-bit floats.
    F32,
}

/// How a data set is packed.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    /// How it is read.
    pub reading: LoadOptions,
    /// The type of its numbers in the array.
    pub dtype: Dtype,
    /// Whether what an earlier run left is thrown away.
    pub restart: bool,
}

/// A data set that was packed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Packed {
    /// Rows of the array.
    pub n_samples: usize,
    /// Columns of the array.
    pub n_features: usize,
    /// [`Dtype::U8`] or [`Dtype::F32`].
    pub dtype: Dtype,
    /// How a sample is an image; None if unknown.
    pub image_shape: Option<ImageShape>,
    /// The number of classes, and where labels came from; None without labels.
    pub labels: Option<(usize, String)>,
    /// Whether samples have names.
    pub named: bool,
    /// Samples with values that were rounded.
    pub rounded: usize,
    /// Samples that an earlier run had packed.
    pub resumed: usize,
    /// The JSON file beside the array.
    pub sidecar: PathBuf,
    /// Choices that the reader made on its own.
    pub notes: Vec<String>,
}

/// Writes the samples of `path` to the `.npy` file `out`, in C order, one row per sample, and what else is known of them to a JSON
/// file beside it ([`sidecar_of`]), which [`load`](crate::data::load) and [`open`](crate::data::open) read with the array.
///
/// Images are decoded by all threads. Folders, `.csv`, `.npy`, IDX and uncompressed `.npz` are read a block of samples at a time; memory
/// is needed for one block and for names and labels. Other files are read as a whole.
///
/// `out` appears when it is complete. Until then the array is `out` with `.part` appended. A call with the same arguments goes on
/// after the last block that is noted there as whole, which is done every second, if the files of all earlier blocks have the
/// sizes and times that they had.
///
/// # Errors
/// As [`load`](crate::data::load). [`Error::Config`] if `out` does not end in `.npy`, is read or lies in the folder that is packed;
/// [`Error::Format`] for a part that is not of this data set and these options; [`Error::Data`] for values that bytes cannot
/// hold; [`Error::Io`]. What was packed before an error stays for the next call.
pub fn pack(path: &Path, out: &Path, opts: &PackOptions, progress: &mut dyn FnMut(&SoFar)) -> Result<Packed> {
    let reading = LoadOptions { memory: Some(opts.reading.budget()), ..opts.reading.clone() };
    let sidecar = output(path, out)?;
    let found = Part::find(out, opts.restart)?;
    let mut set = Input::open(path, &reading)?;
    let (n, m) = set.x.size();
    let block = block_of(m, reading.budget());
    let dtype = match (opts.dtype, &found) {
        (Dtype::Auto, Some(part)) => dtype_of(&part.journal.settings),
        (Dtype::Auto, None) if set.x.fits_bytes(block)? => Dtype::U8,
        (Dtype::Auto, None) => Dtype::F32,
        (dtype, _) => dtype,
    };
    let settings = json!({ "format": 1, "dtype": dtype, "features": m, "reading": reading });
    let (descr, bytes) = if dtype == Dtype::U8 { ("|u1", m) } else { ("<f4", 4 * m) };
    let mut part = match found {
        Some(part) => same(part, &settings, &set, n)?,
        None => Part::create(out, settings)?,
    };
    let (resumed, header) = (part.done(), npy_header(descr, (n, m)));
    part.start(&header, n, bytes)?;
    if let Err(e) = write(&mut set, &mut part, (block, dtype, bytes), &reading, path, progress) {
        // Why it stopped matters more than what cannot be noted then; what was noted before stays.
        let _ = part.stop();
        return Err(e);
    }
    let packed = Packed {
        n_samples: n,
        n_features: m,
        dtype,
        image_shape: set.image_shape,
        labels: set.label_source.clone().map(|source| (set.classes.len(), source)),
        named: !set.names.is_empty(),
        rounded: part.journal.rounded,
        resumed,
        sidecar: sidecar.clone(),
        notes: std::mem::take(&mut set.notes),
    };
    part.finish(header.len() as u64 + n as u64 * bytes as u64, |array| {
        Sidecar::new(set, (n, m), path, &reading, array)?.write(&sidecar)
    })?;
    Ok(packed)
}

/// The sidecar of the array `out`, if that may be written from `path`.
fn output(path: &Path, out: &Path) -> Result<PathBuf> {
    let refused = |message: String| Error::Config(format!("--out: expected {message}, found {}", out.display()));
    let sidecar = sidecar_of(out).ok_or_else(|| refused("a name that ends in .npy".into()))?;
    std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if reads(path, out)? || reads(path, &sidecar)? {
        return Err(refused(format!("another file than those that are read, which belong to {}", path.display())));
    }
    if path.is_dir() && lies_in(folder_of(out), path) {
        return Err(refused(format!("a file that is not in {}, the folder that is packed", path.display())));
    }
    refuse_other(out)?;
    place(&sidecar)?;
    Ok(sidecar)
}

/// Samples of `m` numbers that are in memory at a time.
fn block_of(m: usize, budget: u64) -> usize {
    let threads = rayon::current_num_threads();
    let wanted = (BLOCK_BYTES / (4 * m)).clamp(threads.min(BLOCK_SAMPLES), BLOCK_SAMPLES);
    // Half of the budget is for what is being decoded.
    let most = budget / 2 / (8 * m as u64);
    wanted.min(most as usize).max(1)
}

fn dtype_of(settings: &Value) -> Dtype {
    serde_json::from_value(settings["dtype"].clone()).unwrap_or_default()
}

/// The part that an earlier run left, if it is one of these samples.
fn same(part: Part, settings: &Value, set: &ImageSet<Input>, n: usize) -> Result<Part> {
    let mut differences = Vec::new();
    differ("", &part.journal.settings, settings, &mut differences);
    if !differences.is_empty() {
        return Err(part.other(&differences.join(", ")));
    }
    if part.done() > n {
        return Err(part.other(&format!("there are {n} now")));
    }
    for (rows, state) in part.blocks() {
        if set.x.state(rows.clone())? != state {
            return Err(part.other(&format!("{} was another then, or had another size or time", set.x.files(&rows))));
        }
    }
    Ok(part)
}

/// Adds what differs between two values to `found`, as in "`resize` was null, is [8,8]".
fn differ(name: &str, before: &Value, now: &Value, found: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            for (key, value) in now {
                differ(key, before.get(key).unwrap_or(&Value::Null), value, found);
            }
        }
        _ if before != now => found.push(format!("`{name}` was {before}, is {now}")),
        _ => {}
    }
}

/// Writes the samples that are not written yet.
fn write(
    set: &mut ImageSet<Input>,
    part: &mut Part,
    (block, dtype, sample_bytes): (usize, Dtype, usize),
    reading: &LoadOptions,
    path: &Path,
    progress: &mut dyn FnMut(&SoFar),
) -> Result<()> {
    let (n, _) = set.x.size();
    let mut bytes = Vec::new();
    let mut done = part.done();
    progress(&SoFar { done, of: n, sample_bytes });
    while done < n {
        let rows = done..n.min(done + block);
        let state = set.x.state(rows.clone())?;
        if part.blocks().next().is_some_and(|(_, first)| first != state && set.x.is_file()) {
            return Err(Error::format(path, "the file changed while it was packed"));
        }
        let x = set.x.rows(rows.clone(), reading.clip_negative)?;
        bytes.resize(rows.len() * sample_bytes, 0);
        let refused = |(row, column), expected: &str, advice: &str| {
            let (value, row) = (x[[row, column]], rows.start + row);
            let place = format!("sample {} (`{}`), feature {}, counted from 1", row + 1, set.name(row), column + 1);
            Error::format(path, format!("expected {expected}, found {value} in {place}{advice}"))
        };
        let rounded = match dtype {
            Dtype::U8 => to_bytes(&x, &mut bytes).map_err(|at| {
                let advice = if x[at].is_finite() { "; --dtype f32 holds it" } else { "" };
                refused(at, "values from 0 to 255, which bytes hold", advice)
            })?,
            _ => {
                if let Some((at, _)) = x.indexed_iter().find(|(_, v)| !v.is_finite()) {
                    return Err(refused(at, "finite values", ", which no model takes"));
                }
                let values = bytes.as_chunks_mut::<4>().0.iter_mut().zip(&x);
                values.for_each(|(out, v)| *out = v.to_le_bytes());
                0
            }
        };
        part.journal.rounded += rounded;
        part.append(&bytes, rows.end, state)?;
        done = rows.end;
        progress(&SoFar { done, of: n, sample_bytes });
    }
    Ok(())
}

/// Rounds values to bytes. Returns the number of samples with values that are not whole, or the place of the first value that is
/// too small or too large.
fn to_bytes(x: &Array2<f32>, out: &mut [u8]) -> std::result::Result<usize, (usize, usize)> {
    let m = x.ncols();
    let rows = out.par_chunks_mut(m).zip(x.outer_iter().into_par_iter()).enumerate().map(|(row, (out, values))| {
        let mut whole = true;
        for (column, (out, v)) in out.iter_mut().zip(values).enumerate() {
            let rounded = v.round();
            if !is_byte(rounded) {
                return Err((row, column));
            }
            whole &= rounded == *v;
            *out = rounded as u8;
        }
        Ok(usize::from(!whole))
    });
    // The first failure in the order of the samples.
    rows.collect::<Vec<_>>().into_iter().sum()
}

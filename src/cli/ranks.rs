//! Commands by several processes: each reads and has rows of its own, the first one prints and writes.

use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use deepnmf::Error;
use deepnmf::data::{Dim, ImageSet, LoadOptions, Samples};
use deepnmf::ranks::{Connected, Ranks};
use deepnmf::store::{Model, Split};
use deepnmf::train::Config;
use serde_json::json;

use super::files::existing;
use super::output::{self, Output, bytes, name_of};
use super::part::Part;
use super::samples::{self, Need, Stream, hold, reading};
use super::{Failure, Result};

/// Connects to the processes that were started with this one; None where it was started alone.
pub(super) fn connect(shares: bool) -> Result<Option<Connected>> {
    let launched = deepnmf::ranks::launched();
    if launched.is_some_and(|(rank, _)| rank > 0) {
        output::mute();
    }
    if shares {
        return Ok(deepnmf::ranks::connect()?);
    }
    match launched {
        Some((_, size)) if size > 1 => Err(Error::Config(format!(
            "{size} processes were started together, which share the work of fit, transform, evaluate and bench --ranks, and of no other \
             command; start one, or set DEEPNMF_RANKS=no for each to work for itself"
        ))
        .into()),
        _ => Ok(None),
    }
}

/// [`Ranks::agreed`]; as it is for one process alone.
pub(super) fn agreed<T>(ranks: Option<Ranks>, done: Result<T>) -> Result<T> {
    let Some(ranks) = ranks else { return done };
    match done {
        Ok(done) => Ok(ranks.agreed(Ok(done))?),
        Err(Failure::Failed(e)) => Ok(ranks.agreed(Err(e))?),
        Err(other) => Err(other),
    }
}

/// What only the first of several processes does.
pub(super) fn by_first<T>(ranks: Option<Ranks>, work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    agreed(ranks, ranks.is_none_or(|ranks| ranks.is_first()).then(work).transpose())
}

/// [`existing`] data, of several processes for each of them.
pub(super) fn data(path: PathBuf, ranks: Option<Ranks>) -> Result<PathBuf> {
    if ranks.is_some() && path.as_os_str() == "-" {
        let message = "several ranks take files by name, found standard input, which one of them reads";
        return Err(Error::Config(message.into()).into());
    }
    agreed(ranks, existing(path))
}

/// A model, which has to be the same for all processes; the first one has the `coefficients` of its samples, if that is asked for.
pub(super) fn model(path: &Path, ranks: Option<Ranks>, coefficients: bool) -> Result<Model> {
    let whole = coefficients && ranks.is_none_or(|ranks| ranks.is_first());
    let model = if whole { Model::load(path) } else { Model::load_components(path) };
    let model = agreed(ranks, model.map_err(Into::into))?;
    if let Some(ranks) = ranks {
        let metadata = serde_json::to_vec(&model.metadata).map_err(|e| Error::Data(format!("a model: {e}")))?;
        ranks.same("model", format!("one whose metadata have the checksum {:08x}", crc32fast::hash(&metadata)))?;
    }
    Ok(model)
}

/// [`samples::is_of`]; of several processes the first one looks.
pub(super) fn is_of(model: &Model, x: &Samples, ranks: Option<Ranks>) -> Result<bool> {
    let found = by_first(ranks, || samples::is_of(model, x))?.unwrap_or(false);
    Ok(ranks.map_or(Ok([found]), |ranks| ranks.any([found]))?[0])
}

/// The options for reading by one of several processes, which share the memory of their machine.
pub(super) fn shared(options: LoadOptions, ranks: Option<Ranks>) -> LoadOptions {
    let share = || options.budget() / deepnmf::ranks::on_this_machine().1 as u64;
    let memory = options.memory.or_else(|| ranks.map(|_| share()));
    LoadOptions { memory, ..options }
}

/// The samples of all ranks: in their file where they lie in it by rows, so that each reads its own; else read whole.
pub(super) fn read_by_all(
    path: &Path,
    options: &LoadOptions,
    (ranks, stream): (Ranks, Stream),
    out: &Output,
) -> Result<ImageSet<Samples>> {
    let how = json!({ "reading": options, "skip_broken": options.skip_broken, "--stream": name_of(&stream) });
    ranks.same("options", how)?;
    let opened = deepnmf::data::open_by(path, options, Some(ranks));
    // By all of them in one way; of a folder each its own, or nobody any.
    let [failed, ends] = ranks.any([opened.is_err(), opened.is_err() && (stream == Stream::Yes || path.is_dir())])?;
    let set = match opened {
        Ok(set) if !failed => Ok(set),
        Err(why) if ends => Err(why.into()),
        Ok(set) if ends => Ok(set),
        _ => hold(path, options, out),
    };
    let set = agreed(Some(ranks), set)?;
    set.notes.iter().filter(|_| set.x.in_file()).for_each(|note| out.note(&format!("{}: {note}", path.display())));
    ranks.same("data", agreed(Some(ranks), ends_of(&set))?)?;
    Ok(set)
}

/// The shape of a set, its first and last sample, labels and names: other data have others, most likely.
fn ends_of(set: &ImageSet<Samples>) -> Result<String> {
    let (n, m) = set.x.size();
    let ends = set.select(&[0, n.saturating_sub(1)][..n.min(2)]).hold()?;
    let mut sum = Hasher::new();
    ends.x.iter().for_each(|v| sum.update(&v.to_le_bytes()));
    let names = checksum(&(&set.labels, &set.classes, &set.names, &set.feature_names))?;
    Ok(format!(
        "{n} samples × {m} features, the first and the last with the checksum {:08x}, labels and names with {names:08x}",
        sum.finalize()
    ))
}

fn checksum(of: &impl serde::Serialize) -> Result<u32> {
    Ok(crc32fast::hash(&serde_json::to_vec(of).map_err(|e| Error::Data(format!("labels: {e}")))?))
}

/// Refuses ranks that have other labels for the same samples, or other samples of them.
pub(super) fn same_labels(set: &ImageSet<Samples>, split: Option<&Split>, ranks: Option<Ranks>) -> Result {
    let Some(ranks) = ranks else { return Ok(()) };
    let sum = checksum(&(&set.labels, &set.classes, split.map(|split| &split.rows)))?;
    Ok(ranks.same("labels", format!("some with the checksum {sum:08x}"))?)
}

/// Of several ranks the rows of this one; else all.
pub(super) fn own(
    mut set: ImageSet<Samples>,
    config: &Config,
    (stream, need, options): (Stream, &Need<'_>, &LoadOptions),
    out: &Output,
) -> Result<(ImageSet<Samples>, Option<Part>)> {
    let Some(ranks) = config.ranks else { return Ok((set, None)) };
    let (samples, m) = set.x.size();
    let (rows, needed) = (config.own_rows(samples, m), (need.held)(samples, m));
    let mut own = set.select(&rows.clone().collect::<Vec<_>>());
    // Those of the model are of all samples.
    own.labels = set.labels.take();
    let streams = match stream {
        Stream::Yes => true,
        Stream::No => false,
        Stream::Auto => needed > options.budget(),
    };
    // All of them do, or none.
    let [streams, held] = ranks.any([streams, !set.x.in_file()])?;
    let streams = streams && !held;
    out.note(&format!(
        "{} ranks; the first one has {} of {samples} samples{}",
        ranks.size(),
        rows.len(),
        match (streams, stream) {
            (false, _) => format!(", and takes about {} of memory", bytes(needed)),
            (true, Stream::Yes) => ", which are streamed".into(),
            (true, _) => format!(
                ", which are streamed: held they take about {} of memory, with all that is needed besides; at most {}, or less on \
                 another rank (--memory, or half of what is free by the ranks of a machine)",
                bytes(needed),
                bytes(options.budget())
            ),
        }
    ));
    let part = Part { ranks, first: rows.start, samples, names: set.names };
    if streams {
        return Ok((own, Some(part)));
    }
    let mut counter = reading(out);
    let held = own.hold_with(&mut |p| counter.report(p)).map_err(Into::into);
    drop(counter);
    let (mut own, look) = agreed(Some(ranks), held)?;
    if let Some(look) = look {
        let clipped = part.joined(&look)?.note();
        clipped.iter().for_each(|note| out.note(note));
        own.notes.extend(clipped);
    }
    Ok((own.with_x(Samples::Held), Some(part)))
}

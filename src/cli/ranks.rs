//! `fit` by several processes: each reads and has rows of its own, the first one prints and writes.

use std::path::Path;

use crc32fast::Hasher;
use deepnmf::Error;
use deepnmf::data::{self, Dim, ImageSet, LoadOptions, Samples};
use deepnmf::ranks::{Connected, Ranks};
use deepnmf::train::Config;

use super::output::{self, Output, bytes};
use super::part::Part;
use super::samples::{Need, Stream, hold};
use super::{Failure, Result};

/// Connects to the processes that were started with this one; None where it was started alone.
pub(super) fn connect(fits: bool) -> Result<Option<Connected>> {
    let launched = deepnmf::ranks::launched();
    if launched.is_some_and(|(rank, _)| rank > 0) {
        output::mute();
    }
    if fits {
        return Ok(deepnmf::ranks::connect()?);
    }
    match launched {
        Some((_, size)) if size > 1 => Err(Error::Config(format!(
            "{size} processes were started together, which do fit together, and no other command; start one, or set DEEPNMF_RANKS=no \
             for each to work for itself"
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
    let opened = data::open(path, options);
    // By all of them in one way.
    let in_file = !ranks.any([opened.is_err()])?[0];
    let set = match opened {
        Ok(set) if in_file => Ok(set),
        Err(why) if stream == Stream::Yes => Err(why.into()),
        _ => hold(path, options, out),
    };
    let set = agreed(Some(ranks), set)?;
    set.notes.iter().filter(|_| set.x.in_file()).for_each(|note| out.note(&format!("{}: {note}", path.display())));
    same(ranks, "data", &agreed(Some(ranks), ends_of(&set))?)?;
    Ok(set)
}

/// The shape of a set, and its first and last sample: other data have others, most likely.
fn ends_of(set: &ImageSet<Samples>) -> Result<String> {
    let (n, m) = set.x.size();
    let ends = set.select(&[0, n.saturating_sub(1)][..n.min(2)]).hold()?;
    let mut sum = Hasher::new();
    ends.x.iter().for_each(|v| sum.update(&v.to_le_bytes()));
    Ok(format!("{n} samples × {m} features, the first and the last with the checksum {:08x}", sum.finalize()))
}

/// Refuses ranks of which one has something else than rank 0.
pub(super) fn same(ranks: Ranks, what: &str, own: &str) -> Result {
    let all = ranks.all_of(&own.to_string())?;
    match all.iter().enumerate().find(|(_, other)| **other != all[0]) {
        None => Ok(()),
        Some((rank, other)) => {
            let message = format!("ranks fit the same {what}; rank {rank}: expected {}, found {other}", all[0]);
            Err(Error::Config(message).into())
        }
    }
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
        if streams { ", which are streamed".into() } else { format!(", and takes about {} of memory", bytes(needed)) }
    ));
    let part = Some(Part { ranks, first: rows.start, samples, names: set.names });
    if streams {
        return Ok((own, part));
    }
    Ok((agreed(Some(ranks), own.hold().map_err(Into::into))?.with_x(Samples::Held), part))
}

//! `fit` by several processes: each reads and has rows of its own, the first one prints and writes.

use std::path::Path;

use deepnmf::Error;
use deepnmf::backend::Storage;
use deepnmf::data::{self, Dim, ImageSet, LoadOptions, Samples};
use deepnmf::ranks::{Connected, Ranks};
use deepnmf::train::{Config, Placed, Source};
use flate2::Crc;
use serde_json::{Value, json};

use super::Result;
use super::output::{self, Output, bytes};
use super::samples::{Stream, hold};

/// Connects to the processes that were started with this one; None where it was started alone.
pub(super) fn connect(fits: bool) -> Result<Option<Connected>> {
    let connected = deepnmf::ranks::connect()?;
    let Some(ranks) = connected.as_ref().map(|connected| connected.ranks) else { return Ok(None) };
    if !ranks.is_first() {
        output::mute();
    }
    if !fits && ranks.size() > 1 {
        let message =
            format!("expected fit, which several processes do together, found another command in {}", ranks.size());
        // To end the connection is to wait for the others.
        std::mem::forget(connected);
        return Err(Error::Config(message).into());
    }
    Ok(connected)
}

/// The samples of all ranks: in their file where they lie in it by rows, so that each reads its own; else read whole.
pub(super) fn read(path: &Path, options: &LoadOptions, ranks: Ranks, out: &Output) -> Result<ImageSet<Samples>> {
    let set = match data::open(path, options) {
        Ok(set) => set,
        Err(_) => hold(path, options, out)?,
    };
    set.notes.iter().filter(|_| set.x.in_file()).for_each(|note| out.note(&format!("{}: {note}", path.display())));
    same(&set, ranks)?;
    Ok(set)
}

/// Refuses ranks that read other data than rank 0: of another shape, or with another first or last sample.
fn same(set: &ImageSet<Samples>, ranks: Ranks) -> Result {
    let (n, m) = set.x.size();
    let ends = set.select(&[0, n.saturating_sub(1)][..n.min(2)]).hold()?;
    let mut sum = Crc::new();
    ends.x.iter().for_each(|v| sum.update(&v.to_le_bytes()));
    let own = format!("{n} samples × {m} features, the first and the last with the checksum {:08x}", sum.sum());
    let first = ranks.of_first(&own)?;
    if ranks.total(vec![f64::from(u8::from(first != own))])?[0] == 0.0 {
        return Ok(());
    }
    let what = if first == own {
        "the data of another rank are not these".into()
    } else {
        format!("expected {first}, found {own}")
    };
    Err(Error::Data(format!("ranks read the same data; {what}")).into())
}

/// Of several ranks the rows of this one; else all.
pub(super) fn own(
    set: ImageSet<Samples>,
    config: &Config,
    (stream, needed, options): (Stream, u64, &LoadOptions),
    out: &Output,
) -> Result<(ImageSet<Samples>, Option<Part>)> {
    let Some(ranks) = config.ranks else { return Ok((set, None)) };
    let (_, processes) = deepnmf::ranks::on_this_machine();
    let budget = options.budget() / if options.memory.is_some() { 1 } else { processes as u64 };
    let (samples, m) = set.x.size();
    let rows = config.own_rows(samples, m);
    let mut own = set.select(&rows.clone().collect::<Vec<_>>());
    // Those of the model are of all samples.
    own.labels.clone_from(&set.labels);
    let streams = match stream {
        Stream::Yes => true,
        Stream::No => false,
        Stream::Auto => needed > budget,
    };
    // All of them do, or none.
    let streams = set.x.in_file() && ranks.total(vec![f64::from(u8::from(streams))])?[0] > 0.0;
    out.note(&format!(
        "{} ranks; the first one has {} of {samples} samples{}, and takes about {} of memory",
        ranks.size(),
        rows.len(),
        if streams { ", which are streamed" } else { "" },
        bytes(needed)
    ));
    let part = Some(Part { ranks, first: rows.start, samples });
    if streams {
        return Ok((own, part));
    }
    Ok((own.hold()?.with_x(Samples::Held), part))
}

/// The samples of this process among those of all of them.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) ranks: Ranks,
    first: usize,
    pub(super) samples: usize,
}

impl Part {
    /// A source of these samples, as one of all of them.
    pub(super) fn placed(self, source: Box<dyn Source<f32>>) -> Box<dyn Source<f32>> {
        Box::new(Placed { source, first: self.first, samples: self.samples })
    }

    /// How samples are stored on all devices: as bytes where all can be.
    pub(super) fn storage(self, own: Storage) -> Result<Storage> {
        let others = self.ranks.total(vec![f64::from(u8::from(own != Storage::U8))])?[0];
        Ok(if own == Storage::U8 && others > 0.0 { Storage::F32 } else { own })
    }

    /// What was exchanged, for `--json`: bytes that all ranks sent, and seconds in which they exchanged or waited for it.
    pub(super) fn exchanged(self) -> Result<Value> {
        let (ranks, traffic) = (self.ranks, self.ranks.traffic());
        let sums = ranks.total(vec![traffic.sent as f64, traffic.seconds])?;
        let most = ranks.largest(vec![traffic.seconds, -traffic.seconds])?;
        Ok(json!({
            "size": ranks.size(),
            "bytes": sums[0] as u64,
            "seconds": { "root": traffic.seconds, "least": -most[1], "mean": sums[1] / ranks.size() as f64, "most": most[0] },
        }))
    }
}

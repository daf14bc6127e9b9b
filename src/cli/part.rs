//! The samples that one of several processes has.

use deepnmf::backend::Storage;
use deepnmf::data::{Checked, ImageSet, Samples};
use deepnmf::ranks::Ranks;
use deepnmf::train::{Placed, Source};
use serde_json::{Value, json};

use super::Result;

/// The samples of this process among those of all of them.
pub(super) struct Part {
    pub(super) ranks: Ranks,
    pub(super) first: usize,
    /// How many all have.
    pub(super) samples: usize,
    /// What they are called; empty where they have no names.
    pub(super) names: Vec<String>,
}

impl Part {
    /// A source of these samples, as one of all of them.
    pub(super) fn placed(&self, source: Box<dyn Source<f32>>) -> Box<dyn Source<f32>> {
        Box::new(Placed { source, first: self.first, samples: self.samples })
    }

    /// What a sample of any rank is called.
    pub(super) fn name(&self, row: usize) -> Option<String> {
        self.names.get(row).cloned()
    }

    /// [`ImageSet::validate`] of the samples of all ranks.
    pub(super) fn validate(&self, set: &mut ImageSet<Samples>, signed: bool, source: &str) -> Result<Checked> {
        let own = self.ranks.agreed(set.look())?;
        let all = self.ranks.all_of(&own)?.into_iter().reduce(|mut all, next| {
            all.join(next);
            all
        });
        let look = all.unwrap_or_default();
        let note = look.note();
        let checked = look.checked(signed, |row| self.name(row), &set.feature_names, source)?;
        set.notes.extend(note);
        Ok(checked)
    }

    /// How samples are stored on all devices: as bytes where all can be.
    pub(super) fn storage(&self, own: Storage) -> Result<Storage> {
        let [others] = self.ranks.any([own != Storage::U8])?;
        Ok(if own == Storage::U8 && others { Storage::F32 } else { own })
    }

    /// What was exchanged, for `--json`: bytes that all ranks sent, and seconds in which they exchanged or waited for it.
    pub(super) fn exchanged(&self) -> Result<Value> {
        let all = self.ranks.all_of(&self.ranks.traffic())?;
        let seconds = || all.iter().map(|traffic| traffic.seconds);
        Ok(json!({
            "size": all.len(),
            "bytes": all.iter().map(|traffic| traffic.sent).sum::<u64>(),
            "seconds": {
                "root": all[0].seconds,
                "least": seconds().fold(f64::INFINITY, f64::min),
                "mean": seconds().sum::<f64>() / all.len() as f64,
                "most": seconds().fold(0.0, f64::max),
            },
        }))
    }
}

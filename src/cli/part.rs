//! The samples that one of several processes has.

use deepnmf::backend::Storage;
use deepnmf::data::{Checked, ImageSet, Look, Samples};
use deepnmf::ranks::{Ranks, Traffic};
use deepnmf::train::{Placed, Source};
use serde_json::{Map, Value, json};

use super::Result;

/// What of a rank is counted.
type Seconds<'a> = &'a dyn Fn(&Traffic) -> f64;

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

    /// A look at the samples of all ranks.
    pub(super) fn joined(&self, own: &Look) -> Result<Look> {
        let all = self.ranks.all_of(own)?.into_iter().reduce(|mut all, next| {
            all.join(next);
            all
        });
        Ok(all.unwrap_or_default())
    }

    /// [`ImageSet::validate`] of the samples of all ranks.
    pub(super) fn validate(&self, set: &mut ImageSet<Samples>, signed: bool, source: &str) -> Result<Checked> {
        let look = self.joined(&self.ranks.agreed(set.look())?)?;
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

    /// What was exchanged in a fit, and what its `seconds` went into on the ranks, for `--json`; `own` is what it was here.
    pub(super) fn exchanged(&self, own: &Traffic, seconds: f64) -> Result<Value> {
        let all = self.ranks.all_of(own)?;
        let counted = |of: &Traffic| of.reading + of.solving + of.exchanging + of.waiting;
        let phases: [(&str, Seconds<'_>); 5] = [
            ("reading", &|of| of.reading),
            ("products", &|of| (seconds - counted(of)).max(0.0)),
            ("solving", &|of| of.solving),
            ("exchanging", &|of| of.exchanging),
            ("waiting", &|of| of.waiting),
        ];
        let statistics = |of: Seconds<'_>| {
            let each = || all.iter().map(of);
            json!({
                "root": of(&all[0]),
                "min": each().fold(f64::INFINITY, f64::min),
                "mean": each().sum::<f64>() / all.len() as f64,
                "max": each().fold(0.0, f64::max),
            })
        };
        let bytes = all.iter().map(|of| of.sent).sum::<u64>();
        let seconds: Map<_, _> = phases.iter().map(|(name, of)| ((*name).to_string(), statistics(of))).collect();
        Ok(json!({ "size": all.len(), "bytes": bytes, "seconds": seconds }))
    }
}

/// Of the time that [`Part::exchanged`] says, the share of exchanging and waiting.
pub(super) fn share(exchanged: &Value) -> f64 {
    let mean = |(_, of): (&String, &Value)| of["mean"].as_f64().unwrap_or_default();
    let phases = || exchanged["seconds"].as_object().into_iter().flatten();
    let ours: f64 = phases().filter(|(name, _)| matches!(&***name, "exchanging" | "waiting")).map(mean).sum();
    ours / phases().map(mean).sum::<f64>()
}

/// What [`Part::exchanged`] says, a line for every phase.
pub(super) fn phases(exchanged: &Value) -> Vec<String> {
    let seconds = exchanged["seconds"].as_object().into_iter().flatten();
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap_or(f64::NAN);
    let line = |(name, of): (&String, &Value)| {
        let columns = ["root", "min", "mean", "max"].map(|column| format!("{:>10.3}", number(of, column)));
        format!("{name:<12}{}", columns.concat())
    };
    let title = format!("{:<12}{:>10}{:>10}{:>10}{:>10}", "seconds", "root", "min", "mean", "max");
    std::iter::once(title).chain(seconds.map(line)).collect()
}

//! What a checkpoint is of: the data and the settings of a fit.

use crate::backend::Element;
use crate::train::Config;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What a fit is of. Two that differ in it cannot go on from each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::train) struct Identity {
    version: String,
    samples: usize,
    features: usize,
    /// Of all samples.
    checksum: u32,
    bits: usize,
    settings: Map<String, Value>,
}

impl Identity {
    /// Of samples of that shape and checksum.
    pub(in crate::train) fn of<E: Element>(
        ((samples, features), checksum): ((usize, usize), u32),
        config: &Config,
        settings: &Map<String, Value>,
    ) -> Result<Self> {
        let fine_tunes = config.fine_tunes();
        // Sums over other shards are rounded otherwise.
        let block = config.ranks.map(|_| config.block_rows((samples, features)));
        let config = serde_json::to_value(config).map_err(|e| Error::Data(format!("a checkpoint: {e}")))?;
        let mut all = config.as_object().cloned().unwrap_or_default();
        // Where it ends makes no difference to what was made before.
        all.remove("sweeps");
        all.insert("fine_tuning".into(), fine_tunes.into());
        all.extend(block.map(|rows| ("rows_of_a_shard_of_ranks".into(), rows.into())));
        all.extend(settings.clone());
        let version = env!("CARGO_PKG_VERSION").into();
        Ok(Self { version, samples, features, checksum, bits: 8 * size_of::<E>(), settings: all })
    }

    /// What is not the same, for people.
    pub(in crate::train) fn differences(&self, found: &Self) -> Vec<String> {
        let mut all = Vec::new();
        let mut compare = |what: &str, expected: String, found: String| {
            if expected != found {
                all.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        compare("version of deepnmf", self.version.clone(), found.version.clone());
        compare("bits of a number", self.bits.to_string(), found.bits.to_string());
        let shape = |of: &Self| format!("{} × {}", of.samples, of.features);
        compare("samples × features", shape(self), shape(found));
        if shape(self) == shape(found) {
            compare("checksum of samples", format!("{:08x}", self.checksum), format!("{:08x}", found.checksum));
        }
        let names: BTreeSet<_> = self.settings.keys().chain(found.settings.keys()).collect();
        for name in names {
            let text = |of: &Self| of.settings.get(name).map_or("none".into(), Value::to_string);
            compare(&name.replace('_', " "), text(self), text(found));
        }
        all
    }
}

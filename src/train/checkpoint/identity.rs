//! What a checkpoint is of: the data and the settings of a fit.

use crate::backend::Element;
use crate::train::Config;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The setting that only a fit by ranks has.
const SHARD: &str = "rows_of_a_shard_of_ranks";

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
        all.extend(block.map(|rows| (SHARD.into(), rows.into())));
        all.extend(settings.clone());
        let version = env!("CARGO_PKG_VERSION").into();
        Ok(Self { version, samples, features, checksum, bits: 8 * size_of::<E>(), settings: all })
    }

    /// What is not the same, for people.
    pub(in crate::train) fn differences(&self, found: &Self) -> Vec<String> {
        let compare = |what: &str, expected: String, found: String| {
            (expected != found).then(|| format!("{what}: expected {expected}, found {found}"))
        };
        let mut all = Vec::new();
        all.extend(compare("version of deepnmf", self.version.clone(), found.version.clone()));
        all.extend(compare("bits of a number", self.bits.to_string(), found.bits.to_string()));
        let shape = |of: &Self| format!("{} × {}", of.samples, of.features);
        let sums = (format!("{:08x}", self.checksum), format!("{:08x}", found.checksum));
        all.extend(
            compare("samples × features", shape(self), shape(found))
                .or_else(|| compare("checksum of samples", sums.0, sums.1)),
        );
        let names: BTreeSet<_> = self.settings.keys().chain(found.settings.keys()).collect();
        all.extend(names.into_iter().filter_map(|name| {
            let setting = |of: &Self| of.settings.get(name).map(Value::to_string);
            match (setting(self), setting(found)) {
                (Some(_), None) if name == SHARD => Some(
                    "it was made by ranks, found a process that is none: start it with mpirun or srun, or one process with \
                     DEEPNMF_RANKS=yes"
                        .into(),
                ),
                (None, Some(_)) if name == SHARD => {
                    Some("it was made by one process that is no rank, found ranks: start one, with DEEPNMF_RANKS=no".into())
                }
                (expected, found) => {
                    let text = |setting: Option<String>| setting.unwrap_or("none".into());
                    compare(&name.replace('_', " "), text(expected), text(found))
                }
            }
        }));
        all
    }
}

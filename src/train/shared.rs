//! What several ranks share of a fit.

use super::Config;
use super::checkpoint::device_of;
use crate::backend::Backend;
use crate::model::Method;
use crate::ranks::Ranks;
use crate::{Error, Result};
use std::ops::Range;

impl Config {
    /// The samples of n of m features that this rank has; a fit asks its source for no others. All of them without ranks.
    pub fn own_rows(&self, n: usize, m: usize) -> Range<usize> {
        self.ranks.map_or(0..n, |ranks| ranks.rows((n, self.block_rows((n, m))), ranks.rank()))
    }

    /// The rows of the shards that ranks share.
    pub(crate) fn block_rows(&self, of: (usize, usize)) -> usize {
        self.shard_rows(Ranks::shard_rows(of))
    }

    /// [`Ranks::agreed`]; as it is without ranks.
    pub(super) fn agreed<T>(&self, done: Result<T>) -> Result<T> {
        match self.ranks {
            None => done,
            Some(ranks) => ranks.agreed(done),
        }
    }

    /// Refuses what several ranks cannot fit.
    pub(super) fn validate_ranks(&self) -> Result<()> {
        if self.ranks.is_none() {
            return Ok(());
        }
        let other =
            || (self.model.method != Method::Blocks).then(|| format!("{} is not made of blocks", self.model.name));
        let online = || self.online.map(|_| "online training goes from sample to sample".to_string());
        match self.coupled().or_else(other).or_else(online) {
            None => Ok(()),
            Some(why) => Err(Error::Config(format!(
                "{why}: several ranks cannot fit it together; run it alone, without mpirun or srun, or with DEEPNMF_RANKS=no"
            ))),
        }
    }
}

/// What has to be the same of the machines of all ranks: the kind of device, and the instructions, of which others round otherwise.
pub(super) fn machine<B: Backend>(b: &B) -> String {
    let instructions = format!("{:?}", pulp::Arch::new());
    let kind = instructions.split('(').next().unwrap_or_default();
    format!("{}, instructions {kind}", device_of(&b.device_name()).replace(['(', ')'], ""))
}

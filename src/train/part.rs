//! Pre-training on a part of the samples: layers below the last one have an H as large as X or larger, which fine-tuning has no
//! use for.

use super::cut::Cut;
use super::layers::{Pretrained, pretrain_layers, psi};
use super::project::{Projection, project};
use super::samples::{Samples, Shards, Streamed, hold, totals};
use super::source::{Placed, Source};
use super::watch::Watch;
use super::{Config, PenaltyScale, Seconds, Unit};
use crate::backend::{Backend, Element, Rows, SHARD_BYTES, rows_of_bytes};
use crate::ranks::Ranks;
use crate::{Error, Result};
use ndarray::{Array2, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::time::Instant;

/// What was pre-trained on a part.
pub(super) struct Part<B: Backend> {
    /// Its H is that of the part.
    trained: Pretrained<B>,
    /// ‖X‖² of the part.
    xx: f64,
}

impl<B: Backend> Part<B> {
    /// Pre-trains on so many samples of `source`, which are held for that time.
    pub(super) fn pretrain(
        b: &mut B,
        (source, unit): (&mut dyn Source<B::Elem>, Unit),
        samples: usize,
        config: &Config,
        seconds: &mut Seconds,
        watch: &mut Watch<'_>,
    ) -> Result<Self> {
        let m = source.shape().1;
        let rows = b.shard_rows(m);
        let cut = match config.ranks {
            Some(_) => Cut::of_fit(b, config, (samples, m)),
            None => Cut::new(samples, config.max_shard_rows.map_or(rows, |most| most.min(rows))),
        };
        let (mut held, mut streamed, mut part);
        // Any rows are as good for a device that counts.
        let (x, storage): (&mut dyn Shards<B>, _) = if let Some(ranks) = config.ranks {
            let own = exchanged(&mut Selection::draw(source, samples, config.seed), (ranks, config), cut)?;
            let mut own = Placed { source: Box::new(Rows::from(own)), first: cut.own().start, samples };
            let storage;
            (held, storage) = hold(b, &mut own, unit, config.x_storage, cut)?;
            (&mut held, storage)
        } else if config.max_shard_rows.is_some() {
            part = b.by_host(
                &mut *source,
                |_, source| {
                    let part = Selection::draw(source, samples, config.seed).rows(0..samples)?.into_shared();
                    Ok(Some(Rows::from(part)))
                },
                |_, _| Ok(None),
            )?;
            let source: &mut dyn Source<B::Elem> = part.as_mut().map_or(source, |part| part);
            let storage = config.x_storage.of_stream();
            streamed = Streamed::new(source, unit, storage, cut);
            (&mut streamed, storage)
        } else {
            let storage;
            (held, storage) = b.by_host(
                source,
                |b, source| hold(b, &mut Selection::draw(source, samples, config.seed), unit, config.x_storage, cut),
                |b, source| hold(b, source, unit, config.x_storage, cut),
            )?;
            (&mut held, storage)
        };
        let sums = totals(b, x)?;
        if sums.1 == 0.0 {
            return Err(Error::Data(format!(
                "the {samples} samples that the pre-training drew are all zero; take more (--pretrain-samples) or another --seed"
            )));
        }
        let config = &Config { hidden: false, ..config.clone() };
        let trained = pretrain_layers(b, (x, sums, storage), config, None, seconds, watch)?;
        Ok(Self { trained, xx: sums.1 })
    }

    /// The same with the H_L of all samples `x` under these W (online 0, and solved for when it is met), and penalties that weigh as much against their `xx = ‖X‖²`.
    pub(super) fn project(
        self,
        b: &mut B,
        (x, xx): (&mut dyn Shards<B>, f64),
        config: &Config,
        seconds: &mut Seconds,
        watch: &mut Watch<'_>,
    ) -> Result<Pretrained<B>> {
        let clock = Instant::now();
        let mut trained = self.trained;
        if config.penalty_scale == PenaltyScale::ScaleFree {
            // Those of H are sums over the samples as ‖X‖² is.
            trained.course.penalties.mu.iter_mut().for_each(|mu| *mu *= xx / self.xx);
        }
        let depth = trained.w.len();
        let psi = psi(b, &trained.w, depth)?;
        trained.last = Samples::zeros_in(b, x.cut(), b.shape(&psi).1, config.scratch.as_deref())?;
        let how = Projection {
            h_penalty: config.model.h_penalty,
            lambda: trained.course.penalties.lambda[depth - 1],
            signed: config.model.signed,
            // The fine-tuning goes on from there.
            exact: !config.fine_tunes(),
            ..Projection::default()
        };
        if config.online.is_none() {
            project(b, x, &psi, &mut trained.last, &how, watch)?;
        }
        seconds.pretrain += clock.elapsed().as_secs_f64();
        Ok(trained)
    }
}

/// The rows of a part that this rank has, from the ranks that have them: ranks share the part as they share all samples.
fn exchanged<E: Element>(
    part: &mut Selection<'_, E>,
    (ranks, config): (Ranks, &Config),
    cut: Cut,
) -> Result<Array2<E>> {
    let (n, m) = part.source.shape();
    let block = config.block_rows((n, m));
    let own = cut.own();
    let mut all = Array2::zeros((own.len(), m));
    for from in 0..ranks.size() {
        let held = ranks.rows((n, block), from);
        let before = |row: usize| part.rows.partition_point(|&chosen| chosen < row);
        let (first, end) = (before(held.start), before(held.end));
        for to in 0..ranks.size() {
            let wanted = cut.rows_of(ranks, to);
            let rows = first.max(wanted.start)..end.min(wanted.end);
            if rows.is_empty() || ![from, to].contains(&ranks.rank()) {
                continue;
            }
            if from == ranks.rank() {
                let picked = part.rows(rows.clone())?;
                match to == from {
                    true => all.slice_mut(s![rows.start - own.start..rows.end - own.start, ..]).assign(&picked.view()),
                    false => ranks.send_rows(to, picked.view())?,
                }
            } else {
                ranks.receive_rows(from, all.slice_mut(s![rows.start - own.start..rows.end - own.start, ..]))?;
            }
        }
    }
    Ok(all)
}

/// Some rows of another source, in their order.
struct Selection<'a, E> {
    source: &'a mut dyn Source<E>,
    rows: Vec<usize>,
}

impl<'a, E> Selection<'a, E> {
    /// So many rows, any as likely as any other: Knuth, *The Art of Computer Programming* 2, 3.4.2, algorithm S.
    fn draw(source: &'a mut dyn Source<E>, samples: usize, seed: u64) -> Self {
        let n = source.shape().0;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Another one than that of the first layer's start.
        rng.set_stream(1);
        let mut rows = Vec::with_capacity(samples);
        for row in 0..n {
            let (left, wanted) = ((n - row) as u128, samples.saturating_sub(rows.len()) as u128);
            if (u128::from(rng.next_u64()) * left) >> 64 < wanted {
                rows.push(row);
            }
        }
        Self { source, rows }
    }
}

impl<E: Element> Source<E> for Selection<'_, E> {
    fn shape(&self) -> (usize, usize) {
        (self.rows.len(), self.source.shape().1)
    }

    /// Reads what lies between them as well, a block at a time.
    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, E>> {
        let m = self.source.shape().1;
        let (mut picked, block) = (Array2::zeros((rows.len(), m)), rows_of_bytes::<E>(SHARD_BYTES, m));
        let (mut chosen, mut done) = (&self.rows[rows], 0);
        while let Some(&first) = chosen.first() {
            let (now, later) = chosen.split_at(chosen.partition_point(|&row| row - first < block));
            let expected = (now[now.len() - 1] - first + 1, m);
            let read = self.source.rows(first..first + expected.0)?;
            if read.dim() != expected {
                return Err(Error::shape("samples that were read", expected, read.dim()));
            }
            let mut to = picked.slice_mut(s![done..done + now.len(), ..]);
            to.rows_mut().into_iter().zip(now).for_each(|(mut to, &row)| to.assign(&read.view().row(row - first)));
            (chosen, done) = (later, done + now.len());
        }
        Ok(picked.into())
    }
}

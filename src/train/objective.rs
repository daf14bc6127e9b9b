//! The objective from sums that stay on the device, and the loop that watches it.
//!
//! With the products that the blocks need anyway,
//!
//! ```text
//! f = ½(‖X‖² − 2⟨B, F⟩ + ⟨G, S⟩) + ½ Σ_l mu_l ‖s_l‖² + ½ lambda pen(S)
//! pen(S) = Σ_ij S_ij (squared L1)  or  tr S (ridge),   S = HᵀH
//! ```

use super::checkpoint::{LoopState, is_kept};
use super::history::Stage;
use super::partials::Partials;
use super::samples::{Samples, Shards};
use super::settings::ElasticNet;
use super::watch::Watch;
use crate::backend::{
    Backend, ColumnSums, Combination, Course, Element, Standing, StopCheck, Stopping, Sum, VERDICT, Write,
};
use crate::model::HPenalty;
use crate::{Error, Result};
use ndarray::Array2;

const CROSS: usize = 0;
pub(super) const QUADRATIC: usize = 1;
/// From here on: ‖s_1‖² … ‖s_L‖², pen(S).
pub(crate) const PENALTIES: usize = 2;

/// The sums of which the objective is made, for as many iterations as lie between two looks, and the verdict on them.
pub(crate) struct Objective<B: Backend> {
    pub(super) scalars: B::Scalars,
    /// The slot of the verdict.
    verdict: usize,
    mu: Vec<f64>,
    lambda: f64,
    kind: HPenalty,
    /// Penalties per entry of W and H, but for the squares of H.
    entries: Option<ElasticNet>,
    /// ‖X‖².
    xx: f64,
    sums: Vec<B::Matrix>,
    weights: B::Matrix,
    /// f = ½‖X‖² + ⟨combination, sums of an iteration⟩.
    combination: B::Matrix,
    balance: B::Matrix,
}

impl<B: Backend> Objective<B> {
    /// For factors W with the column penalties `mu` on W of `ranks` columns.
    pub(crate) fn new(b: &mut B, xx: f64, mu: &[f64], ranks: &[usize], kind: HPenalty, lambda: f64) -> Result<Self> {
        let weights: Vec<B::Elem> = mu.iter().chain([&lambda]).map(|&v| B::Elem::of(v)).collect();
        let weights = Array2::from_shape_fn((1, weights.len()), |(_, j)| weights[j]);
        let half = B::Elem::of(0.5);
        let mut combination = Array2::from_elem((1, PENALTIES + weights.len()), half);
        combination[[0, CROSS]] = B::Elem::of(-1.0);
        for (c, w) in combination.iter_mut().skip(PENALTIES).zip(&weights) {
            *c = half * *w;
        }
        Ok(Self {
            scalars: b.scalars(b.cadence().every.max(1) * (PENALTIES + mu.len() + 1) + VERDICT)?,
            verdict: b.cadence().every.max(1) * (PENALTIES + mu.len() + 1),
            mu: mu.to_vec(),
            lambda,
            kind,
            entries: None,
            xx,
            sums: ranks.iter().map(|&k| b.zeros(1, k)).collect::<Result<_>>()?,
            weights: b.upload(weights.view())?,
            combination: b.upload(combination.view())?,
            balance: b.zeros(1, mu.len() + 1)?,
        })
    }

    /// Besides, penalties per entry of W and H; the squares of H are [`HPenalty::Ridge`] already.
    pub(crate) fn penalise_entries(&mut self, b: &mut B, net: ElasticNet) -> Result<()> {
        if net.is_none() {
            return Ok(());
        }
        self.entries = Some(net);
        let mut weights = b.download(&self.combination)?.into_raw_vec_and_offset().0;
        weights.extend([net.w.l1, 0.5 * net.w.l2, net.h.l1].map(B::Elem::of));
        let weights = Array2::from_shape_fn((1, weights.len()), |(_, j)| weights[j]);
        self.combination = b.upload(weights.view())?;
        self.verdict = b.cadence().every.max(1) * self.len();
        self.scalars = b.scalars(self.verdict + VERDICT)?;
        Ok(())
    }

    fn len(&self) -> usize {
        PENALTIES + self.mu.len() + 1 + if self.entries.is_some() { 3 } else { 0 }
    }

    fn slot(&self, turn: usize, term: usize) -> usize {
        turn * self.len() + term
    }

    /// ⟨B, F⟩ and ⟨G, S⟩.
    pub(crate) fn record_fit(
        &mut self,
        b: &mut B,
        turn: usize,
        cross: (&B::Matrix, &B::Matrix),
        quadratic: (&B::Matrix, &B::Matrix),
    ) -> Result<()> {
        self.record_cross(b, turn, Write::Replace, cross)?;
        self.record_quadratic(b, turn, quadratic.0, quadratic.1)
    }

    /// ‖s_l‖² of every W that is penalised, and pen(S).
    pub(crate) fn record_penalties<'m>(
        &mut self,
        b: &mut B,
        turn: usize,
        w: impl IntoIterator<Item = &'m B::Matrix>,
        s: &B::Matrix,
    ) -> Result<()>
    where
        B::Matrix: 'm,
    {
        for (l, w) in w.into_iter().enumerate() {
            if self.mu[l] > 0.0 {
                let slot = self.slot(turn, PENALTIES + l);
                b.column_sums(w, ColumnSums::Sum, Write::Replace, &mut self.sums[l])?;
                b.sum(Sum::Dot(&self.sums[l], &self.sums[l]), &mut self.scalars, slot)?;
            }
        }
        if self.lambda > 0.0 {
            let slot = self.slot(turn, PENALTIES + self.mu.len());
            let what = match self.kind {
                HPenalty::SquaredL1 => Sum::Entries(s),
                HPenalty::Ridge => Sum::Trace(s),
            };
            b.sum(what, &mut self.scalars, slot)?;
        }
        Ok(())
    }

    /// ΣW and ‖W‖², where entries are penalised.
    pub(crate) fn record_entries_of_w(&mut self, b: &mut B, turn: usize, w: &B::Matrix) -> Result<()> {
        if self.entries.is_none() {
            return Ok(());
        }
        let slot = self.slot(turn, PENALTIES + self.mu.len() + 1);
        b.sum(Sum::Entries(w), &mut self.scalars, slot)?;
        b.sum(Sum::Dot(w, w), &mut self.scalars, slot + 1)
    }

    /// ΣH of a shard, beside that of those before it, where entries are penalised.
    pub(crate) fn record_entries_of_h(&mut self, b: &mut B, turn: usize, write: Write, h: &B::Matrix) -> Result<()> {
        if self.entries.is_none() {
            return Ok(());
        }
        let slot = self.slot(turn, PENALTIES + self.mu.len() + 3);
        b.reduce(Sum::Entries(h), write, &mut self.scalars, slot)
    }

    /// The slot of ΣH, where there is one.
    pub(crate) fn slots_of_entries(&self, turn: usize) -> Vec<usize> {
        self.entries.iter().map(|_| self.slot(turn, PENALTIES + self.mu.len() + 3)).collect()
    }

    /// The slot of ⟨B, F⟩.
    pub(crate) fn slot_of_cross(&self, turn: usize) -> usize {
        self.slot(turn, CROSS)
    }

    /// Both, of these factors.
    pub(crate) fn record_entries(&mut self, b: &mut B, turn: usize, w: &B::Matrix, h: &mut Samples<B>) -> Result<()> {
        self.record_entries_of_w(b, turn, w)?;
        let (mut all, slots) = (Partials::new(h.cut()), self.slots_of_entries(turn));
        h.pass(b, &mut |b, s, h| {
            self.record_entries_of_h(b, turn, s.write, h)?;
            all.add(b, s, &[], Some((&self.scalars, &slots)))
        })?;
        all.finish(b, &mut [], Some((&mut self.scalars, &slots)))
    }

    /// A penalty `½ lambda ⟨p, q⟩` instead of that on H, which has its place.
    pub(crate) fn record_product_penalty(
        &mut self,
        b: &mut B,
        turn: usize,
        p: &B::Matrix,
        q: &B::Matrix,
    ) -> Result<()> {
        let slot = self.slot(turn, PENALTIES + self.mu.len());
        b.sum(Sum::Dot(p, q), &mut self.scalars, slot)
    }

    /// The factors that make all penalties equal, `1 × (L + 1)`, from the penalties as recorded.
    pub(crate) fn equalize(&mut self, b: &mut B, turn: usize) -> Result<&B::Matrix> {
        let first = self.slot(turn, PENALTIES);
        b.equalize(&self.weights, &self.scalars, first, &mut self.balance)?;
        Ok(&self.balance)
    }

    /// Whether the iteration whose sums are recorded is accepted; see [`Backend::judge`].
    pub(crate) fn judge(&self, b: &mut B, turn: usize, first: bool, state: &mut B::Matrix) -> Result<()> {
        let (weights, sums, first_slot) = (&self.combination, &self.scalars, self.slot(turn, 0));
        let f = Combination { weights, sums, first: first_slot, constant: 0.5 * self.xx };
        b.judge(f, first, state)
    }

    /// Whether the loop ends with the iteration whose sums are recorded, the first one from `start`; see
    /// [`Backend::check_stop`].
    pub(super) fn check_stop(&mut self, b: &mut B, turn: usize, start: Option<Standing>, stop: Stopping) -> Result<()> {
        let (first, verdict, constant) = (self.slot(turn, 0), self.verdict, 0.5 * self.xx);
        let (weights, sums) = (&self.combination, &mut self.scalars);
        b.check_stop(StopCheck { weights, sums, first, constant, start, stop, verdict })
    }

    /// Takes what came of some iterations.
    pub(super) fn look(
        &self,
        b: &mut B,
        (turns, pending): (usize, B::Pending),
        ((stage, max), stop): ((Stage, usize), Stopping),
        here: &mut LoopState,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let sums = b.finish_read(pending)?;
        let mut made = max;
        if let (true, Some(verdict)) = (stop.is_any(), sums[self.verdict..].first_chunk()) {
            let standing = b.standing(0.5 * self.xx, verdict);
            made = standing.made;
            (here.before, here.small) = (Some(standing.before).filter(|f| f.is_finite()), standing.small);
            here.over = verdict[1] > 0.0;
        }
        for sums in sums.chunks(self.len()).take(turns) {
            let done = here.history.len();
            if done > made {
                break;
            }
            let (f, error) = self.value(sums);
            if !f.is_finite() {
                return Err(Error::Diverged { stage: stage.to_string(), iterations: done, objective: f });
            }
            if stop.course == Course::Plain || f <= here.least.0 || done == 1 {
                here.least = (f, Some(error).filter(|e| e.is_finite()));
            }
            here.last = f;
            here.history.push(here.least.0);
            watch.report(&here.progress((stage, max)));
        }
        if !is_kept(stage) {
            watch.check()?;
        }
        Ok(())
    }

    /// ⟨B, F⟩ of a shard, beside ⟨B, F⟩ of those before it.
    pub(crate) fn record_cross(
        &mut self,
        b: &mut B,
        turn: usize,
        write: Write,
        cross: (&B::Matrix, &B::Matrix),
    ) -> Result<()> {
        let slot = self.slot(turn, CROSS);
        b.reduce(Sum::Dot(cross.0, cross.1), write, &mut self.scalars, slot)
    }

    /// ⟨G, S⟩.
    pub(crate) fn record_quadratic(&mut self, b: &mut B, turn: usize, gram: &B::Matrix, s: &B::Matrix) -> Result<()> {
        self.record_quadratic_of(b, turn, Write::Replace, (gram, s))
    }

    /// ⟨G, S⟩ of a shard, which has a G of its own, beside that of those before it.
    pub(crate) fn record_quadratic_of(
        &mut self,
        b: &mut B,
        turn: usize,
        write: Write,
        (gram, s): (&B::Matrix, &B::Matrix),
    ) -> Result<()> {
        let slot = self.slot(turn, QUADRATIC);
        b.reduce(Sum::Dot(gram, s), write, &mut self.scalars, slot)
    }

    /// The residual itself of a shard, beside that of those before it, for [`Objective::of_residual`].
    pub(crate) fn record_residual(
        &mut self,
        b: &mut B,
        write: Write,
        x: &B::Matrix,
        h: &B::Matrix,
        psi: &B::Matrix,
    ) -> Result<()> {
        b.residual(x, h, psi, write, &mut self.scalars, QUADRATIC)
    }

    /// [`Objective::of_residual`] for these factors: a pass over x.
    pub(crate) fn exact(
        &mut self,
        b: &mut B,
        x: &mut dyn Shards<B>,
        h: &mut Samples<B>,
        psi: &B::Matrix,
    ) -> Result<(f64, f64)> {
        let mut all = Partials::new(x.cut());
        x.pass(b, &mut |b, s, x| {
            let h = h.look(b, s.index)?;
            self.record_residual(b, s.write, x, h, psi)?;
            all.add(b, s, &[], Some((&self.scalars, &[QUADRATIC])))
        })?;
        all.finish(b, &mut [], Some((&mut self.scalars, &[QUADRATIC])))?;
        self.of_residual(b)
    }

    /// [`Objective::exact`] for samples in one matrix.
    pub(crate) fn exact_whole(
        &mut self,
        b: &mut B,
        x: &B::Matrix,
        h: &B::Matrix,
        psi: &B::Matrix,
    ) -> Result<(f64, f64)> {
        self.record_residual(b, Write::Replace, x, h, psi)?;
        self.of_residual(b)
    }

    /// `(f, relative error)` of turn 0 by the residuals that are recorded, instead of ⟨B, F⟩ and ⟨G, S⟩. Waits.
    pub(crate) fn of_residual(&mut self, b: &mut B) -> Result<(f64, f64)> {
        let sums = b.read(&self.scalars)?;
        Ok(self.exact_value(&sums))
    }

    /// The same for an H of zeros. Waits.
    pub(crate) fn of_no_h(&self, b: &mut B) -> Result<(f64, f64)> {
        let mut sums = b.read(&self.scalars)?;
        sums[QUADRATIC] = self.xx;
        Ok(self.exact_value(&sums))
    }

    /// The same of sums that are read.
    fn exact_value(&self, sums: &[f64]) -> (f64, f64) {
        (0.5 * sums[QUADRATIC] + self.penalty(sums), (sums[QUADRATIC] / self.xx).sqrt())
    }

    fn penalty(&self, sums: &[f64]) -> f64 {
        let mut f = 0.5 * self.lambda * sums[PENALTIES + self.mu.len()];
        for (mu, s) in self.mu.iter().zip(&sums[PENALTIES..]) {
            f += 0.5 * mu * s;
        }
        if let (Some(ElasticNet { w, h }), [sum_w, squares_w, sum_h, ..]) =
            (self.entries, &sums[PENALTIES + self.mu.len() + 1..])
        {
            f += w.l1 * sum_w + 0.5 * w.l2 * squares_w + h.l1 * sum_h;
        }
        f
    }

    /// `(f, relative error)` of one iteration's sums.
    fn value(&self, sums: &[f64]) -> (f64, f64) {
        let residual = self.xx - 2.0 * sums[CROSS] + sums[QUADRATIC];
        (0.5 * residual + self.penalty(sums), (residual.max(0.0) / self.xx).sqrt())
    }
}

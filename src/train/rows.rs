//! Rows that are solved for together, and end each by itself.

use super::block::{BlockSolver, HBlock};
use super::cut::Cut;
use super::watch::Watch;
use super::{Progress, Stage};
use crate::Result;
use crate::backend::{Backend, Element};
use crate::model::HPenalty;
use ndarray::{ArrayView1, Axis};

/// Rows that may be carried along after they are done.
const FEW: usize = 64;

/// Rows of H whose right side is set, none of which has to do with the others.
pub(crate) struct Rows<B: Backend> {
    pub(crate) block: HBlock<B>,
    pub(crate) solver: BlockSolver,
    /// As [`HBlock::new`] takes it.
    pub(crate) penalty: (HPenalty, f64, f64),
    /// Whether the samples may have negative entries.
    pub(crate) signed: bool,
}

impl<B: Backend> Rows<B> {
    pub(crate) fn prepare(&mut self, b: &mut B) -> Result<()> {
        if self.signed {
            self.block.allow_signs(b)?;
        }
        self.block.prepare(b)
    }

    /// The same for a part of its rows, which are `of`: those with these numbers.
    fn part(&self, b: &mut B, of: usize, rows: &[usize]) -> Result<Self> {
        let &Self { ref block, solver, penalty, signed } = self;
        let k = b.shape(&block.gram).0;
        let mut part =
            Self { block: HBlock::new(b, Cut::whole(rows.len()), k, penalty, solver)?, solver, penalty, signed };
        b.copy(&block.gram, &mut part.block.gram)?;
        part.prepare(b)?;
        let pick = |b: &mut B, (from, to): (&B::Matrix, &mut HBlock<B>)| {
            let rhs = b.download(from)?.select(Axis(0), rows);
            to.write_rhs(b, rhs.view())
        };
        b.by_host((block.rhs(of)?, &mut part.block), pick, |_, _| Ok(()))?;
        Ok(part)
    }

    /// Steps on `h` until every row is done: as soon as those between two looks move it by no more than the share `tol` of its length. There
    /// are `most` at most, and `least` before the first look. Returns how many were made; fewer, where the watch says so.
    ///
    /// When the host looks does not depend on what it sees, so that no row depends on another. Rows that are done stay as they are; once they
    /// are the half of all, the others go on without them.
    pub(crate) fn settle(
        &mut self,
        b: &mut B,
        h: &mut B::Matrix,
        (tol, least, most): (f64, usize, usize),
        watch: &mut Watch<'_>,
    ) -> Result<usize> {
        let (most, stopped, mut made) = (watch.iterations(Stage::Project, most), watch.stopped, 0);
        // Ever more from look to look.
        let next = |made: usize| if tol > 0.0 { most.min(made + least.max(made / 4)) } else { most };
        let mut steps = |b: &mut B, rows: &mut Self, h: &mut B::Matrix, made: &mut usize| {
            for _ in *made..next(*made) {
                rows.block.solve(b, h)?;
                *made += 1;
                watch.report(&Progress { done: *made, of: most, ..Progress::of(Stage::Project) });
                watch.check()?;
                if watch.stopped != stopped {
                    return Ok(false);
                }
            }
            Ok(*made < most)
        };
        if tol == 0.0 {
            steps(b, self, h, &mut made)?;
            return Ok(made);
        }
        let n = b.shape(h).0;
        b.by_host(
            (self, h),
            |b, (rows, h)| {
                let mut all = b.download(h)?;
                // The rows that move: their numbers, and where they are in the group.
                let mut moving: Vec<(usize, usize)> = (0..n).map(|row| (row, row)).collect();
                let mut part: Option<(Self, B::Matrix)> = None;
                loop {
                    let goes_on = match &mut part {
                        None => steps(b, rows, h, &mut made)?,
                        Some((rows, h)) => steps(b, rows, h, &mut made)?,
                    };
                    let now = b.download(part.as_ref().map_or(&*h, |(_, h)| h))?;
                    moving.retain(|&(row, at)| {
                        let moves = moves(all.row(row), now.row(at), tol);
                        all.row_mut(row).assign(&now.row(at));
                        moves
                    });
                    if !goes_on || moving.is_empty() {
                        break;
                    }
                    if moving.len() + FEW <= now.nrows() && 2 * moving.len() <= now.nrows() {
                        let (numbers, places): (Vec<usize>, Vec<usize>) = moving.iter().copied().unzip();
                        let of = part.as_ref().map_or(&*rows, |(rows, _)| rows);
                        let fewer = of.part(b, now.nrows(), &places)?;
                        part = Some((fewer, b.upload(all.select(Axis(0), &numbers).view())?));
                        moving.iter_mut().enumerate().for_each(|(at, moving)| moving.1 = at);
                    }
                }
                b.write(all.view(), h)?;
                Ok(made)
            },
            |b, (rows, h)| {
                // The most that there can be at once.
                let (k, (half, quarter)) = (b.shape(h).1, (n / 2, n / 4));
                let fewer = rows.part(b, n, &Vec::from_iter(0..half))?;
                let _of_fewer =
                    (b.zeros(half, k)?, fewer.part(b, half, &Vec::from_iter(0..quarter))?, b.zeros(quarter, k)?);
                Ok(0)
            },
        )
    }
}

/// Whether a row has moved by more than that share of its length.
fn moves<E: Element>(before: ArrayView1<'_, E>, now: ArrayView1<'_, E>, tol: f64) -> bool {
    let sums = before.iter().zip(now).fold((0.0, 0.0), |(moved, length), (before, now)| {
        let (before, now) = (before.f64(), now.f64());
        (moved + (now - before).powi(2), length + now.powi(2))
    });
    sums.0 > tol * tol * sums.1
}

//! Rows that are solved for together, and end each by itself.

use super::watch::Watch;
use super::{Progress, Stage};
use crate::Result;
use crate::backend::{Backend, Element};
use ndarray::{ArrayView1, Axis};

/// Some rows of H, none of which has to do with the others.
pub(crate) trait Group<B: Backend>: Sized {
    /// A step on them.
    fn step(&mut self, b: &mut B, h: &mut B::Matrix) -> Result<()>;

    /// The same for a part of its rows, which are `of`: those with these numbers.
    fn part(&self, b: &mut B, of: usize, rows: &[usize]) -> Result<Self>;
}

/// Rows that may be carried along after they are done.
const FEW: usize = 64;

/// Steps on `h` until every row is done: as soon as those between two looks move it by no more than the share `tol` of its length. There
/// are `most` at most, and `least` before the first look. Returns how many were made; fewer, where the watch says so.
///
/// When the host looks does not depend on what it sees, so that no row depends on another. Rows that are done stay as they are; once they
/// are the half of all, the others go on without them.
pub(crate) fn settle<B: Backend, G: Group<B>>(
    b: &mut B,
    group: &mut G,
    h: &mut B::Matrix,
    (tol, least, most): (f64, usize, usize),
    watch: &mut Watch<'_>,
) -> Result<usize> {
    let (most, stopped, mut made) = (watch.iterations(Stage::Project, most), watch.stopped, 0);
    // Ever more from look to look.
    let next = |made: usize| if tol > 0.0 { most.min(made + least.max(made / 4)) } else { most };
    let mut steps = |b: &mut B, group: &mut G, h: &mut B::Matrix, made: &mut usize| {
        for _ in *made..next(*made) {
            group.step(b, h)?;
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
        steps(b, group, h, &mut made)?;
        return Ok(made);
    }
    let n = b.shape(h).0;
    b.by_host(
        (group, h),
        |b, (group, h)| {
            let mut all = b.download(h)?;
            // The rows that move: their numbers, and where they are in the group.
            let mut moving: Vec<(usize, usize)> = (0..n).map(|row| (row, row)).collect();
            let mut part: Option<(G, B::Matrix)> = None;
            loop {
                let goes_on = match &mut part {
                    None => steps(b, group, h, &mut made)?,
                    Some((group, h)) => steps(b, group, h, &mut made)?,
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
                    let (rows, places): (Vec<usize>, Vec<usize>) = moving.iter().copied().unzip();
                    let of = part.as_ref().map_or(&*group, |(group, _)| group);
                    let fewer = of.part(b, now.nrows(), &places)?;
                    part = Some((fewer, b.upload(all.select(Axis(0), &rows).view())?));
                    moving.iter_mut().enumerate().for_each(|(at, moving)| moving.1 = at);
                }
            }
            b.write(all.view(), h)?;
            Ok(made)
        },
        |b, (group, h)| {
            // The most that there can be at once.
            let (k, (half, quarter)) = (b.shape(h).1, (n / 2, n / 4));
            let fewer = group.part(b, n, &Vec::from_iter(0..half))?;
            let _of_fewer =
                (b.zeros(half, k)?, fewer.part(b, half, &Vec::from_iter(0..quarter))?, b.zeros(quarter, k)?);
            Ok(0)
        },
    )
}

/// Whether a row has moved by more than that share of its length.
fn moves<E: Element>(before: ArrayView1<'_, E>, now: ArrayView1<'_, E>, tol: f64) -> bool {
    let sums = before.iter().zip(now).fold((0.0, 0.0), |(moved, length), (before, now)| {
        let (before, now) = (before.f64(), now.f64());
        (moved + (now - before).powi(2), length + now.powi(2))
    });
    sums.0 > tol * tol * sums.1
}

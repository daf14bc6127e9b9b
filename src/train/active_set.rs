//! Nonnegative least squares to the end, a row at a time, by active sets from a row near the solution.
//!
//! ```text
//! min_{h ≥ 0} ½ hᵀ G h − bᵀ h          G = ΨᵀΨ (k × k, penalties and ridge in it), b = Ψᵀx − l1 (k)
//! ```
//!
//! Coordinate descent needs the more passes the worse Ψ is conditioned. This needs to know which coefficients are positive: many are
//! exchanged at once by block principal pivoting (Kim & Park 2011), and where that goes round in circles one by one by Lawson &
//! Hanson's method (1974, chapter 23; on the Gram, as Bro & de Jong 1997 have it), of which every change lowers the objective.

use crate::Result;
use crate::backend::Element;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::{Mat, Par, Spec};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, aview1};
use rayon::prelude::*;

/// Members whose factor is as soon made one by one.
const FEW: usize = 24;
/// Exchanges that make none fewer of those on the wrong side, before they are exchanged one by one.
const PATIENCE: usize = 3;

/// The problem of all rows, of components of length 1.
pub(super) struct ActiveSet {
    /// Of f64: an ill-conditioned one of f32 need not even be positive.
    gram: Array2<f64>,
    /// The lengths of the components, with what penalties add; 0 for one that is zero.
    lengths: Vec<f64>,
    l1: f64,
    /// The share of the largest |b| below which a gradient is rounding.
    zero: f64,
    /// The squared distance from the others below which a component of length 1 is one of theirs: coefficients that roundings of b
    /// would move further than the objective is worth.
    dependent: f64,
}

impl ActiveSet {
    /// With this G, the constant l1, and the unit roundoff of what b was computed with.
    pub(super) fn new(gram: &Array2<f64>, l1: f64, unit: f64) -> Self {
        let lengths: Vec<f64> = gram.diag().iter().map(|d| d.max(0.0).sqrt()).collect();
        let share = |of: f64, v: f64| if of > 0.0 { v / of } else { 0.0 };
        let gram = Array2::from_shape_fn(gram.dim(), |(i, j)| share(lengths[i], share(lengths[j], gram[[i, j]])));
        Self { gram, lengths, l1, zero: 8.0 * unit, dependent: (1e3 * unit).powi(2).max(1e-14) }
    }

    /// Rows that all threads solve in a moment.
    pub(super) fn rows_at_a_time(&self) -> usize {
        let least = rayon::current_num_threads();
        ((1 << 31) / self.gram.nrows().pow(3).max(1)).clamp(least, least.max(4096))
    }

    /// The solutions for these right sides XΨ (rows × k), from `h`, which is replaced. `go_on` is asked after every
    /// [`ActiveSet::rows_at_a_time`] rows. Returns how often the set of a row changed at most.
    pub(super) fn solve<E: Element>(
        &self,
        rhs: ArrayView2<'_, f64>,
        mut h: ArrayViewMut2<'_, E>,
        go_on: &mut dyn FnMut() -> Result<bool>,
    ) -> Result<usize> {
        let (rows, mut changes) = (self.rows_at_a_time(), 0);
        for (rhs, mut h) in rhs.axis_chunks_iter(Axis(0), rows).zip(h.axis_chunks_iter_mut(Axis(0), rows)) {
            let rows = rhs.axis_iter(Axis(0)).into_par_iter().zip(h.axis_iter_mut(Axis(0)));
            let made = rows.map_init(Positive::default, |set, (rhs, h)| self.solve_row(rhs, h, set));
            changes = made.max().map_or(changes, |made| changes.max(made));
            if !go_on()? {
                break;
            }
        }
        Ok(changes)
    }

    fn solve_row<E: Element>(
        &self,
        rhs: ArrayView1<'_, f64>,
        mut h: ArrayViewMut1<'_, E>,
        set: &mut Positive,
    ) -> usize {
        let Self { gram, lengths, l1, zero, dependent } = self;
        let lengths = || lengths.iter().copied();
        let b = rhs.iter().zip(lengths()).map(|(b, of)| if of > 0.0 { (b - l1) / of } else { 0.0 });
        let b: Vec<f64> = b.collect();
        let mut x: Vec<f64> = h.iter().zip(lengths()).map(|(h, of)| h.f64() * of).collect();
        let zero = zero * b.iter().fold(0.0, |most: f64, b| most.max(b.abs()));
        let mut gradient = vec![0.0; b.len()];
        let mut changes = self.exchange(&b, (&mut x, &mut gradient), zero, set);
        // Those whose gradient is not theirs alone to lower, or only by rounding.
        let mut refused = vec![false; b.len()];
        loop {
            changes += set.descend(&b, &mut x);
            self.gradient(&b, &x, &set.members, &mut gradient);
            let mut added = None;
            // Every change of the set lowers the objective: this many are made by roundings alone.
            while changes <= 10 * b.len() + 100 && added.is_none() {
                let free = (0..b.len()).filter(|&j| gradient[j] > zero && !refused[j] && !set.members.contains(&j));
                let Some(j) = free.max_by(|&i, &j| gradient[i].total_cmp(&gradient[j])) else { break };
                refused[j] = !set.join(gram, j, &mut x, *dependent);
                added = Some(j).filter(|&j| !refused[j]);
            }
            let Some(j) = added else { break };
            changes += 1;
            set.least_squares(&b);
            if x[j] > 0.0 || set.solution.last().is_some_and(|s| *s > 0.0) {
                refused.fill(false);
            } else {
                refused[j] = true;
                set.remove(set.members.len() - 1);
            }
        }
        for ((h, x), of) in h.iter_mut().zip(&x).zip(lengths()) {
            *h = if of > 0.0 { E::of(x / of) } else { E::zero() };
        }
        changes
    }

    /// Sets `−∇ = b − G x` for an x that is 0 but for the members.
    fn gradient(&self, b: &[f64], x: &[f64], members: &[usize], gradient: &mut [f64]) {
        gradient.copy_from_slice(b);
        for &j in members {
            gradient.iter_mut().zip(self.gram.row(j)).for_each(|(of, g)| *of -= x[j] * g);
        }
    }

    /// Block principal pivoting: takes the least squares of the positive ones, and exchanges all at once that are on the wrong side: members below 0, and others that would lower the objective. As long as these become fewer: that is most often until
    /// there are none. Leaves `x` feasible with the set of its positive ones, and returns the number of exchanges.
    fn exchange(&self, b: &[f64], (x, gradient): (&mut [f64], &mut [f64]), zero: f64, set: &mut Positive) -> usize {
        let (mut least, mut patience) = (usize::MAX, PATIENCE);
        let mut made = 0;
        loop {
            set.fill(&self.gram, x, self.dependent);
            set.least_squares(b);
            set.members.iter().zip(&set.solution).for_each(|(&j, s)| x[j] = *s);
            self.gradient(b, x, &set.members, gradient);
            let below = set.solution.iter().filter(|s| **s <= 0.0).count();
            let wrong = below + x.iter().zip(&*gradient).filter(|(x, g)| **x == 0.0 && **g > zero).count();
            patience = if wrong < least { PATIENCE } else { patience - 1 };
            least = least.min(wrong);
            if wrong == 0 || patience == 0 {
                while let Some(at) = set.members.iter().position(|&j| x[j] <= 0.0) {
                    x[set.members[at]] = 0.0;
                    set.remove(at);
                }
                return made;
            }
            made += 1;
            x.iter_mut().zip(&*gradient).filter(|(x, g)| **x == 0.0 && **g > zero).for_each(|(x, _)| *x = 1.0);
        }
    }
}

/// The coefficients that may be positive, with the Cholesky factor `L Lᵀ` of their Gram.
#[derive(Default)]
struct Positive {
    members: Vec<usize>,
    /// Row i of L begins at i (i + 1)/2.
    factor: Vec<f64>,
    solution: Vec<f64>,
    rotations: Vec<(f64, f64)>,
}

fn row(i: usize) -> std::ops::Range<usize> {
    i * (i + 1) / 2..(i + 1) * (i + 2) / 2
}

/// The factor of all of these at once; None for few, and where one is nearly a combination of the others.
fn factor_of(gram: &Array2<f64>, members: &[usize], dependent: f64) -> Option<Vec<f64>> {
    let p = members.len();
    if p < FEW {
        return None;
    }
    let mut l = Mat::from_fn(p, p, |i, j| gram[[members[i], members[j]]]);
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(p, Par::Seq, Spec::default()));
    let stack = MemStack::new(&mut memory);
    cholesky_in_place(l.as_mut(), LltRegularization::default(), Par::Seq, stack, Spec::default()).ok()?;
    let independent = (0..p).all(|i| l[(i, i)].powi(2) > dependent);
    independent.then(|| (0..p).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|at| l[at]).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    aview1(a).dot(&aview1(b))
}

impl Positive {
    /// Takes j in as the last one; not if that is nearly a combination of the others.
    fn add(&mut self, gram: &Array2<f64>, j: usize, dependent: f64) -> bool {
        let Self { members, factor, .. } = self;
        let start = factor.len();
        for (i, &member) in members.iter().enumerate() {
            let of = row(i);
            let with = (gram[[j, member]] - dot(&factor[of.start..of.end - 1], &factor[start..])) / factor[of.end - 1];
            factor.push(with);
        }
        let pivot = gram[[j, j]] - dot(&factor[start..], &factor[start..]);
        if pivot <= dependent {
            factor.truncate(start);
            return false;
        }
        factor.push(pivot.sqrt());
        members.push(j);
        true
    }

    /// Has all j with `x_j > 0`, without those that are nearly combinations of the ones before; of the others x becomes 0.
    fn fill(&mut self, gram: &Array2<f64>, x: &mut [f64], dependent: f64) {
        self.members.clear();
        self.factor.clear();
        x.iter_mut().for_each(|x| *x = x.max(0.0));
        let members: Vec<usize> = (0..x.len()).filter(|&j| x[j] > 0.0).collect();
        match factor_of(gram, &members, dependent) {
            Some(factor) => (self.members, self.factor) = (members, factor),
            None => {
                for j in members {
                    if !self.add(gram, j, dependent) {
                        x[j] = 0.0;
                    }
                }
            }
        }
    }

    /// Takes j in; if it is a combination of the members, in the place of one or more: with l1 it may be cheaper than they are.
    fn join(&mut self, gram: &Array2<f64>, j: usize, x: &mut [f64], dependent: f64) -> bool {
        while !self.add(gram, j, dependent) {
            if !self.take_place(gram, j, x) {
                x[j] = 0.0;
                return false;
            }
        }
        true
    }

    /// Puts j, which is a combination `G c = g_j` of the members, in their place, until one of them is 0 and left out. Not if none
    /// becomes less.
    fn take_place(&mut self, gram: &Array2<f64>, j: usize, x: &mut [f64]) -> bool {
        self.least_squares(gram.row(j).as_slice().unwrap_or_default());
        let Self { members, solution: c, .. } = self;
        let steps = members.iter().zip(&*c).enumerate().filter(|(_, (_, c))| **c > 0.0);
        let first = steps.map(|(at, (&i, c))| (at, x[i] / c)).min_by(|(_, a), (_, b)| a.total_cmp(b));
        let Some((at, step)) = first else { return false };
        members.iter().zip(&*c).for_each(|(&i, c)| x[i] = (x[i] - step * c).max(0.0));
        x[members[at]] = 0.0;
        x[j] += step;
        self.remove(at);
        true
    }

    /// Leaves out the one at this place: the rows below it move up, and rotations make them a triangle again.
    fn remove(&mut self, at: usize) {
        let Self { members, factor, rotations, .. } = self;
        members.remove(at);
        rotations.clear();
        for i in at..members.len() {
            let (from, to) = (row(i + 1), row(i));
            let of = &mut factor[from.clone()];
            for (r, &(cos, sin)) in rotations.iter().enumerate() {
                let (a, b) = (of[at + r], of[at + r + 1]);
                (of[at + r], of[at + r + 1]) = (cos * a + sin * b, cos * b - sin * a);
            }
            let (a, b) = (of[i], of[i + 1]);
            of[i] = a.hypot(b);
            rotations.push((a / of[i], b / of[i]));
            factor.copy_within(from.start..from.end - 1, to.start);
        }
        factor.truncate(row(members.len()).start);
    }

    /// Sets the solution: s with `G s = b` of the members, in their order.
    fn least_squares(&mut self, b: &[f64]) {
        let Self { members, factor, solution: s, .. } = self;
        s.clear();
        for (i, &member) in members.iter().enumerate() {
            let of = row(i);
            s.push((b[member] - dot(&factor[of.start..of.end - 1], s)) / factor[of.end - 1]);
        }
        for i in (0..members.len()).rev() {
            let of = row(i);
            s[i] /= factor[of.end - 1];
            let (before, last) = s[..=i].split_at_mut(i);
            before.iter_mut().zip(&factor[of]).for_each(|(s, l)| *s -= last[0] * l);
        }
    }

    /// From `x` to the least squares of the members; those that become 0 on the way are left out. Returns how many.
    fn descend(&mut self, b: &[f64], x: &mut [f64]) -> usize {
        let before = self.members.len();
        loop {
            self.least_squares(b);
            let Self { members, solution, .. } = self;
            let steps = members.iter().zip(&*solution).enumerate().filter(|(_, (_, s))| **s <= 0.0);
            let steps = steps.map(|(at, (&j, s))| (at, if x[j] > 0.0 { x[j] / (x[j] - s) } else { 0.0 }));
            let first = steps.min_by(|(_, a), (_, b)| a.total_cmp(b));
            let step = first.map_or(1.0, |(_, step)| step);
            for (&j, s) in members.iter().zip(&*solution) {
                x[j] = if step == 1.0 { *s } else { (x[j] + step * (s - x[j])).max(0.0) };
            }
            let Some((at, _)) = first else { return before - self.members.len() };
            x[members[at]] = 0.0;
            self.remove(at);
        }
    }
}

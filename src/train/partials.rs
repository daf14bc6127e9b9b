//! Sums over the samples of several ranks: of every shard its own, exchanged once all shards of a pass were visited.
//!
//! One process alone adds a shard to those before it, on the device, and there is nothing to be exchanged.

use super::cut::{Cut, Shard};
use crate::Result;
use crate::backend::{Backend, Element, Sum, Write};
use crate::ranks::{Tree, add};
use ndarray::Array2;

/// Sums over the samples, on their way to all ranks.
pub(crate) struct Partials {
    cut: Cut,
    tree: Option<Tree>,
}

/// Numbered sums, of which these are over the samples.
pub(crate) type Slots<'a, S> = Option<(S, &'a [usize])>;

impl Partials {
    pub(crate) fn new(cut: Cut) -> Self {
        Self { cut, tree: None }
    }

    /// Takes the sums of a shard that was visited.
    pub(crate) fn add<B: Backend>(
        &mut self,
        b: &mut B,
        shard: Shard,
        matrices: &[&B::Matrix],
        scalars: Slots<'_, &B::Scalars>,
    ) -> Result<()> {
        let Some(leaf) = shard.leaf else { return Ok(()) };
        let mut numbers = Vec::new();
        for m in matrices {
            numbers.extend(b.download(m)?.iter().map(|v| v.f64()));
        }
        if let Some((scalars, slots)) = scalars.filter(|(_, slots)| !slots.is_empty()) {
            let all = b.read(scalars)?;
            numbers.extend(slots.iter().map(|slot| all[*slot]));
        }
        self.add_leaf(leaf, numbers);
        Ok(())
    }

    fn add_leaf(&mut self, leaf: usize, numbers: Vec<f64>) {
        let Some(ranks) = self.cut.ranks() else { return };
        let leaves = self.cut.leaves();
        self.tree.get_or_insert_with(|| Tree::new(ranks, (leaves, numbers.len()), add)).add(leaf, numbers);
    }

    /// Makes the sums those over all samples.
    pub(crate) fn finish<B: Backend>(
        mut self,
        b: &mut B,
        matrices: &mut [&mut B::Matrix],
        scalars: Slots<'_, &mut B::Scalars>,
    ) -> Result<()> {
        let Some(ranks) = self.cut.ranks() else { return Ok(()) };
        let shapes: Vec<_> = matrices.iter().map(|m| b.shape(m)).collect();
        let slots = scalars.as_ref().map_or(0, |(_, slots)| slots.len());
        let length = shapes.iter().map(|(rows, cols)| rows * cols).sum::<usize>() + slots;
        if self.cut.is_empty_leaf() {
            self.add_leaf(ranks.rank(), vec![0.0; length]);
        }
        // A rank without samples has added nothing.
        let tree = self.tree.take().unwrap_or_else(|| Tree::new(ranks, (self.cut.leaves(), length), add));
        let sums = tree.finish()?;
        let mut numbers = sums.iter();
        for (m, shape) in matrices.iter_mut().zip(shapes) {
            let sum = Array2::from_shape_simple_fn(shape, || B::Elem::of(numbers.next().copied().unwrap_or_default()));
            b.write(sum.view(), m)?;
        }
        let Some((scalars, slots)) = scalars else { return Ok(()) };
        slots.iter().zip(numbers).try_for_each(|(slot, sum)| put(b, *sum, scalars, *slot))
    }
}

/// Writes a number of the host into a slot: as three numbers of the device, which are added up in f64.
fn put<B: Backend>(b: &mut B, number: f64, scalars: &mut B::Scalars, slot: usize) -> Result<()> {
    let mut rest = number;
    let parts = Array2::from_shape_simple_fn((1, 3), || {
        let part = B::Elem::of(rest);
        rest -= part.f64();
        part
    });
    let parts = b.upload(parts.view())?;
    b.reduce(Sum::Entries(&parts), Write::Replace, scalars, slot)
}

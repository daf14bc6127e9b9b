//! A sum along a fixed binary tree.
//!
//! The leaves are the shards of the samples, or the ranks. A node is what its two children came to, merged; where the right one
//! has no leaves it is the left one:
//!
//! ```text
//! node(level, i) = merge(node(level − 1, 2i), node(level − 1, 2i + 1))          node(0, i) = leaf i
//! ```
//!
//! A rank whose leaves a node has sums them up by itself. Where the children are of two ranks, that of the right one sends to that of
//! the left one. So a rank sends as many nodes as it has largest ones, log₂ of its leaves at most and one where it has a power of two
//! of them that begins at a multiple of it; and the root is at rank 0, which sends it to all.

use super::shares::Ranks;
use crate::{Error, Result};

/// What makes a node of its children: of the left one, in its place, and of the right one.
pub(super) type Merge = fn(&mut [f64], &[f64]);

/// Entry by entry.
pub(crate) fn add(left: &mut [f64], right: &[f64]) {
    left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
}

/// The larger of two entries.
pub(super) fn most(left: &mut [f64], right: &[f64]) {
    left.iter_mut().zip(right).for_each(|(left, right)| *left = left.max(*right));
}

/// The part of a rank in a sum; leaves are added in their order.
#[derive(Debug)]
pub(crate) struct Tree {
    ranks: Ranks,
    leaves: usize,
    /// Numbers of a leaf.
    length: usize,
    merge: Merge,
    /// The largest nodes so far.
    nodes: Vec<(u32, usize, Vec<f64>)>,
}

impl Tree {
    /// Over so many leaves of so many numbers.
    pub(crate) fn new(ranks: Ranks, (leaves, length): (usize, usize), merge: Merge) -> Self {
        Self { ranks, leaves, length, merge, nodes: Vec::new() }
    }

    /// The next leaf of this rank.
    pub(crate) fn add(&mut self, leaf: usize, numbers: Vec<f64>) {
        let (mut level, mut index, mut node) = (0, leaf, numbers);
        while index % 2 == 1 && self.nodes.last().is_some_and(|(l, i, _)| (*l, *i) == (level, index - 1)) {
            let Some((_, _, mut left)) = self.nodes.pop() else { break };
            (self.merge)(&mut left, &node);
            (level, index, node) = (level + 1, index / 2, left);
        }
        self.nodes.push((level, index, node));
    }

    /// The sum over all leaves of all ranks.
    pub(crate) fn finish(mut self) -> Result<Vec<f64>> {
        self.ranks.wait()?;
        let levels = self.leaves.next_power_of_two().trailing_zeros();
        let root = self.node(levels, 0)?;
        let mut root = root.unwrap_or_else(|| vec![0.0; self.length]);
        self.ranks.broadcast(bytemuck::cast_slice_mut(&mut root))?;
        Ok(root)
    }

    /// A node, where it is of this rank.
    fn node(&mut self, level: u32, index: usize) -> Result<Option<Vec<f64>>> {
        if let Some(at) = self.nodes.iter().position(|(l, i, _)| (*l, *i) == (level, index)) {
            return Ok(Some(self.nodes.swap_remove(at).2));
        }
        let (first, end) = (index << level, ((index + 1) << level).min(self.leaves));
        let (me, owner) = (self.ranks.rank(), |leaf: usize| self.ranks.owner(self.leaves, leaf));
        if !(owner(first)..=owner(end - 1)).contains(&me) {
            return Ok(None);
        }
        if level == 0 {
            return Err(Error::Data(format!("rank {me} has not summed up its shard {index}")));
        }
        let middle = first + (1 << (level - 1));
        if middle >= end {
            return self.node(level - 1, 2 * index);
        }
        let (of_left, of_right) = (owner(first), owner(middle));
        let (left, right) = (self.node(level - 1, 2 * index)?, self.node(level - 1, 2 * index + 1)?);
        let (mut left, right) = match (left, right) {
            (Some(left), Some(right)) => (left, right),
            (Some(left), None) => {
                let mut right = vec![0.0; self.length];
                self.ranks.receive(of_right, bytemuck::cast_slice_mut(&mut right))?;
                (left, right)
            }
            (None, Some(right)) => {
                self.ranks.send(of_left, bytemuck::cast_slice(&right))?;
                return Ok(None);
            }
            (None, None) => return Ok(None),
        };
        (self.merge)(&mut left, &right);
        Ok(Some(left))
    }
}

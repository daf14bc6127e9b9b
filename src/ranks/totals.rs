//! Totals of numbers that every rank has.

use super::shares::Ranks;
use super::tree::{Tree, add, most};
use crate::Result;

impl Ranks {
    /// The sums of numbers of every rank.
    pub fn total(&self, numbers: Vec<f64>) -> Result<Vec<f64>> {
        let mut tree = Tree::new(*self, (self.size(), numbers.len()), add);
        tree.add(self.rank(), numbers);
        tree.finish()
    }

    /// The largest of numbers of every rank.
    pub fn largest(&self, numbers: Vec<f64>) -> Result<Vec<f64>> {
        let mut tree = Tree::new(*self, (self.size(), numbers.len()), most);
        tree.add(self.rank(), numbers);
        tree.finish()
    }

    /// Of each of these, whether it is true on any rank.
    ///
    /// # Errors
    /// As [`Link::send`](super::Link::send) and [`Link::receive`](super::Link::receive).
    pub fn any<const N: usize>(&self, flags: [bool; N]) -> Result<[bool; N]> {
        let most = self.largest(flags.map(|flag| f64::from(u8::from(flag))).to_vec())?;
        Ok(std::array::from_fn(|i| most.get(i).is_some_and(|flag| *flag > 0.0)))
    }

    /// The sum of the numbers of the ranks before this one, and that of all of them.
    pub(crate) fn before(&self, number: usize) -> Result<(usize, usize)> {
        let mut all = vec![0.0; self.size()];
        all[self.rank()] = number as f64;
        let all = self.total(all)?;
        let sum = |numbers: &[f64]| numbers.iter().sum::<f64>() as usize;
        Ok((sum(&all[..self.rank()]), sum(&all)))
    }
}

//! The unit of X: training and projection work on `X' = X/s`, s a power of two, so that it does not matter in which unit X was
//! measured.
//!
//! s is the power of two nearest to the root mean square of the norms of the samples, in octaves: it is 1 where
//! all have norm one. Division by it is exact. What is reported is in the unit of X again. In a linear model the coefficients carry it,
//! `H_l = s H_l'`, and the W none; with an activation, which does not go with a scale, W_1 does, and H none. So the objective of
//! the whole is `s²` times that of X', and so is the constant of a penalty on a factor without a unit.

use super::source::{Source, blocks};
use super::{Config, Fit, PenaltyScale, Progress, Stage, Start};
use crate::backend::{Element, Rows};
use crate::ranks::Tree;
use crate::{Error, Result};
use crc32fast::Hasher;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Zip};
use rayon::prelude::*;
use std::ops::Range;

/// The largest exponent, up or down, of an X that stays as it is.
const ABSOLUTE: i32 = 32;

/// `s = 2^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    exponent: i32,
}

/// What one look at samples tells: whether a model takes them, and their unit.
#[derive(Debug, Default)]
pub(super) struct Look {
    rows: usize,
    /// The largest magnitude, and the sum of squares of all numbers divided by it.
    most: f64,
    squares: f64,
    /// Numbers that the model does not take, and the first of them with its place.
    bad: usize,
    first_bad: Option<(usize, usize, f64)>,
    /// Of the checksums of the samples.
    checksum: Hasher,
}

impl Look {
    /// Adds samples of a model; `signed` ones take negative numbers.
    fn add<E: Element>(&mut self, x: ArrayView2<'_, E>, signed: bool) {
        let is_bad = |v: &E| !((signed || *v >= E::zero()) && v.is_finite());
        let rows = x.axis_iter(Axis(0)).into_par_iter().map(|row| {
            let most = row.fold(0.0, |most: f64, v| most.max(v.f64().abs()));
            let squares = |most: f64| row.iter().map(|v| (v.f64() / most).powi(2)).sum();
            let squares = if most > 0.0 && most.is_finite() { squares(most) } else { 0.0 };
            (most, squares, row.iter().filter(|v| is_bad(v)).count(), checksum(row))
        });
        for (i, (most, squares, bad, sum)) in rows.collect::<Vec<(f64, f64, usize, u32)>>().into_iter().enumerate() {
            self.checksum.update(&sum.to_le_bytes());
            if most > self.most {
                self.squares *= (self.most / most).powi(2);
                self.most = most;
            }
            if most > 0.0 {
                self.squares += squares * (most / self.most).powi(2);
            }
            if self.bad == 0 && bad > 0 {
                let first = x.row(i).iter().position(is_bad).unwrap_or(0);
                self.first_bad = Some((self.rows + i, first, x[[i, first]].f64()));
            }
            self.bad += bad;
        }
        self.rows += x.nrows();
    }

    /// Adds what was seen of the samples that come next.
    fn join(&mut self, next: &Self) {
        if self.bad == 0 {
            self.first_bad = next.first_bad.map(|(row, column, value)| (self.rows + row, column, value));
        }
        self.rows += next.rows;
        self.bad += next.bad;
        self.checksum.combine(&next.checksum);
        if next.most > self.most {
            self.squares *= (self.most / next.most).powi(2);
            self.most = next.most;
        }
        if next.most > 0.0 {
            self.squares += next.squares * (next.most / self.most).powi(2);
        }
    }

    /// For [`Tree`].
    fn to_numbers(&self) -> [f64; 8] {
        let (row, column, value) = self.first_bad.unwrap_or_default();
        let counts = [self.rows, self.bad, row, column].map(|count| count as f64);
        let [rows, bad, row, column] = counts;
        [rows, bad, row, column, value, self.most, self.squares, f64::from(self.checksum())]
    }

    fn of_numbers(numbers: &[f64]) -> Self {
        let &[rows, bad, row, column, value, most, squares, checksum] = numbers else { return Self::default() };
        Self {
            rows: rows as usize,
            most,
            squares,
            bad: bad as usize,
            first_bad: (bad > 0.0).then_some((row as usize, column as usize, value)),
            checksum: Hasher::new_with_initial_len(checksum as u32, rows as u64 * size_of::<u32>() as u64),
        }
    }

    /// Of all samples, however they were cut into blocks.
    pub(super) fn checksum(&self) -> u32 {
        self.checksum.clone().finalize()
    }

    /// 1 where all numbers are 0.
    fn unit(&self) -> Unit {
        if !(self.most > 0.0 && self.most.is_finite()) {
            return Unit::ONE;
        }
        let norm = self.most * (self.squares / self.rows as f64).sqrt();
        // From the bits, so that a power of two more in X is exactly that here.
        let (bits, fraction) = (norm.to_bits() >> 52, f64::from_bits(norm.to_bits() & (u64::MAX >> 12) | 1023 << 52));
        let exponent = i32::try_from(bits).unwrap_or(1023) - 1023 + i32::from(fraction > std::f64::consts::SQRT_2);
        // Beyond, s or 1/s would be no number.
        Unit { exponent: exponent.clamp(-1000, 1000) }
    }
}

/// Of a sample.
fn checksum<E: Element>(row: ArrayView1<'_, E>) -> u32 {
    let mut sum = Hasher::new();
    match row.as_slice() {
        Some(row) => sum.update(bytemuck::cast_slice(row)),
        None => row.iter().for_each(|v| sum.update(bytemuck::bytes_of(v))),
    }
    sum.finalize()
}

impl Unit {
    pub(crate) const ONE: Self = Self { exponent: 0 };

    /// Of the rows of `x`; 1 where they are all zero.
    pub(crate) fn of<E: Element>(x: ArrayView2<'_, E>) -> Self {
        let mut look = Look::default();
        look.add(x, true);
        look.unit()
    }

    /// Of samples, which are all looked at once.
    ///
    /// # Errors
    /// [`Error::Data`] for none, for what is not finite, for negative numbers unless the model is `signed`, and where all are 0.
    pub(crate) fn of_samples<E: Element>(x: &mut dyn Source<E>, signed: bool) -> Result<Self> {
        Ok(Self::look_at(x, signed, None)?.unit())
    }

    /// With the settings of a fit, that of all ranks.
    fn look_at<E: Element>(x: &mut dyn Source<E>, signed: bool, config: Option<&Config>) -> Result<Look> {
        let (n, m) = x.shape();
        if n == 0 || m == 0 {
            return Err(Error::Data(format!("the data are empty: {n} samples of {m} features")));
        }
        let mut look = Look::default();
        let mut add = |look: &mut Look, rows: Range<usize>| {
            let (expected, block) = ((rows.len(), m), x.rows(rows)?);
            if block.dim() != expected {
                return Err(Error::shape("samples that were read", expected, block.dim()));
            }
            look.add(block.view(), signed);
            Ok(())
        };
        if let Some((config, ranks)) = config.and_then(|config| Some((config, config.ranks?))) {
            let (own, block) = (config.own_rows(n, m), config.block_rows((n, m)));
            let mut tree = Tree::new(ranks, (n.div_ceil(block), 8), |left, right| {
                let mut both = Look::of_numbers(left);
                both.join(&Look::of_numbers(right));
                left.copy_from_slice(&both.to_numbers());
            });
            for first in own.clone().step_by(block) {
                let mut of_shard = Look::default();
                add(&mut of_shard, first..own.end.min(first + block))?;
                tree.add(first / block, of_shard.to_numbers().to_vec());
            }
            look = Look::of_numbers(&tree.finish()?);
        } else {
            blocks::<E>((n, m)).try_for_each(|rows| add(&mut look, rows))?;
        }
        if let Some((i, j, value)) = look.first_bad {
            let value = E::of(value);
            let needs = if signed { "finite numbers" } else { "finite numbers of at least 0" };
            return Err(Error::Data(format!(
                "the model needs {needs}, but {} of {} are not; the first is {value:?} in sample {i}, feature {j} (both from 0)",
                look.bad,
                n as u128 * m as u128
            )));
        }
        if look.most == 0.0 {
            return Err(Error::Data("the data are all zero".into()));
        }
        Ok(look)
    }

    /// Of the data of a fit, with what was seen of them. Absolute penalties stand in the unit of X, and so X stays as it is.
    ///
    /// # Errors
    /// As [`Unit::of_samples`]; [`Error::Config`] for absolute penalties beside an X whose squares go beyond f32, or nearly so.
    pub(super) fn of_data<E: Element>(x: &mut dyn Source<E>, config: &Config) -> Result<(Self, Look)> {
        let look = Self::look_at(x, config.model.signed, Some(config))?;
        let unit = look.unit();
        if config.penalty_scale == PenaltyScale::ScaleFree {
            return Ok((unit, look));
        }
        if unit.exponent.abs() <= ABSOLUTE {
            return Ok((Self::ONE, look));
        }
        Err(Error::Config(format!(
            "absolute penalties take samples of a norm from {:.0e} to {:.0e}, found {:.1e}; scale the data, or take --penalties \
             scale-free, with which their unit makes no difference",
            2.0_f64.powi(-ABSOLUTE),
            2.0_f64.powi(ABSOLUTE),
            unit.factor()
        )))
    }

    /// s.
    pub(crate) fn factor(self) -> f64 {
        2.0_f64.powi(self.exponent)
    }

    /// The unit of a quotient.
    pub(crate) fn per(self, other: Self) -> Self {
        Self { exponent: (self.exponent - other.exponent).clamp(-1000, 1000) }
    }

    /// s².
    pub(crate) fn squared(self) -> f64 {
        self.factor().powi(2)
    }

    /// `x/s`.
    pub(crate) fn divide<'a, E: Element>(self, x: impl Into<Rows<'a, E>>) -> Rows<'a, E> {
        let x = x.into();
        if self.exponent == 0 {
            return x;
        }
        let mut divided = x.into_owned();
        divided.par_mapv_inplace(|v| E::of(v.f64() * 2.0_f64.powi(-self.exponent)));
        divided.into()
    }

    /// `x/s`, in the memory of another array.
    pub(crate) fn divide_into<E: Element>(self, x: ArrayView2<'_, E>, memory: Array2<E>) -> Result<Array2<E>> {
        let mut memory = memory.into_raw_vec_and_offset().0;
        memory.resize(x.len(), E::zero());
        let mut divided = Array2::from_shape_vec(x.dim(), memory).map_err(|e| Error::Data(e.to_string()))?;
        let by = 2.0_f64.powi(-self.exponent);
        Zip::from(&mut divided).and(x).par_for_each(|to, v| *to = E::of(v.f64() * by));
        Ok(divided)
    }

    /// `x = s x`, of coefficients or components.
    pub(crate) fn multiply<E: Element>(self, x: &mut Array2<E>) -> Result<()> {
        if self.exponent == 0 {
            return Ok(());
        }
        x.par_mapv_inplace(|v| E::of(v.f64() * self.factor()));
        if x.iter().all(|v| v.is_finite()) {
            return Ok(());
        }
        Err(Error::Data(format!(
            "the factors of such large data (samples of norm {:.1e}) are beyond the numbers that hold them; divide the data \
             by that, or take --scale max",
            self.factor()
        )))
    }

    /// A start in the unit of X as one of X'.
    pub(crate) fn divide_start<E: Element>(self, start: &Start<E>, config: &Config) -> Start<E> {
        let of_w = config.activation.is_some();
        let layers = start.iter().enumerate().map(|(l, (w, h))| match of_w {
            false => (w.clone(), self.divide(h.view()).into_owned()),
            true if l == 0 => (self.divide(w.view()).into_owned(), h.clone()),
            true => (w.clone(), h.clone()),
        });
        layers.collect()
    }

    /// Brings what came of X' to the unit of X.
    pub(crate) fn restore<E: Element>(self, fit: &mut Fit<E>) -> Result<()> {
        let of_w = fit.factors.activation.is_some();
        let factors = &mut fit.factors;
        match of_w {
            true => self.multiply(&mut factors.w[0])?,
            false => factors.hidden.iter_mut().chain([&mut factors.h]).try_for_each(|h| self.multiply(h))?,
        }
        let squared = self.squared();
        for (_, layer) in fit.history.pretrain.iter_mut().enumerate().filter(|(l, _)| !of_w || *l == 0) {
            layer.iter_mut().for_each(|f| *f *= squared);
        }
        fit.history.finetune.iter_mut().for_each(|f| *f *= squared);
        fit.objective *= squared;
        fit.norm *= self.factor();
        for mu in fit.penalties.mu.iter_mut().skip(of_w.into()) {
            *mu *= squared;
        }
        for lambda in fit.penalties.lambda.iter_mut().filter(|_| of_w) {
            *lambda *= squared;
        }
        Ok(())
    }

    /// A report on X' as one on X.
    pub(crate) fn restored(self, report: &Progress, config: &Config) -> Progress {
        let own = config.activation.is_some() && matches!(report.stage, Stage::Pretrain { layer } if layer > 0);
        Progress { objective: report.objective * if own { 1.0 } else { self.squared() }, ..*report }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_unit_is_the_nearest_power_of_two() {
        let exponent = |x: Array2<f64>| Unit::of(x.view()).exponent;
        assert_eq!(exponent(array![[0.6, 0.8], [1.0, 0.0], [0.0, 0.0]]), 0);
        assert_eq!(exponent(array![[3.0, 4.0]]), 2);
        assert_eq!(exponent(array![[0.0, 6.0]]), 3);
        assert_eq!(exponent(array![[0.0]]), 0);
        // Squares that are beyond f64.
        assert_eq!(exponent(array![[2.0_f64.powi(600)], [2.0_f64.powi(600)], [2.0_f64.powi(-900)]]), 600);
        let x = array![[0.3, 0.1], [0.7, 0.0]];
        for power in -90..90 {
            assert_eq!(exponent(&x * 2.0_f64.powi(power)), power + exponent(x.clone()));
        }
        assert_eq!(Unit::of(array![[f32::MIN_POSITIVE / 8.0]].view()).exponent, -129);
    }

    #[test]
    fn the_checksum_is_of_every_number_in_its_place() {
        let x = Array2::from_shape_fn((40, 7), |(i, j)| (i * 7 + j) as f32);
        let of = |x: &Array2<f32>, rows: usize| {
            let mut look = Look::default();
            x.axis_chunks_iter(Axis(0), rows).for_each(|x| look.add(x, false));
            look.checksum()
        };
        let expected = of(&x, 40);
        assert!([1, 7, 39].map(|rows| of(&x, rows)) == [expected; 3]);
        assert_eq!(of(&x.t().as_standard_layout().reversed_axes().to_owned(), 40), expected);
        for at in [(0, 0), (17, 3), (39, 6)] {
            let mut other = x.clone();
            other[at] += 0.5;
            assert_ne!(of(&other, 40), expected, "{at:?}");
        }
        let mut swapped = x.clone();
        swapped.swap([3, 0], [4, 0]);
        assert_ne!(of(&swapped, 40), expected);
    }

    #[test]
    fn what_was_divided_is_restored_or_refused() {
        let x = array![[3e30_f32, 1e28], [0.0, 2e29]];
        let unit = Unit::of(x.view());
        let mut back = unit.divide(x.view()).into_owned();
        assert!(back.iter().all(|v| *v < 4.0));
        unit.multiply(&mut back).unwrap();
        assert_eq!(back, x);
        let message = unit.multiply(&mut array![[1e10_f32]]).unwrap_err().to_string();
        assert!(message.contains("--scale max"), "{message}");
    }
}

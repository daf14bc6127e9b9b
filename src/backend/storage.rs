//! How the data matrix is kept on a device: rows of X as numbers, halves or bytes, and back.

use super::{Element, Rows};
use crate::{Error, Result};
use half::f16;
use ndarray::{ArcArray2, ArrayView1, ArrayView2, ArrayViewMut1, Axis};
use rayon::prelude::*;

/// How [`Device::upload_data`](super::Device::upload_data) keeps X.
///
/// The rounded X is the same on every backend: what is trained on does not depend on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// As bytes where every sample is a scale times whole numbers from 0 to 255, to within roundings of f32, as images of
    /// bytes are; else as it is. In host memory always as it is.
    Auto,
    /// As it is.
    F32,
    /// Rounded to halves: half the memory. Of what is less than 2⁻¹⁴, 0 or 2⁻¹⁴ is left.
    F16,
    /// As a byte per entry and a scale per sample, `x_ij = s_i b_ij`: a quarter of the memory. Other data than those of
    /// [`Storage::Auto`] are rounded, to `s_i = max_j x_ij / 255`.
    U8,
}

/// What products with the data are made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Numbers of f32.
    #[default]
    F32,
    /// Halves, on the tensor cores of a GPU that offers cooperative matrices of f16 with sums of f32. X is stored as halves,
    /// Ψ and H are rounded to them (65,504 at most, and 11 bits), and a fit ends with iterations in f32.
    F16,
}

/// Entries are taken for whole multiples of a scale up to this, relative: what the scaling of the data and the division by
/// the scale may have lost.
const NEAR: f32 = 4.0 * f32::EPSILON;

impl Storage {
    /// Of samples that are not all looked at before they are stored.
    pub(crate) fn of_stream(self) -> Self {
        if self == Self::Auto { Self::F32 } else { self }
    }

    /// What this comes to for `x` on a GPU.
    ///
    /// # Errors
    /// [`Error::Data`] where it cannot hold `x`: negative numbers as bytes, numbers too large for halves, what is not finite.
    pub fn resolve<E: Element>(self, x: ArrayView2<'_, E>) -> Result<Self> {
        let rows = || x.axis_iter(Axis(0)).into_par_iter();
        match self {
            Self::F32 => {}
            Self::Auto if rows().all(|row| scale_of_bytes(&narrow(row)).is_some()) => return Ok(Self::U8),
            Self::Auto => return Ok(Self::F32),
            Self::U8 => {
                let bad = |row: ArrayView1<'_, E>| row.iter().find(|v| !(**v >= E::zero() && v.is_finite())).copied();
                if let Some(v) = rows().find_map_first(bad) {
                    return Err(Error::Data(format!(
                        "stored as u8, X takes finite numbers of at least 0, found {v:?}"
                    )));
                }
            }
            Self::F16 => {
                let larger = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) };
                let of_row = |row: ArrayView1<'_, E>| row.fold(0.0, |most, v| larger(most, v.f64().abs()));
                let most = rows().map(of_row).reduce(|| 0.0, larger);
                let (least, limit) = (f16::MIN_POSITIVE.to_f64(), f16::MAX.to_f64());
                if !(most <= limit && (most >= least || most == 0.0)) {
                    return Err(Error::Data(format!(
                        "stored as f16, X takes a largest magnitude from {least:.1e} to {limit}, found {most:e}; scale it"
                    )));
                }
            }
        }
        Ok(self)
    }

    /// Bytes of an entry.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Auto | Self::F32 => 4,
            Self::F16 => 2,
            Self::U8 => 1,
        }
    }

    /// Writes a row into the first bytes of `out`; returns its scale. For [`Storage::F16`] and [`Storage::U8`].
    pub(crate) fn encode(self, row: &[f32], out: &mut [u8]) -> f32 {
        if self == Self::U8 {
            let most = row.iter().fold(0.0, |most: f32, v| most.max(*v));
            let scale = scale_of_bytes(row).unwrap_or(most / 255.0);
            // Less than that devices may take for 0.
            let scale = if scale < f32::MIN_POSITIVE { 0.0 } else { scale };
            for (byte, v) in out.iter_mut().zip(row) {
                *byte = if scale > 0.0 { nearest(v / scale) as u8 } else { 0 };
            }
            return scale;
        }
        for (bytes, v) in out.chunks_exact_mut(2).zip(row) {
            bytes.copy_from_slice(&half(*v).to_le_bytes());
        }
        1.0
    }

    /// The row that [`Storage::encode`] made these bytes and this scale of.
    pub(crate) fn decode(self, bytes: &[u8], scale: f32, mut row: ArrayViewMut1<'_, f32>) {
        match self {
            Self::U8 => row.iter_mut().zip(bytes).for_each(|(v, byte)| *v = scale * f32::from(*byte)),
            _ => {
                let halves = bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]));
                row.iter_mut().zip(halves).for_each(|(v, half)| *v = half.to_f32());
            }
        }
    }

    /// `x` as it is after it was stored; for the storages that [`Storage::resolve`] returns.
    pub(crate) fn round<E: Element>(self, x: Rows<'_, E>) -> ArcArray2<E> {
        if self == Self::F32 {
            return x.into_shared();
        }
        let mut rounded = x.into_owned();
        rounded.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| {
            let mut numbers = narrow(row.view());
            let mut bytes = vec![0; numbers.len() * self.bytes()];
            let scale = self.encode(&numbers, &mut bytes);
            self.decode(&bytes, scale, ArrayViewMut1::from(&mut numbers[..]));
            row.iter_mut().zip(numbers).for_each(|(v, number)| *v = E::of(number.into()));
        });
        Rows::from(rounded).into_shared()
    }
}

impl std::fmt::Display for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U8 => "u8",
        })
    }
}

pub(crate) fn narrow<E: Element>(row: ArrayView1<'_, E>) -> Vec<f32> {
    row.iter().map(|v| v.f64() as f32).collect()
}

/// The nearest half that is 0 or not subnormal: the others some devices take for 0.
fn half(v: f32) -> f16 {
    let (half, least) = (f16::from_f32(v), f16::MIN_POSITIVE);
    if half.is_normal() || half == f16::ZERO {
        return half;
    }
    let magnitude = if half.to_f32().abs() < least.to_f32() / 2.0 { f16::ZERO } else { least };
    if v < 0.0 { -magnitude } else { magnitude }
}

/// The s with which all entries of a row are s times a byte, to within roundings; None where there is none.
fn scale_of_bytes(row: &[f32]) -> Option<f32> {
    let most = row.iter().fold(0.0, |most: f32, v| most.max(*v));
    if !most.is_finite() || row.iter().any(|v| v.is_nan() || *v < 0.0) {
        return None;
    }
    // Zeros and the largest value fit any scale.
    let Some(first) = row.iter().position(|v| *v != 0.0 && *v != most) else {
        return Some(most / 255.0);
    };
    (1..=255_u8).rev().map(|byte| most / f32::from(byte)).find(|scale| {
        let fits = |v: &f32| {
            let multiple = v / scale;
            (multiple - nearest(multiple)).abs() <= NEAR * multiple
        };
        // Some at a time without a way out between them, so that they are compared side by side.
        row[first..].chunks(64).all(|some| some.iter().fold(true, |all, v| all & fits(v)))
    })
}

/// The whole number nearest to one of at most 2²², to the even one of two. Two additions, side by side for several numbers, where
/// `round` is a call for each.
fn nearest(v: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (v + SHIFT) - SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    /// Rows of bytes as an image set has them, and the same with unit norm.
    fn images() -> (Array2<f32>, Array2<f32>) {
        let bytes = Array2::from_shape_fn((40, 97), |(i, j)| {
            let byte = (i * 7919 + j * 104_729 + i * i * j * 31) % 256;
            // Some are dark all over, some empty but for a few.
            (if i % 3 == 0 {
                byte % 50
            } else if i % 7 == 0 {
                byte / 250
            } else {
                byte
            }) as f32
        });
        let mut unit = bytes.clone();
        for mut row in unit.rows_mut() {
            let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32;
            row.mapv_inplace(|v| if norm > 0.0 { v / norm } else { v });
        }
        (bytes, unit)
    }

    #[test]
    fn bytes_are_found_whatever_they_were_scaled_by() {
        let (bytes, unit) = images();
        let shares = bytes.mapv(|v| v / 255.0);
        for x in [&bytes, &unit, &shares, &unit.mapv(|v| v * 3e-5)] {
            assert_eq!(Storage::Auto.resolve(x.view()).unwrap(), Storage::U8);
            let rounded = Storage::U8.round(x.view().into());
            for (r, v) in rounded.iter().zip(x) {
                assert!((r - v).abs() <= 2.0 * NEAR * v, "{r} {v}");
            }
            // Once rounded, for good.
            assert_eq!(Storage::Auto.resolve(rounded.view()).unwrap(), Storage::U8);
        }
        let mut other = unit.clone();
        other[[17, 50]] *= 1.001;
        for x in [other, unit.mapv(f32::sqrt), unit.mapv(|v| -v), array![[f32::NAN, 1.0]], array![[0.1, 0.2, 0.7001]]] {
            assert_eq!(Storage::Auto.resolve(x.view()).unwrap(), Storage::F32);
        }
        assert_eq!(Storage::Auto.resolve(Array2::<f64>::zeros((2, 3)).view()).unwrap(), Storage::U8);
    }

    #[test]
    fn other_data_are_rounded_to_the_nearest_step() {
        let x =
            Array2::from_shape_fn((9, 31), |(i, j)| ((i * 31 + j) as f32).sin().abs() * 10.0_f32.powi(i as i32 - 4));
        let (bytes, halves) = (Storage::U8.round(x.view().into()), Storage::F16.round(x.view().into()));
        for (i, row) in x.rows().into_iter().enumerate() {
            let most = row.iter().fold(0.0, |m: f32, v| m.max(*v));
            for (j, v) in row.iter().enumerate() {
                assert!((bytes[[i, j]] - v).abs() <= most * 0.5001 / 255.0, "{v}");
                let bound = (v * 4.9e-4).max(f16::MIN_POSITIVE.to_f32() / 2.0);
                assert!((halves[[i, j]] - v).abs() <= bound, "{v}: {}", halves[[i, j]]);
                assert!(half(*v).is_normal() || half(*v) == f16::ZERO);
            }
        }
        assert_eq!(Storage::F16.round(array![[-1.5_f64, 0.0, 65_504.0]].into()), array![[-1.5, 0.0, 65_504.0]]);
        assert_eq!(Storage::F32.round(x.view().into()), x);
        assert_eq!(Storage::U8.round(array![[1e-45_f32, 0.0]].into()), array![[0.0, 0.0]]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let message = |storage: Storage, x: Array2<f32>| storage.resolve(x.view()).unwrap_err().to_string();
        assert!(message(Storage::U8, array![[1.0, -0.5]]).contains("-0.5"));
        assert!(message(Storage::F16, array![[1.0, -7e4]]).contains("7e4"));
        assert!(message(Storage::F16, array![[1e-6, 0.0]]).contains("scale it"));
        assert!(Storage::F16.resolve(array![[f32::NAN]].view()).is_err());
        assert!(Storage::F16.resolve(array![[0.0_f32]].view()).is_ok());
    }
}

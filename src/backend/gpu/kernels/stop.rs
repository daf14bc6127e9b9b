//! `shaders/stop.wgsl`: counts an iteration and ends the loop where its rule is met.

use super::super::matrix::{Matrix, Scalars};
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use crate::backend::{Course, Device, Element, Standing, StopCheck, VERDICT};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    len: u32,
    slot: u32,
    verdict: u32,
    first: u32,
    exponent: i32,
    tol: f32,
    target_quanta: f32,
    start_known: u32,
    constant: [u32; 2],
    start: [u32; 2],
    patience: u32,
    made: f32,
    small: u32,
}

pub(super) const SPEC: Spec =
    Spec::new::<Params>("stop", include_str!("../../../../shaders/stop.wgsl"), &[false, true, true]);

/// Bits of the constant in quanta. A part of a sum may have 48, so that 256 parts of 64 terms fit 63.
const BITS: i32 = 44;

/// Whole numbers of 2^exponent, as far as the shader takes them.
#[derive(Debug, Clone, Copy)]
struct Quanta {
    exponent: i32,
}

impl Quanta {
    /// For an objective with this constant.
    fn of(constant: f64) -> Self {
        // Nothing but zeros has any quanta; they need only be there.
        let largest = constant.clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
        #[expect(clippy::cast_possible_truncation, reason = "the exponent of an f32")]
        let exponent = largest.log2().floor() as i32;
        Self { exponent: exponent - BITS }
    }

    fn count(self, v: f64) -> f64 {
        v / f64::from(self.exponent).exp2()
    }

    /// Low and high word; None where it is too large, or no number.
    fn words(self, v: f64) -> Option<[u32; 2]> {
        let count = self.count(v).round();
        // Far less than 63 bits, so that the difference of two is right.
        #[expect(clippy::cast_possible_truncation, reason = "what has more bits is not used")]
        let [low, high]: [u32; 2] = bytemuck::cast((count as i64).to_le());
        (count.abs() < 60.0_f64.exp2()).then_some([low, high])
    }
}

pub(in super::super) fn record<D: Device<Matrix = Matrix, Scalars = Scalars>>(
    recorder: &mut Recorder,
    check: &StopCheck<'_, D>,
) -> Result<()> {
    let quanta = Quanta::of(check.constant);
    let start = check.start.and_then(|start| quanta.words(start.before));
    let target = check.stop.target_error.map(|target| f32::of(quanta.count(target * target * check.constant)));
    let params = Params {
        len: word(check.weights.cols)?,
        slot: word(check.first)?,
        verdict: word(check.verdict)?,
        first: check.start.is_some().into(),
        // An f32 of exponent bits e is a whole number times 2^(e − 150).
        exponent: quanta.exponent + 150,
        tol: f32::of(check.stop.tol),
        // No residual is that far below 0.
        target_quanta: target.unwrap_or(f32::MIN),
        start_known: start.is_some().into(),
        constant: quanta.words(check.constant).unwrap_or_default(),
        start: start.unwrap_or_default(),
        patience: match check.stop.course {
            Course::Plain => 0,
            Course::Trials { patience } => patience,
        },
        made: check.start.map_or(0.0, |start| start.made as f32),
        small: check.start.map_or(0, |start| start.small),
    };
    let gate = recorder.gate.buffer();
    recorder.gate.note_check();
    recorder.dispatch_always(&SPEC, &[check.weights.vector()?, &check.sums.buffer, &gate], &params)
}

/// [`Backend::standing`](crate::backend::Backend::standing): the third number is f_before in quanta, the fifth whether it is known.
pub(in super::super) fn standing(constant: f64, [made, _, before, small, known]: [f64; VERDICT]) -> Standing {
    let before = if known > 0.0 { before * f64::from(Quanta::of(constant).exponent).exp2() } else { f64::NAN };
    #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
    let (made, small) = (made as usize, small as u32);
    Standing { made, before, small }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quanta_are_of_the_constant() {
        for constant in [1.0, 1.5, 3e-7, 6e30] {
            let q = Quanta::of(constant);
            let [low, high] = q.words(constant).unwrap();
            let count = (u64::from(high) << 32 | u64::from(low)) as f64;
            assert!((44.0_f64.exp2()..45.0_f64.exp2()).contains(&count), "{constant}: {count}");
            assert!((count - q.count(constant)).abs() <= 0.5);
        }
        let q = Quanta::of(1.0);
        assert_eq!(q.words(-f64::from(-44).exp2()), Some([u32::MAX, u32::MAX]));
        assert_eq!((q.words(f64::NAN), q.words(1e5), q.words(f64::INFINITY)), (None, None, None));
        assert_eq!(Quanta::of(0.0).words(0.0), Some([0, 0]));
    }
}

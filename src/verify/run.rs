//! The checks, file by file.

use super::verifier::{Check, Verifier};
use super::{descent, formulas, fused, products, small, stop, training};
use crate::Result;
use crate::backend::Backend;

/// A file of checks.
type Checks<B> = fn(&mut Verifier<'_, B>) -> Result<()>;

/// Runs all checks on `b`, reports each as it is done, and returns them.
///
/// # Errors
/// Whatever the backend reports; a wrong result is no error but a [`Check`] that did not pass.
pub fn verify<B: Backend<Elem = f32>>(b: &mut B, report: &mut dyn FnMut(&Check)) -> Result<Vec<Check>> {
    let mut v = Verifier::new(b, report);
    // Each with random numbers of its own: a check more in one leaves the data of the others as they are.
    let parts: [Checks<B>; 7] =
        [products::run, formulas::run, small::run, descent::run, fused::run, training::run, stop::run];
    for (stream, part) in (0..).zip(parts) {
        v.rng.set_stream(stream);
        v.rng.set_word_pos(0);
        part(&mut v)?;
    }
    Ok(v.checks)
}

/// Of [`verify`] the products and sums alone.
///
/// # Errors
/// As [`verify`].
pub fn verify_products<B: Backend<Elem = f32>>(b: &mut B, report: &mut dyn FnMut(&Check)) -> Result<Vec<Check>> {
    let mut v = Verifier::new(b, report);
    products::run(&mut v)?;
    Ok(v.checks)
}

/// Of [`verify`] the elementwise formulas alone.
///
/// # Errors
/// As [`verify`].
pub fn verify_formulas<B: Backend<Elem = f32>>(b: &mut B, report: &mut dyn FnMut(&Check)) -> Result<Vec<Check>> {
    let mut v = Verifier::new(b, report);
    formulas::run(&mut v)?;
    Ok(v.checks)
}

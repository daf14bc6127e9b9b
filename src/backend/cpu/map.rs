//! Elementwise formulas: blocks of rows side by side, each a loop of the formula's own.

use crate::Result;
use crate::backend::formula::{Lines, Values};
use crate::backend::host::products::not_row_major;
use crate::backend::host::rows_per_task;
use crate::backend::{Element, Operand};
use ndarray::ArcArray2;
use rayon::prelude::*;

/// `compute` on all rows; the operands fit each other.
pub(crate) fn map<E: Element>(
    compute: fn(Lines<'_, E>),
    outputs: &mut [&mut ArcArray2<E>],
    inputs: &[Operand<'_, ArcArray2<E>>],
) -> Result<()> {
    let (rows, cols) = outputs[0].dim();
    if rows * cols == 0 {
        return Ok(());
    }
    fn entries<E>(m: &ArcArray2<E>) -> Result<&[E]> {
        m.as_slice().ok_or_else(not_row_major)
    }
    let all = inputs.iter().map(|input| {
        Ok(match input {
            Operand::Each(m) => Values::Each(entries(m)?),
            Operand::Columns(d) => Values::Columns(entries(d)?),
            Operand::Rows(d) => Values::Rows(entries(d)?),
            Operand::Entry(d, at) => Values::Number(d[[0, *at]]),
            Operand::Number(number) => Values::Number(E::of(*number)),
            Operand::Diagonal(number) => Values::Diagonal(E::of(*number)),
        })
    });
    let all = all.collect::<Result<Vec<Values<'_, E>>>>()?;
    let (block, count) = (rows_per_task(cols), outputs.len());
    let mut parts: Vec<Vec<&mut [E]>> = (0..rows.div_ceil(block)).map(|_| Vec::with_capacity(count)).collect();
    for out in outputs {
        let out = out.as_slice_mut().ok_or_else(not_row_major)?;
        parts.iter_mut().zip(out.chunks_mut(block * cols)).for_each(|(part, rows)| part.push(rows));
    }
    let solve = |(i, outputs): (usize, Vec<&mut [E]>)| {
        let first = i * block;
        let inputs = all.iter().map(|input| match *input {
            Values::Each(m) => Values::Each(&m[first * cols..][..outputs[0].len()]),
            other => other,
        });
        let inputs = inputs.collect();
        compute(Lines { cols, first, outputs, inputs });
    };
    match parts.len() {
        // Not worth another thread's waking up.
        1 => parts.into_iter().enumerate().for_each(solve),
        _ => parts.into_par_iter().enumerate().for_each(solve),
    }
    Ok(())
}

//! The same misuse, the same error: the shape checks that every backend makes.

use super::{Backend, By, ColumnSums, MatMul, Momentum, NesterovRows, NesterovStep, Write};
use crate::{Error, Result};

pub(crate) type Shape = (usize, usize);

pub(crate) fn same(what: &'static str, expected: Shape, found: Shape) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::shape(what, expected, found)) }
}

pub(crate) fn square(what: &'static str, m: Shape) -> Result<usize> {
    same(what, (m.0, m.0), m)?;
    Ok(m.0)
}

pub(crate) fn product(op: MatMul, a: Shape, b: Shape, out: Shape) -> Result<(usize, usize, usize)> {
    let what = match op {
        MatMul::NN => "product A·B",
        MatMul::TN => "product Aᵀ·B",
        MatMul::NT => "product A·Bᵀ",
    };
    let (m, k, n) = op.shape(a, b).ok_or_else(|| Error::Shape {
        what,
        expected: format!("the inner sizes of {}×{} and {}×{} to agree", a.0, a.1, b.0, b.1),
        found: "that they do not".into(),
    })?;
    same(what, (m, n), out)?;
    Ok((m, k, n))
}

pub(crate) fn column_sums(m: Shape, what: ColumnSums, write: Write, out: Shape) -> Result<()> {
    if what == ColumnSums::SumSquared && write == Write::Add {
        return Err(Error::Config("squares of column sums are of one matrix, and are not added".into()));
    }
    same("column sums", (1, m.1), out)
}

pub(crate) fn slot(len: usize, slot: usize) -> Result<()> {
    if slot < len {
        Ok(())
    } else {
        Err(Error::Shape { what: "slot of a sum", expected: format!("less than {len}"), found: slot.to_string() })
    }
}

/// All but the slot of the restart test.
pub(crate) fn nesterov_step<B: Backend>(b: &B, step: &NesterovStep<'_, B>) -> Result<()> {
    let x = b.shape(step.x);
    same("Nesterov step, y", x, b.shape(step.y))?;
    same("Nesterov step, gradient", x, b.shape(step.gradient))?;
    same("Nesterov step, right side", x, b.shape(step.rhs))?;
    same("Nesterov step, metric of the columns", (1, x.1), b.shape(step.right))?;
    if let Some(left) = step.left {
        same("Nesterov step, metric of the rows", (1, x.0), b.shape(left))?;
    }
    if let Some((_, sums)) = step.column_sums {
        same("Nesterov step, column sums", (1, x.1), b.shape(sums))?;
    }
    if let Momentum::Restart { state, .. } = &step.momentum {
        same("momentum", (1, 2), b.shape(state))?;
    }
    Ok(())
}

pub(crate) fn nesterov_rows<B: Backend>(b: &B, block: &NesterovRows<'_, B::Matrix>, x: &B::Matrix) -> Result<()> {
    let (rows, k) = b.shape(x);
    same("Nesterov on rows, gram", (k, k), b.shape(block.gram))?;
    same("Nesterov on rows, right side", (rows, k), b.shape(block.rhs))?;
    same("Nesterov on rows, metric of the columns", (1, k), b.shape(block.right))
}

pub(crate) fn nearest(products: Shape, halves: Shape, membership: Shape) -> Result<()> {
    same("nearest centres, at least one", (products.0, products.1.max(1)), products)?;
    same("nearest centres, halves of their squares", (1, products.1), halves)?;
    same("nearest centres, membership", products, membership)
}

pub(crate) fn search_state(state: Shape) -> Result<()> {
    same("state of a line search", (1, 3), state)
}

pub(crate) fn search_trial(x: Shape, others: [Shape; 3], state: Shape) -> Result<()> {
    for (what, shape) in ["line search, gradient", "line search, trial", "line search, move"].into_iter().zip(others) {
        same(what, x, shape)?;
    }
    search_state(state)
}

pub(crate) fn scale<B: Backend>(b: &B, m: &B::Matrix, by: By<'_, B::Matrix>) -> Result<()> {
    let (rows, cols) = b.shape(m);
    match by {
        By::Columns(d) => same("scale of the columns", (1, cols), b.shape(d)),
        By::Rows(d) => same("scale of the rows", (1, rows), b.shape(d)),
        By::Entry(d, at) => slot(b.shape(d).1, at),
    }
}

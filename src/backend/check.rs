//! The same misuse, the same error: the shape checks that every backend makes.

use super::formula::{Formula, Input, Operand, Output};
use super::{
    ColumnSums, Combination, Curvature, Descent, Device, EXTRAPOLATION, MatMul, NesterovBlock, NesterovStep, StopCheck,
};
use super::{VERDICT, Write};
use crate::{Error, Result};

type Shape = (usize, usize);

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

/// As many slots as there are columns, from the first on.
pub(crate) fn slots(len: usize, first: usize, columns: usize) -> Result<()> {
    slot(len, first.saturating_add(columns.max(1) - 1))
}

pub(crate) fn spectral<D: Device>(d: &D, gram: &D::Matrix, out: &Curvature<D::Matrix>) -> Result<()> {
    let k = square("gram", d.shape(gram))?;
    same("metric of a gram", (1, k), d.shape(&out.scale))?;
    same("vector of a power iteration", (1, k), d.shape(&out.vector))
}

pub(crate) fn nesterov_step<D: Device>(d: &D, step: &NesterovStep<'_, D>) -> Result<()> {
    let (rows, k) = d.shape(step.x);
    for (what, m) in [("point", &*step.y), ("gradient", &*step.gradient), ("right side", step.rhs)] {
        same(what, (rows, k), d.shape(m))?;
    }
    same("metric of the columns", (1, k), d.shape(step.right))?;
    step.left.map_or(Ok(()), |left| same("metric of the rows", (1, rows), d.shape(left)))
}

pub(crate) fn nesterov_block<D: Device>(d: &D, block: &NesterovBlock<'_, D::Matrix>, x: &D::Matrix) -> Result<()> {
    let (rows, k) = d.shape(x);
    same("Nesterov's method, Gram", (k, k), d.shape(block.gram))?;
    same("Nesterov's method, right side", (rows, k), d.shape(block.rhs))?;
    same("Nesterov's method, metric of the columns", (1, k), d.shape(block.right))?;
    let Some((a, left)) = block.left else { return Ok(()) };
    same("Nesterov's method, Gram on the left", (rows, rows), d.shape(a))?;
    same("Nesterov's method, metric of the rows", (1, rows), d.shape(left))
}

pub(crate) fn descent<D: Device>(d: &D, block: &Descent<'_, D::Matrix>, x: &D::Matrix) -> Result<()> {
    let (rows, k) = d.shape(x);
    same("coordinate descent, Gram", (k, k), d.shape(block.gram))?;
    same("coordinate descent, right side", (rows, k), d.shape(block.rhs))?;
    match block.left {
        Some(left) => same("coordinate descent, Gram on the left", (rows, rows), d.shape(left)),
        None => Ok(()),
    }
}

/// All but the slots.
pub(crate) fn judge<B: Device>(b: &B, f: &Combination<'_, B>, state: &B::Matrix) -> Result<()> {
    let (rows, terms) = b.shape(f.weights);
    same("weights of an objective", (1, terms), (rows, terms))?;
    same("state of the extrapolation", (1, EXTRAPOLATION.len()), b.shape(state))
}

/// `len` sums there are.
pub(crate) fn stop<B: Device>(b: &B, check: &StopCheck<'_, B>, len: usize) -> Result<()> {
    let (rows, terms) = b.shape(check.weights);
    same("weights of an objective", (1, terms.max(2)), (rows, terms))?;
    slots(len, check.first, terms)?;
    slots(len, check.verdict, VERDICT)
}

pub(crate) fn nearest(products: Shape, half_norms: Shape, membership: Shape) -> Result<()> {
    same("nearest centres, at least one", (products.0, products.1.max(1)), products)?;
    same("nearest centres, half their squared norms", (1, products.1), half_norms)?;
    same("nearest centres, membership", products, membership)
}

/// Whether operands fit a formula and each other, the same on every device.
///
/// # Errors
/// [`Error::Config`] for a number or kind of operands that the formula does not take, [`Error::Shape`] for shapes that do not fit.
pub fn check_operands<D: Device + ?Sized>(
    device: &D,
    formula: Formula,
    outputs: &[&mut D::Matrix],
    inputs: &[Operand<'_, D::Matrix>],
) -> Result<()> {
    let row = formula.row::<D::Elem>();
    let (expected, found) = ((row.outputs.len(), row.inputs.len()), (outputs.len(), inputs.len()));
    if expected != found {
        return Err(Error::Config(format!(
            "{}: expected {} outputs and {} inputs, found {} and {}",
            row.name, expected.0, expected.1, found.0, found.1
        )));
    }
    let say = |name: &str, (rows, cols): (usize, usize)| format!("{name} of {rows}×{cols}");
    let shape = device.shape(outputs[0]);
    let same = |name: &str, expected: (usize, usize), found: (usize, usize)| match expected == found {
        true => Ok(()),
        false => Err(Error::Shape { what: row.name, expected: say(name, expected), found: say(name, found) }),
    };
    for (Output(name, _), out) in row.outputs.iter().zip(outputs) {
        same(name, shape, device.shape(out))?;
    }
    for (Input(name, kinds, _), input) in row.inputs.iter().zip(inputs) {
        if !kinds.contains(&input.kind()) {
            return Err(Error::Config(format!("{}: {name} cannot be {:?}", row.name, input.kind())));
        }
        match input {
            Operand::Each(m) => same(name, shape, device.shape(m))?,
            Operand::Columns(d) => same(name, (1, shape.1), device.shape(d))?,
            Operand::Rows(d) => same(name, (1, shape.0), device.shape(d))?,
            Operand::Entry(d, at) => {
                let (rows, cols) = device.shape(d);
                same(name, (1, cols.max(at + 1)), (rows, cols))?;
            }
            Operand::Number(_) | Operand::Diagonal(_) => {}
        }
    }
    Ok(())
}

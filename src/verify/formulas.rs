//! Every row of the table of elementwise formulas, with every kind of operand that it takes.

use super::verifier::{Data, Verifier, wide};
use crate::Result;
use crate::backend::formula::{FLOOR, Formula, Input, Kind, Operand, Output, Range};
use crate::backend::{Backend, Element, map};
use ndarray::{ArcArray2, Array2};

/// One, a tile, its neighbours, primes.
const SHAPES: [(usize, usize); 5] = [(1, 1), (64, 64), (65, 63), (131, 67), (1031, 3)];
/// Entries of a vector of which one is an operand, and which.
const ENTRIES: (usize, usize) = (5, 3);

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for formula in Formula::all() {
        let inputs = formula.row::<f64>().inputs;
        let flags = inputs.iter().filter(|Input(_, _, range)| *range == Range::Flag).count();
        for kinds in formula.combinations() {
            for shape in SHAPES {
                // Every combination of the flags.
                for flags in 0..1 << flags {
                    compare(v, formula, &kinds, shape, flags)?;
                }
            }
        }
    }
    Ok(())
}

/// An operand on the host.
enum Drawn {
    Matrix(Array2<f32>),
    Number(f32),
}

fn draw<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    shape: (usize, usize),
    range: Range,
    flag: f32,
) -> Array2<f32> {
    // Small, large, beyond every overflow, at and past the clamp.
    const SPECIAL: [f32; 14] = [0.0, 1e-20, 1e-6, 1e-3, 0.249, 0.25, 0.5, 0.95, 1.0, 1.5, 20.0, 90.0, 1e4, 1e9];
    let (rows, cols) = shape;
    match range {
        Range::Signed => v.data(rows, cols, Data::Signed),
        Range::Nonnegative => v.data(rows, cols, Data::Nonnegative),
        Range::Positive => v.data(rows, cols, Data::Nonnegative) + 1.0,
        Range::Flag => Array2::from_elem(shape, flag),
        Range::Least => Array2::from_elem(shape, f32::of(FLOOR)),
        Range::Wide | Range::WideNonnegative => {
            let mut wide = v.data(rows, cols, Data::Nonnegative);
            for (i, x) in wide.iter_mut().enumerate() {
                match i % 3 {
                    0 => *x *= 6.0,
                    1 => *x = SPECIAL[(i / 3) % SPECIAL.len()],
                    _ => {}
                }
                if range == Range::Wide && i % 2 == 1 {
                    *x = -*x;
                }
            }
            wide
        }
    }
}

/// The formula on the device and in f64, from the same operands.
fn compare<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    formula: Formula,
    kinds: &[Kind],
    (rows, cols): (usize, usize),
    flags: usize,
) -> Result<()> {
    let row = formula.row::<f64>();
    // What is in an output that is only written must not matter.
    let of_output =
        |v: &mut Verifier<'_, B>, Output(_, range): &Output| draw(v, (rows, cols), range.unwrap_or(Range::Signed), 0.0);
    let before: Vec<Array2<f32>> = row.outputs.iter().map(|output| of_output(v, output)).collect();
    let mut flag = 0;
    let mut drawn = Vec::new();
    for (Input(_, _, range), kind) in row.inputs.iter().zip(kinds) {
        let shape = match kind {
            Kind::Each => (rows, cols),
            Kind::Columns => (1, cols),
            Kind::Rows => (1, rows),
            Kind::Entry => (1, ENTRIES.0),
            Kind::Number | Kind::Diagonal => (1, 1),
        };
        let values = draw(v, shape, *range, ((flags >> flag) & 1) as f32);
        flag += usize::from(*range == Range::Flag);
        drawn.push(match kind {
            Kind::Number | Kind::Diagonal => Drawn::Number(values[[0, 0]]),
            _ => Drawn::Matrix(values),
        });
    }
    let on_device = drawn.iter().map(|drawn| match drawn {
        Drawn::Matrix(m) => v.b.upload(m.view()).map(Some),
        Drawn::Number(_) => Ok(None),
    });
    let on_device = on_device.collect::<Result<Vec<Option<B::Matrix>>>>()?;
    let mut outputs = before.iter().map(|m| v.b.upload(m.view())).collect::<Result<Vec<B::Matrix>>>()?;
    let inputs: Vec<_> =
        kinds.iter().zip(&drawn).zip(&on_device).map(|((k, d), m)| operand(*k, d, m.as_ref())).collect();
    v.b.map(formula, &mut outputs.iter_mut().collect::<Vec<_>>(), &inputs)?;

    let wide_inputs: Vec<Option<ArcArray2<f64>>> = drawn
        .iter()
        .map(|drawn| match drawn {
            Drawn::Matrix(m) => Some(wide(m)),
            Drawn::Number(_) => None,
        })
        .collect();
    let inputs: Vec<_> =
        kinds.iter().zip(&drawn).zip(&wide_inputs).map(|((k, d), m)| operand(*k, d, m.as_ref())).collect();
    let before: Vec<ArcArray2<f64>> = before.iter().map(|m| wide(m)).collect();
    let mut expected = before.clone();
    map(row.compute, &mut expected.iter_mut().collect::<Vec<_>>(), &inputs)?;
    let mut bounds = expected.clone();
    let inputs: Vec<_> = before.iter().map(Operand::Each).chain(inputs).collect();
    map(row.bound, &mut bounds.iter_mut().collect::<Vec<_>>(), &inputs)?;
    for (((Output(name, _), found), expected), bound) in row.outputs.iter().zip(&outputs).zip(&expected).zip(&bounds) {
        // Kinds where there is a choice, and flags.
        let choices = row.inputs.iter().zip(kinds).filter(|(Input(_, kinds, _), _)| kinds.len() > 1);
        let mut how: String = choices.map(|(Input(name, ..), kind)| format!(", {name} by {kind:?}")).collect();
        if flag > 0 {
            how += &format!(", flags {flags:0flag$b}");
        }
        v.compare_matrix(format!("{} {rows}×{cols}, {name}{how}", row.name), found, expected, bound)?;
    }
    Ok(())
}

fn operand<'a, M>(kind: Kind, drawn: &Drawn, m: Option<&'a M>) -> Operand<'a, M> {
    match (kind, drawn, m) {
        (Kind::Each, _, Some(m)) => Operand::Each(m),
        (Kind::Columns, _, Some(m)) => Operand::Columns(m),
        (Kind::Rows, _, Some(m)) => Operand::Rows(m),
        (Kind::Entry, _, Some(m)) => Operand::Entry(m, ENTRIES.1),
        (Kind::Diagonal, Drawn::Number(number), _) => Operand::Diagonal((*number).into()),
        (_, Drawn::Number(number), _) => Operand::Number((*number).into()),
        // Drawn as the kind says.
        (_, Drawn::Matrix(_), _) => Operand::Number(f64::NAN),
    }
}

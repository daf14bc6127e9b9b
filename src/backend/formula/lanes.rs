//! The loop of an elementwise formula on the CPU: rows in lanes of a fixed number of entries, which the compiler makes vectors
//! of.

use crate::backend::Element;
use pulp::Arch;
use std::array::from_fn;

/// Entries that are computed side by side.
const LANES: usize = 16;

/// Some whole rows of all operands of a formula.
#[derive(Debug)]
pub struct Lines<'a, E> {
    /// Columns.
    pub cols: usize,
    /// The number of the first row in the whole matrix.
    pub first: usize,
    /// The rows of the outputs, one after the other.
    pub outputs: Vec<&'a mut [E]>,
    /// The inputs.
    pub inputs: Vec<Values<'a, E>>,
}

/// An input of [`Lines`].
#[derive(Debug, Clone, Copy)]
pub enum Values<'a, E> {
    /// The same rows of a matrix.
    Each(&'a [E]),
    /// An entry per column.
    Columns(&'a [E]),
    /// An entry per row of the whole matrix.
    Rows(&'a [E]),
    /// A number.
    Number(E),
    /// A number where row and column are equal, else 0.
    Diagonal(E),
}

/// An input of one line.
#[derive(Clone, Copy)]
enum Line<'a, E> {
    Entries(&'a [E]),
    Number(E),
    /// A number at that place, else 0.
    At(usize, E),
}

impl<E: Element> Line<'_, E> {
    /// Entries from `at` on.
    #[inline(always)]
    fn load(self, at: usize) -> [E; LANES] {
        match self {
            Self::Entries(entries) => load(&entries[at..]),
            Self::Number(number) => [number; LANES],
            Self::At(place, number) => from_fn(|l| if at + l == place { number } else { E::zero() }),
        }
    }
}

#[inline(always)]
fn load<E: Element>(from: &[E]) -> [E; LANES] {
    if let Some(all) = from.first_chunk() {
        return *all;
    }
    let mut lanes = [E::zero(); LANES];
    lanes[..from.len()].copy_from_slice(from);
    lanes
}

#[inline(always)]
fn store<E: Element>(lanes: &[E; LANES], to: &mut [E]) {
    match to.first_chunk_mut() {
        Some(all) => *all = *lanes,
        None => to.copy_from_slice(&lanes[..to.len()]),
    }
}

impl<E: Element> Lines<'_, E> {
    /// Replaces the outputs by what `formula` makes of them and the inputs, entry by entry.
    ///
    /// There have to be `O` outputs and `I` inputs.
    pub fn each<const O: usize, const I: usize>(self, formula: impl Fn([E; O], [E; I]) -> [E; O]) {
        let Self { cols, first, mut outputs, inputs } = self;
        debug_assert_eq!((outputs.len(), inputs.len()), (O, I));
        let all = outputs[0].len();
        // Where nothing depends on the place, all rows are one line.
        let flat = inputs.iter().all(|input| matches!(input, Values::Each(_) | Values::Number(_)));
        let length = if flat { all } else { cols }.max(1);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (i, start) in (0..all).step_by(length).enumerate() {
                    let lines: [Line<'_, E>; I] = from_fn(|n| match inputs[n] {
                        Values::Each(entries) => Line::Entries(&entries[start..start + length]),
                        Values::Columns(entries) => Line::Entries(&entries[..length]),
                        Values::Rows(entries) => Line::Number(entries[first + i]),
                        Values::Number(number) => Line::Number(number),
                        Values::Diagonal(number) => Line::At(first + i, number),
                    });
                    for at in (0..length).step_by(LANES) {
                        let end = (at + LANES).min(length);
                        let inputs: [[E; LANES]; I] = from_fn(|n| lines[n].load(at));
                        let mut out: [[E; LANES]; O] = from_fn(|n| load(&outputs[n][start + at..start + end]));
                        for l in 0..LANES {
                            let entry = formula(from_fn(|n| out[n][l]), from_fn(|n| inputs[n][l]));
                            for n in 0..O {
                                out[n][l] = entry[n];
                            }
                        }
                        for n in 0..O {
                            store(&out[n], &mut outputs[n][start + at..start + end]);
                        }
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of input, lines that are and are not whole lanes, and a part of the rows.
    #[test]
    fn every_entry_gets_its_operands() {
        for (first, rows, cols) in [(0, 1, 1), (0, 3, 16), (5, 4, 17), (2, 7, 33), (40, 2, 50)] {
            let numbers = |scale: f64| (0..rows * cols).map(|i| i as f64 * scale).collect::<Vec<f64>>();
            let (mut a, mut b, each) = (numbers(1.0), numbers(0.5), numbers(-3.0));
            let columns: Vec<f64> = (0..cols).map(|j| j as f64 * 1e3).collect();
            let of_rows: Vec<f64> = (0..first + rows).map(|i| i as f64 * 1e6).collect();
            let inputs = vec![
                Values::Each(&each[..]),
                Values::Columns(&columns),
                Values::Rows(&of_rows),
                Values::Number(0.125),
                Values::Diagonal(1e9),
            ];
            let lines = Lines { cols, first, outputs: vec![&mut a, &mut b], inputs };
            lines.each(|[a, b], [e, c, r, n, d]| [a + e + c + r + n + d, b - a]);
            for i in 0..rows {
                for j in 0..cols {
                    let (at, row) = (i * cols + j, (first + i) as f64 * 1e6);
                    let diagonal = if first + i == j { 1e9 } else { 0.0 };
                    let a_was = at as f64;
                    assert_eq!(a[at], a_was + each[at] + columns[j] + row + 0.125 + diagonal, "{rows}×{cols} {i} {j}");
                    assert_eq!(b[at], -0.5 * a_was);
                }
            }
        }
    }

    /// Without places all rows are one line.
    #[test]
    fn rows_may_be_one_line() {
        let (mut out, m) = (vec![1.0_f32; 21], vec![2.0_f32; 21]);
        let lines = Lines { cols: 3, first: 0, outputs: vec![&mut out], inputs: vec![Values::Each(&m)] };
        lines.each(|[out], [m]| [out + m]);
        assert!(out.iter().all(|v| *v == 3.0));
    }
}

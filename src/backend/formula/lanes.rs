//! The loop of an elementwise formula on the CPU: rows in lanes of a fixed number of entries, which the compiler makes vectors
//! of.

use crate::backend::Element;
use pulp::Arch;

/// Entries that are computed side by side.
const LANES: usize = 128;

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

impl<E: Element> Lines<'_, E> {
    /// Replaces the outputs by what `formula` makes of them and the inputs, entry by entry.
    ///
    /// There have to be `O` outputs and `I` inputs.
    #[inline(always)]
    pub fn each<const O: usize, const I: usize>(self, formula: impl Fn([E; O], [E; I]) -> [E; O]) {
        Arch::new().dispatch(Loop::<E, _, O, I> { lines: self, formula });
    }
}

/// The loop over lines, compiled for the registers that the processor has.
struct Loop<'a, E, F, const O: usize, const I: usize> {
    lines: Lines<'a, E>,
    formula: F,
}

impl<E: Element, F: Fn([E; O], [E; I]) -> [E; O], const O: usize, const I: usize> pulp::NullaryFnOnce
    for Loop<'_, E, F, O, I>
{
    type Output = ();

    // Loops over places, of all arrays at once: what the compiler makes vectors of.
    #[inline(always)]
    fn call(self) {
        let Lines { cols, first, mut outputs, inputs } = self.lines;
        debug_assert_eq!((outputs.len(), inputs.len()), (O, I));
        let all = outputs[0].len();
        // Where nothing depends on the place, all rows are one line.
        let flat = inputs.iter().all(|input| matches!(input, Values::Each(_) | Values::Number(_)));
        let length = if flat { all } else { cols }.max(1);
        let mut operands = [[E::zero(); LANES]; I];
        let mut out = [[E::zero(); LANES]; O];
        for (i, start) in (0..all).step_by(length).enumerate() {
            for n in 0..I {
                match inputs[n] {
                    Values::Rows(entries) => operands[n] = [entries[first + i]; LANES],
                    Values::Number(number) if i == 0 => operands[n] = [number; LANES],
                    _ => {}
                }
            }
            for at in (0..length).step_by(LANES) {
                let count = LANES.min(length - at);
                for n in 0..I {
                    match inputs[n] {
                        Values::Each(entries) => load(&entries[start + at..][..count], &mut operands[n]),
                        Values::Columns(entries) => load(&entries[at..][..count], &mut operands[n]),
                        Values::Diagonal(number) => {
                            operands[n] = [E::zero(); LANES];
                            if let Some(diagonal) = (first + i).checked_sub(at).and_then(|l| operands[n].get_mut(l)) {
                                *diagonal = number;
                            }
                        }
                        Values::Rows(_) | Values::Number(_) => {}
                    }
                }
                for n in 0..O {
                    load(&outputs[n][start + at..][..count], &mut out[n]);
                }
                for l in 0..count {
                    let (mut old, mut entries) = ([E::zero(); O], [E::zero(); I]);
                    for n in 0..O {
                        old[n] = out[n][l];
                    }
                    for n in 0..I {
                        entries[n] = operands[n][l];
                    }
                    let new = (self.formula)(old, entries);
                    for n in 0..O {
                        out[n][l] = new[n];
                    }
                }
                for n in 0..O {
                    let to = &mut outputs[n][start + at..][..count];
                    match to.first_chunk_mut() {
                        Some(all) => *all = out[n],
                        None => to.copy_from_slice(&out[n][..count]),
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn load<E: Element>(from: &[E], to: &mut [E; LANES]) {
    match from.first_chunk() {
        Some(all) => *to = *all,
        None => to[..from.len()].copy_from_slice(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of input, lines that are and are not whole lanes, and a part of the rows.
    #[test]
    fn every_entry_gets_its_operands() {
        for (first, rows, cols) in [(0, 1, 1), (0, 3, 16), (5, 4, 17), (2, 7, 33), (40, 2, 50), (127, 3, 300)] {
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
                for (j, column) in columns.iter().enumerate() {
                    let (at, row) = (i * cols + j, (first + i) as f64 * 1e6);
                    let diagonal = if first + i == j { 1e9 } else { 0.0 };
                    let a_was = at as f64;
                    assert_eq!(a[at], a_was + each[at] + column + row + 0.125 + diagonal, "{rows}×{cols} {i} {j}");
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

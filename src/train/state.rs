//! The state of a loop: all that its next iteration depends on, as a value that can be written down and read back.

use crate::backend::Backend;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, Read, Write};

/// What a loop, or a fit, carries from one iteration to the next. One method serves for writing and for reading, so that the two
/// cannot differ.
pub(crate) trait State<B: Backend> {
    /// Shows everything to `visitor`, always in the same order.
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()>;
}

/// Nothing beyond what a loop keeps itself.
impl<B: Backend> State<B> for () {
    fn visit(&mut self, _: &mut B, _: &mut Visitor<'_>) -> Result<()> {
        Ok(())
    }
}

impl<B: Backend> State<B> for f64 {
    fn visit(&mut self, _: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.number(self)
    }
}

impl<B: Backend, S: State<B>> State<B> for Vec<S> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        self.iter_mut().try_for_each(|state| state.visit(b, visitor))
    }
}

/// The matrices and numbers of a state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Name, rows and columns, in the order of the visit.
    pub(crate) matrices: Vec<(String, usize, usize)>,
    pub(crate) numbers: Vec<f64>,
}

/// Who goes through a state.
pub(crate) enum Visitor<'a> {
    /// Lists what is there, and takes the numbers.
    List(&'a mut Listed),
    /// Writes the matrices, row by row.
    Write(&'a mut dyn Write),
    /// Fills the matrices and the numbers from what was written.
    Read(Reading<'a>),
}

/// A state that is read: what was listed, up to where, and the bytes.
pub(crate) struct Reading<'a> {
    pub(crate) listed: &'a Listed,
    pub(crate) from: &'a mut BufReader<File>,
    matrices: usize,
    numbers: usize,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(listed: &'a Listed, from: &'a mut BufReader<File>) -> Self {
        Self { listed, from, matrices: 0, numbers: 0 }
    }

    /// Whether everything was taken.
    pub(crate) fn is_done(&self) -> bool {
        self.matrices == self.listed.matrices.len() && self.numbers == self.listed.numbers.len()
    }
}

impl Visitor<'_> {
    /// A matrix.
    pub(crate) fn matrix<B: Backend>(&mut self, b: &mut B, name: &str, m: &mut B::Matrix) -> Result<()> {
        self.begin(name, b.shape(m))?;
        match self {
            Self::List(_) => Ok(()),
            Self::Write(_) => self.write(b, name, m),
            Self::Read(_) => self.fill(b, name, m),
        }
    }

    /// A matrix of that name and shape begins. It follows in blocks of rows, unless it is only listed; into how many it is cut is not
    /// written down.
    pub(crate) fn begin(&mut self, name: &str, (rows, cols): (usize, usize)) -> Result<()> {
        match self {
            Self::List(listed) => listed.matrices.push((name.into(), rows, cols)),
            Self::Write(_) => {}
            Self::Read(reading) => {
                let found = reading.listed.matrices.get(reading.matrices);
                let found = found.map(|(name, rows, cols)| (name.as_str(), *rows, *cols));
                if found != Some((name, rows, cols)) {
                    let found = found.map_or("none".into(), |(n, rows, cols)| format!("{n}, {rows}×{cols}"));
                    return Err(Error::Data(format!(
                        "the checkpoint: expected a matrix {name}, {rows}×{cols}, found {found}; it is of another version or other settings"
                    )));
                }
                reading.matrices += 1;
            }
        }
        Ok(())
    }

    /// Writes the next rows.
    pub(crate) fn write<B: Backend>(&mut self, b: &mut B, name: &str, m: &B::Matrix) -> Result<()> {
        let Self::Write(to) = self else { return Ok(()) };
        write_rows(b, name, m, to)?.map_err(|e| Error::io("checkpoint", e))
    }

    /// Writes rows of another rank.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let Self::Write(to) = self else { return Ok(()) };
        to.write_all(bytes).map_err(|e| Error::io("checkpoint", e))
    }

    /// Passes over rows of another rank, where it reads.
    pub(crate) fn skip(&mut self, bytes: usize) -> Result<()> {
        let Self::Read(reading) = self else { return Ok(()) };
        let by = i64::try_from(bytes).map_err(|_| damaged("rows of other ranks"))?;
        reading.from.seek_relative(by).map_err(|e| Error::io("checkpoint", e))
    }

    /// Fills the next rows.
    pub(crate) fn fill<B: Backend>(&mut self, b: &mut B, name: &str, m: &mut B::Matrix) -> Result<()> {
        let Self::Read(reading) = self else { return Ok(()) };
        read_rows(b, name, m, reading.from)?.map_err(|e| Error::io("checkpoint", e))
    }

    /// A number of the host.
    pub(crate) fn number(&mut self, number: &mut f64) -> Result<()> {
        match self {
            Self::List(listed) => listed.numbers.push(*number),
            Self::Write(_) => {}
            Self::Read(reading) => {
                *number = *reading.listed.numbers.get(reading.numbers).ok_or_else(|| damaged("a number"))?;
                reading.numbers += 1;
            }
        }
        Ok(())
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, flag: &mut bool) -> Result<()> {
        let mut number = f64::from(u8::from(*flag));
        self.number(&mut number)?;
        *flag = number != 0.0;
        Ok(())
    }
}

/// Writes a matrix row by row. The inner result is that of the writing.
pub(super) fn write_rows<B: Backend>(
    b: &mut B,
    name: &str,
    m: &B::Matrix,
    to: &mut dyn Write,
) -> Result<std::io::Result<()>> {
    let host = b.download(m)?;
    let host = host.as_standard_layout();
    let numbers = host.as_slice().ok_or_else(|| damaged(name))?;
    Ok(to.write_all(bytemuck::cast_slice(numbers)))
}

/// Fills a matrix with what [`write_rows`] wrote. The inner result is that of the reading.
pub(super) fn read_rows<B: Backend>(
    b: &mut B,
    name: &str,
    m: &mut B::Matrix,
    from: &mut dyn Read,
) -> Result<std::io::Result<()>> {
    let mut host = ndarray::Array2::<B::Elem>::zeros(b.shape(m));
    let numbers = host.as_slice_mut().ok_or_else(|| damaged(name))?;
    if let Err(e) = from.read_exact(bytemuck::cast_slice_mut(numbers)) {
        return Ok(Err(e));
    }
    b.write(host.view(), m).map(Ok)
}

fn damaged(what: &str) -> Error {
    Error::Data(format!("the checkpoint: expected {what}, found less"))
}

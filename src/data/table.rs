//! Tables of labels beside the data: CSV files with a header line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ::csv::{ReaderBuilder, StringRecord, Trim};

use super::ImageSet;
use super::labels::{self, Labels};
use super::source::Source;
use crate::{Error, Result};

/// Columns that say which sample a line is about, the likeliest first. Of the first four every one does.
pub(super) const NAME_COLUMNS: [&str; 6] = ["file", "filename", "path", "image", "name", "id"];
const SURE: usize = 4;

/// A table in memory.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<StringRecord>,
}

/// Which line of a table is about which sample.
#[derive(Debug)]
pub struct Join {
    /// The column that named the samples; None: the lines were taken in their order.
    pub by: Option<String>,
    /// The line of every sample, from 0 after the header; None where the table has none.
    pub rows: Vec<Option<usize>>,
    /// What was decided or left over, in sentences without a full stop.
    pub notes: Vec<String>,
}

impl Table {
    /// Reads a CSV file with a header line.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Format`] if a line has another number of cells than the header, or
    /// is no text.
    pub fn read(path: &Path) -> Result<Self> {
        let source = Source::open(path, false, u64::MAX)?;
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(source);
        let failed = |e: ::csv::Error| super::csv::error(path, &e);
        let columns = reader.headers().map_err(failed)?.iter().map(String::from).collect();
        let rows = reader.records().map(|record| record.map_err(failed)).collect::<Result<_>>()?;
        Ok(Self { path: path.to_path_buf(), columns, rows })
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The classes of all samples by a column, and the names of the classes: in natural order, or in numeric order if they are
    /// numbers. None: the sample has no line or its cell is empty, NaN or NA.
    ///
    /// # Errors
    /// [`Error::Format`] if there is no such column; the message lists those there are.
    pub fn labels(&self, column: &str, join: &Join) -> Result<(Vec<Option<usize>>, Vec<String>)> {
        let Some(at) = self.columns.iter().position(|name| name == column) else {
            let found = self.columns.join(", ");
            return Err(self.error(format!("expected a column `{column}`, found: {found}")));
        };
        let cells = join.rows.iter().map(|row| self.rows[(*row)?].get(at));
        let Labels { of, classes, .. } = labels::from_names(cells, String::new());
        Ok((of, classes))
    }

    /// Which line is about which sample of `set`: by a column called `file`, `filename`, `path`, `image`, `name` or `id`, which
    /// holds names of samples (with more folders before them, or without folders where that is enough), or numbers of the
    /// samples where they have no names; without such a column by position.
    ///
    /// # Errors
    /// [`Error::Format`] if two lines name the same sample, if a column of files names no sample, or if without names there are
    /// not as many lines as samples.
    pub fn join(&self, set: &ImageSet) -> Result<Join> {
        let mut notes = Vec::new();
        for (rank, word) in NAME_COLUMNS.iter().enumerate() {
            let Some(at) = self.columns.iter().position(|name| name.eq_ignore_ascii_case(word)) else { continue };
            let column = &self.columns[at];
            let cells: Vec<&str> = self.rows.iter().map(|row| row.get(at).unwrap_or_default()).collect();
            let of = match set.names.is_empty() {
                true => numbered(&cells, set.n_samples()),
                false => self.named(&cells, &set.names)?,
            };
            let Some(of) = of else {
                let expected =
                    set.names.first().map_or("numbers of the samples".into(), |name| format!("names like `{name}`"));
                let found = cells.first().copied().unwrap_or_default();
                let message = format!("column `{column}` names no sample: expected {expected}, found `{found}`");
                if rank < SURE && !set.names.is_empty() {
                    return Err(self.error(message));
                }
                notes.push(message);
                continue;
            };
            let mut rows = vec![None; set.n_samples()];
            let mut unused = Vec::new();
            for (line, sample) in of.into_iter().enumerate() {
                let Some(sample) = sample else {
                    unused.push(cells[line]);
                    continue;
                };
                if let Some(other) = rows[sample].replace(line) {
                    let (a, b) = (cells[other], cells[line]);
                    let message = format!("lines {} and {} name the same sample: `{a}` and `{b}`", other + 2, line + 2);
                    return Err(self.error(message));
                }
            }
            if let Some(first) = unused.first() {
                notes.push(format!("{} of {} lines name no sample, the first `{first}`", unused.len(), cells.len()));
            }
            let missing: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].is_none()).collect();
            if let Some(&first) = missing.first() {
                let (count, name) = (missing.len(), set.name(first));
                notes.push(format!("{count} of {} samples have no line, the first `{name}`", rows.len()));
            }
            return Ok(Join { by: Some(column.clone()), rows, notes });
        }
        if self.rows.len() != set.n_samples() {
            let message = format!(
                "expected {} labels, one for every sample, found {}; a column `file` would say which samples they are of",
                set.n_samples(),
                self.rows.len()
            );
            return Err(self.error(message));
        }
        notes.push("its lines are taken in the order of the samples".into());
        Ok(Join { by: None, rows: (0..set.n_samples()).map(Some).collect(), notes })
    }

    /// The sample of every line; None if no line names one.
    fn named(&self, cells: &[&str], names: &[String]) -> Result<Option<Vec<Option<usize>>>> {
        let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
        // None: more than one.
        let mut full: HashMap<&str, Option<usize>> = HashMap::new();
        let mut short: HashMap<&str, Option<usize>> = HashMap::new();
        for (i, name) in names.iter().enumerate() {
            full.entry(name).and_modify(|at| *at = None).or_insert(Some(i));
            let file = name.rsplit('/').next().unwrap_or(name);
            short.entry(file).and_modify(|at| *at = None).or_insert(Some(i));
            if let Some((stem, _)) = file.rsplit_once('.') {
                short.entry(stem).and_modify(|at| *at = None).or_insert(Some(i));
            }
        }
        let mut of = Vec::with_capacity(cells.len());
        for cell in cells {
            let cell = plain(cell);
            // With folders that lead to the data, one after the other left out.
            let mut rest = cell.as_str();
            let found = loop {
                match (full.get(rest), rest.split_once('/')) {
                    (Some(found), _) => {
                        break Some(
                            found.ok_or_else(|| self.error(format!("more than one sample is called `{rest}`")))?,
                        );
                    }
                    (None, Some((_, inner))) => rest = inner,
                    (None, None) => break short.get(cell.as_str()).copied().flatten(),
                }
            };
            of.push(found);
        }
        Ok(of.iter().any(Option::is_some).then_some(of))
    }

    fn error(&self, message: String) -> Error {
        Error::format(&self.path, message)
    }
}

/// With one kind of slash, and nothing that leads nowhere.
fn plain(name: &str) -> String {
    let name = name.replace('\\', "/");
    name.trim_start_matches("./").to_string()
}

/// Numbers of all samples, from 0 or from 1.
fn numbered(cells: &[&str], n: usize) -> Option<Vec<Option<usize>>> {
    let numbers: Vec<usize> = cells.iter().map(|cell| cell.parse().ok()).collect::<Option<_>>()?;
    let first = *numbers.iter().min()?;
    let mut seen = vec![false; n];
    let mut of = Vec::with_capacity(n);
    for number in numbers {
        let sample = number - first;
        if first > 1 || sample >= n || std::mem::replace(&mut seen[sample], true) {
            return None;
        }
        of.push(Some(sample));
    }
    (of.len() == n).then_some(of)
}

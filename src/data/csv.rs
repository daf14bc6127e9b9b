//! CSV and TSV files: one sample per line. A header line, a column of names and a column of labels are optional.

use std::path::{Path, PathBuf};

use ::csv::{ErrorKind, Position, Reader, StringRecord};

use super::budget::afford;
use super::columns::{Layout, NAMED_FIRST, Names, at_cell, not_a_number};
use super::dialect::{Decimals, Dialect};
use super::headings::Different;
use super::labels::{Collector, Labels, is_missing};
use super::options::unlabelled;
use super::set::all_different;
use super::source::{Source, too_large};
use super::{ImageSet, LoadOptions, SamplesAxis, arrange};
use crate::{Error, Result};

pub(super) fn load(path: &Path, gzip: bool, opts: &LoadOptions) -> Result<ImageSet> {
    if opts.samples == SamplesAxis::Columns {
        let rows = load(path, gzip, &LoadOptions { samples: SamplesAxis::Rows, ..opts.clone() })?;
        afford(path, "turning the table", 8 * rows.x.len() as u64, opts.budget())?;
        return turned(rows, path);
    }
    let mut lines = Lines::open(path, gzip, opts)?;
    let values = lines.take(usize::MAX)?;
    let Read { shape, labels, names, feature_names, notes } = lines.finish()?;
    let opts = LoadOptions { samples: SamplesAxis::Rows, ..opts.clone() };
    let mut set = arrange::image_set(arrange::Raw { values, shape, fortran: false }, labels, path, &opts)?;
    set.notes.extend(notes);
    (set.names, set.feature_names) = (names, feature_names);
    Ok(set)
}

/// A table whose samples are its columns, as of genes × cells: its first column names the features, its header line the samples.
fn turned(rows: ImageSet, path: &Path) -> Result<ImageSet> {
    if let Some(source) = rows.label_source {
        let message = format!(
            "{source} has a label for every line, but the samples are the columns; --labels FILE takes labels of samples, --leave-out \
             COLUMN leaves the column out"
        );
        return Err(Error::format(path, message));
    }
    let notes = rows.notes.into_iter().filter(|note| note != NAMED_FIRST).collect();
    let mut set = ImageSet::new(rows.x.t().as_standard_layout().into_owned(), None, None, notes);
    set.names = rows.feature_names;
    set.feature_names = all_different(rows.names, &mut set.notes);
    Ok(set)
}

/// A file that is read some lines at a time.
pub(super) struct Lines {
    reader: Reader<Source<'static>>,
    content: Content,
    /// The first line, if it holds values that are still to be taken.
    first: Option<StringRecord>,
    /// The line that comes next, if there are more.
    record: StringRecord,
    more: bool,
    notes: Vec<String>,
}

/// What was read besides the values.
pub(super) struct Read {
    /// Lines of values, and values in each.
    pub(super) shape: Vec<u64>,
    pub(super) labels: Option<Labels>,
    pub(super) names: Vec<String>,
    /// Empty if the features have none.
    pub(super) feature_names: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl Lines {
    /// Recognises the layout; takes no values yet.
    pub(super) fn open(path: &Path, gzip: bool, opts: &LoadOptions) -> Result<Self> {
        if opts.samples == SamplesAxis::Columns {
            return Err(Error::Config(format!("{}: the samples of a CSV file are its rows", path.display())));
        }
        let budget = opts.budget();
        let dialect = Dialect::of(path, gzip)?;
        let mut reader = dialect.reader(false, Source::open(path, gzip, budget)?);
        let failed = |e: ::csv::Error| error(path, &e);
        let (mut first, mut record) = (StringRecord::new(), StringRecord::new());
        reader.read_record(&mut first).map_err(failed)?;
        let more = reader.read_record(&mut record).map_err(failed)?;
        let layout = Layout::of(&first, more.then_some(&record), (path, dialect), opts)?;
        let mut notes: Vec<String> = dialect.note().into_iter().map(String::from).chain(layout.notes(opts)).collect();
        if let (Some(key), None) = (&opts.y_key, layout.label) {
            notes.push(unlabelled("column", key));
        }
        let first = (layout.header.is_none() && !first.is_empty()).then_some(first);
        let (values, names, labels) = (Vec::new(), Vec::new(), Collector::default());
        let content = Content {
            layout,
            dialect,
            decimals: Decimals::default(),
            path: path.to_path_buf(),
            budget,
            values,
            names,
            labels,
            rows: 0,
            text: 0,
            different: Different::default(),
        };
        Ok(Self { reader, content, first, record, more, notes })
    }

    /// The values of the next `rows` lines, or of all that are left.
    pub(super) fn take(&mut self, rows: usize) -> Result<Vec<f32>> {
        let end = self.content.rows.saturating_add(rows as u64);
        if let Some(first) = self.first.take() {
            self.content.take(&first)?;
        }
        while self.more && self.content.rows < end {
            self.content.take(&self.record)?;
            self.more = self.reader.read_record(&mut self.record).map_err(|e| error(&self.content.path, &e))?;
        }
        Ok(std::mem::take(&mut self.content.values))
    }

    /// What was read, after the last line.
    ///
    /// # Errors
    /// [`Error::Format`] where a number may be a decimal fraction or thousands, and no other tells.
    pub(super) fn finish(self) -> Result<Read> {
        let Content { layout, names, labels, rows, decimals, path, different, .. } = self.content;
        if let Some(cell) = decimals.unclear() {
            let message = format!(
                "`{cell}` is a decimal fraction or thousands, and no other number tells which; write it with a point, or without the \
                 separator of thousands"
            );
            return Err(Error::format(&path, message));
        }
        let others = usize::from(layout.names != Names::None) + usize::from(layout.label.is_some()) + layout.left.len();
        let columns = if rows > 0 { (layout.width - others) as u64 } else { 0 };
        let labels = layout.label.map(|_| labels.finish(format!("column `{}`", layout.label_name)));
        let mut notes = self.notes;
        notes.extend(layout.heading(0).and_then(|heading| different.note(heading)));
        let feature_names = match layout.header {
            Some(_) => all_different(layout.features(), &mut notes),
            None => Vec::new(),
        };
        Ok(Read { shape: vec![rows, columns], labels, names, feature_names, notes })
    }
}

/// The lines read so far.
struct Content {
    layout: Layout,
    dialect: Dialect,
    decimals: Decimals,
    path: PathBuf,
    budget: u64,
    values: Vec<f32>,
    names: Vec<String>,
    labels: Collector,
    rows: u64,
    /// Bytes of all names.
    text: u64,
    /// Of the first column.
    different: Different,
}

impl Content {
    /// Adds a line.
    fn take(&mut self, record: &StringRecord) -> Result<()> {
        let path = self.path.as_path();
        if record.len() != self.layout.width {
            return Err(unequal(path, record.position(), self.layout.width, record.len()));
        }
        for (column, cell) in record.iter().enumerate() {
            if self.layout.left.contains(&column) {
                continue;
            }
            if self.layout.label == Some(column) {
                self.labels.push(cell);
            } else if column == 0 && self.layout.names != Names::None {
                if self.layout.names == Names::Text && self.dialect.number(cell).is_some() {
                    let message = "expected a name, as in the lines before; a header line that calls the column `name` makes \
                                   numbers names too";
                    return Err(at_cell(path, record, column, message));
                }
                self.names.push(cell.to_string());
                self.text += cell.len() as u64;
            } else {
                let value = self.dialect.number(cell).ok_or_else(|| self.no_number(record, column))?;
                if value.is_infinite() && cell.contains(|c: char| c.is_ascii_digit()) {
                    return Err(at_cell(path, record, column, &too_large(cell)));
                }
                self.decimals.take(self.dialect, cell).map_err(|why| at_cell(path, record, column, why))?;
                if column == 0 {
                    self.different.take(|| cell.parse().ok());
                }
                self.values.push(value);
            }
        }
        self.rows += 1;
        // Vectors grow by doubling: while one moves, three times its values are in memory.
        let of_names = 72 * self.names.len() as u64 + self.text;
        let needed = 12 * self.values.len() as u64 + of_names + self.labels.cost();
        if needed > self.budget {
            afford(path, &format!("reading {} lines", self.rows), needed, self.budget)?;
        }
        Ok(())
    }

    /// The error for a cell that is not a number.
    fn no_number(&self, record: &StringRecord, column: usize) -> Error {
        let cell = record.get(column).unwrap_or_default();
        let name = self.layout.heading(column);
        if is_missing(cell) {
            let of = name.filter(|name| !name.is_empty()).map_or(String::new(), |name| format!(" of `{name}`"));
            let found = if cell.is_empty() { "an empty cell".into() } else { format!("`{cell}`") };
            return at_cell(
                &self.path,
                record,
                column,
                &format!("a value{of} is missing: expected a number, found {found}"),
            );
        }
        match name.filter(|_| self.rows == 0) {
            // In the first line of values: the column is text.
            Some(name) => {
                let message = format!(
                    "expected a number in the column `{name}`, found `{cell}`; --y-key {name} takes it as labels, \
                     --leave-out {name} leaves it out"
                );
                at_cell(&self.path, record, column, &message)
            }
            None => not_a_number(&self.path, record, column),
        }
    }
}

fn unequal(path: &Path, position: Option<&Position>, expected: usize, found: usize) -> Error {
    let line = position.map_or(0, Position::line);
    let column = found.min(expected) + 1;
    Error::format(path, format!("line {line}, column {column}: expected {expected} cells, found {found}"))
}

/// An error of the `csv` crate as one of this crate, with line and column.
pub(super) fn error(path: &Path, error: &::csv::Error) -> Error {
    let line = |pos: &Option<::csv::Position>| pos.as_ref().map_or(0, ::csv::Position::line);
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            unequal(path, pos.as_ref(), *expected_len as usize, *len as usize)
        }
        ErrorKind::Utf8 { pos, err } => {
            Error::format(path, format!("line {}, column {}: the text is not UTF-8", line(pos), err.field() + 1))
        }
        ErrorKind::Io(e)
            if !matches!(
                e.kind(),
                std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput
            ) =>
        {
            Error::io(path, std::io::Error::new(e.kind(), e.to_string()))
        }
        _ => Error::format(path, format!("the file does not read as CSV: {error}")),
    }
}

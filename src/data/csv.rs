//! CSV and TSV files: one sample per line. A header line, a column of names and a column of labels are optional.

use std::path::{Path, PathBuf};

use ::csv::{ErrorKind, Position, Reader, StringRecord};

use super::budget::afford;
use super::dialect::{Decimals, Dialect, is_like_a_number};
use super::headings::{LABEL_COLUMNS, like_labels, names_samples};
use super::labels::{Collector, Labels, is_missing};
use super::options::unlabelled;
use super::set::all_different;
use super::source::{Source, too_large};
use super::{ImageSet, LoadOptions, SamplesAxis, arrange};
use crate::{Error, Result};

pub(super) fn load(path: &Path, gzip: bool, opts: &LoadOptions) -> Result<ImageSet> {
    let mut lines = Lines::open(path, gzip, opts)?;
    let values = lines.take(usize::MAX)?;
    let Read { shape, labels, names, feature_names, notes } = lines.finish()?;
    let opts = LoadOptions { samples: SamplesAxis::Rows, ..opts.clone() };
    let mut set = arrange::image_set(arrange::Raw { values, shape, fortran: false }, labels, path, &opts)?;
    set.notes.extend(notes);
    (set.names, set.feature_names) = (names, feature_names);
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
        let mut notes: Vec<String> = dialect.note().into_iter().map(String::from).chain(layout.notes()).collect();
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
        let Content { layout, names, labels, rows, decimals, path, .. } = self.content;
        if let Some(cell) = decimals.unclear() {
            let message = format!(
                "`{cell}` is a decimal fraction or thousands, and no other number tells which; write it with a point, or without the \
                 separator of thousands"
            );
            return Err(Error::format(&path, message));
        }
        let others = usize::from(layout.names != Names::None) + usize::from(layout.label.is_some());
        let columns = if rows > 0 { (layout.width - others) as u64 } else { 0 };
        let labels = layout.label.map(|_| labels.finish(format!("column `{}`", layout.label_name)));
        let mut notes = self.notes;
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
}

impl Content {
    /// Adds a line.
    fn take(&mut self, record: &StringRecord) -> Result<()> {
        let path = self.path.as_path();
        if record.len() != self.layout.width {
            return Err(unequal(path, record.position(), self.layout.width, record.len()));
        }
        for (column, cell) in record.iter().enumerate() {
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
            let of = name.map_or(String::new(), |name| format!(" of `{name}`"));
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
                    "expected a number in the column `{name}`, found `{cell}`; --y-key {name} takes it as labels, another \
                     column of text has to be left out"
                );
                at_cell(&self.path, record, column, &message)
            }
            None => not_a_number(&self.path, record, column),
        }
    }
}

/// Whether the first column holds names, and how that was recognised.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Names {
    None,
    /// By its header; the cells may be anything.
    Header,
    /// By its cells, which are text.
    Text,
}

/// What the columns are.
#[derive(Debug)]
struct Layout {
    /// Whether only numbers that count show that there is a header line.
    by_counting: bool,
    /// Whether the first line, which is read as a sample, has rising whole numbers, as some headers have.
    rising: bool,
    header: Option<StringRecord>,
    /// Cells in every line of values.
    width: usize,
    names: Names,
    label: Option<usize>,
    label_name: String,
}

impl Layout {
    /// Recognises the layout from the first two lines.
    ///
    /// # Errors
    /// [`Error::Format`] for a first line that is neither all numbers nor a header, so that a typing error in it is not taken
    /// for a header.
    fn of(
        first: &StringRecord,
        second: Option<&StringRecord>,
        (path, dialect): (&Path, Dialect),
        opts: &LoadOptions,
    ) -> Result<Self> {
        let number = |cell: &str| dialect.number(cell);
        let texts: Vec<usize> = (0..first.len()).filter(|&i| number(&first[i]).is_none()).collect();
        let label = label_column(first, !texts.is_empty(), path, opts)?;
        let is_name = |record: &StringRecord| {
            record.get(0).is_some_and(|cell| !is_missing(cell) && number(cell).is_none() && !is_like_a_number(cell))
        };
        let called = first.get(0).is_some_and(names_samples);
        let only_first = *texts == [0];
        let counted =
            texts.is_empty() && first.len() > 2 && first.iter().enumerate().all(|(i, cell)| cell.parse() == Ok(i));
        let header = match texts.first() {
            // pandas calls columns without a name 0, 1, 2 …
            None => counted,
            Some(_) if label.is_some() || called || texts.len() == first.len() => true,
            // pandas calls columns without a name 0, 1, 2 …
            Some(_) if only_first && counts(first) => true,
            Some(_) if only_first && second.is_none_or(is_name) => false,
            // A column of text without a header.
            Some(&odd) if second.and_then(|line| line.get(odd)).is_some_and(|cell| number(cell).is_none()) => {
                let cell = first.get(odd).unwrap_or_default();
                let message = format!(
                    "expected a number, found `{cell}`; below a header line --y-key NAME takes a column of text as labels"
                );
                return Err(at_cell(path, first, odd, &message));
            }
            Some(&odd) => return Err(not_a_number(path, first, odd)),
        };
        // R writes no header for the column of names.
        let shifted = header && second.is_some_and(|record| record.len() == first.len() + 1);
        let names = if shifted || header && called && label != Some(0) {
            Names::Header
        } else if label != Some(0) && (only_first && !header || header && second.is_some_and(is_name)) {
            Names::Text
        } else {
            Names::None
        };
        let label_name = label.and_then(|at| first.get(at)).unwrap_or_default().to_string();
        let shift = usize::from(shifted);
        let by_counting = header && !called && label.is_none() && (counted || only_first && counts(first));
        let rising = !header && rises(first, dialect, usize::from(only_first));
        let header = header.then(|| first.clone());
        Ok(Self {
            by_counting,
            rising,
            header,
            width: first.len() + shift,
            names,
            label: label.map(|at| at + shift),
            label_name,
        })
    }

    /// The header of a column, where there is one.
    fn heading(&self, column: usize) -> Option<&str> {
        let header = self.header.as_ref()?;
        header.get(column.checked_sub(self.width - header.len())?)
    }

    /// The headers of the features; empty ones if there is no header line.
    fn features(&self) -> Vec<String> {
        let is_feature = |column: &usize| self.label != Some(*column) && (*column > 0 || self.names == Names::None);
        let headings = (0..self.width).filter(is_feature).map(|column| self.heading(column).unwrap_or_default().trim());
        headings.map(String::from).collect()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.by_counting {
            notes.push("its first line counts 0, 1, 2 … or 1, 2, 3 … and is taken as a header line, no sample".into());
        }
        if self.rising {
            let message = "its first line has rising whole numbers and is read as a sample; if it is a header line, put a column of names \
                           called `name` first";
            notes.push(message.into());
        }
        if self.names != Names::None {
            notes.push("the first column names the samples, it is no feature".into());
        }
        let features = (0..self.width).filter(|&column| self.label != Some(column));
        for cell in features.filter_map(|column| self.heading(column)) {
            notes.extend(like_labels(cell));
        }
        notes
    }
}

/// The index of the column of labels.
fn label_column(first: &StringRecord, texts: bool, path: &Path, opts: &LoadOptions) -> Result<Option<usize>> {
    let position = |name: &str| first.iter().position(|cell| cell.eq_ignore_ascii_case(name));
    let Some(key) = &opts.y_key else { return Ok(LABEL_COLUMNS.into_iter().find_map(position)) };
    if !texts && !opts.y_optional {
        return Err(Error::format(path, format!("expected a header line with the column `{key}`, found numbers only")));
    }
    let found = first.iter().position(|cell| cell == key).or_else(|| position(key));
    if found.is_none() && opts.y_optional {
        return Ok(None);
    }
    let missing = || {
        let columns = first.iter().collect::<Vec<_>>().join(", ");
        Error::format(path, format!("expected a column `{key}`, found: {columns}"))
    };
    found.ok_or_else(missing).map(Some)
}

/// Whether all cells but the first count up from 0 or 1.
fn counts(record: &StringRecord) -> bool {
    let numbers: Option<Vec<usize>> = record.iter().skip(1).map(|cell| cell.parse().ok()).collect();
    numbers.is_some_and(|n| n.len() > 1 && n[0] < 2 && n.windows(2).all(|pair| pair[1] == pair[0] + 1))
}

/// Whether the cells from `from` on, at least three, are rising whole numbers, as years or wavelengths are.
fn rises(record: &StringRecord, dialect: Dialect, from: usize) -> bool {
    let number = |cell: &str| dialect.number(cell).filter(|v| v.fract() == 0.0 && *v >= 0.0);
    let numbers: Option<Vec<f32>> = record.iter().skip(from).map(number).collect();
    numbers.is_some_and(|n| n.len() >= 3 && n.windows(2).all(|pair| pair[0] < pair[1]))
}

fn not_a_number(path: &Path, record: &StringRecord, column: usize) -> Error {
    let cell = record.get(column).unwrap_or_default();
    at_cell(path, record, column, &format!("expected a number, found `{cell}`"))
}

fn at_cell(path: &Path, record: &StringRecord, column: usize, message: &str) -> Error {
    let line = record.position().map_or(0, Position::line);
    Error::format(path, format!("line {line}, column {}: {message}", column + 1))
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

//! Labels beside the data: a table with a header line, an array, or one label a line.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use ::csv::StringRecord;

use super::dialect::Dialect;
use super::headings::{NAME_COLUMNS, ROW_NAMES};
use super::keys::listed;
use super::labels::{self, Labels};
use super::source::Source;
use super::{Dim, ImageSet, format, idx, npy};
use crate::{Error, Result};

/// The name of a column that has none.
const LABEL: &str = "label";
/// The first 5 of [`NAME_COLUMNS`] always name samples.
const SURE: usize = 5;

/// A table of labels in memory.
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
    /// Choices that were made, and lines and samples without a partner; sentences without a full stop.
    pub notes: Vec<String>,
}

impl Table {
    /// Reads a CSV or TSV file with a header line, or an array of labels (`.npy`, IDX), which becomes a column `label`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Format`] if a line has more or fewer cells than the header, is
    /// not UTF-8, or an array has more than one dimension.
    pub fn read(path: &Path) -> Result<Self> {
        let gzip = format::head(path, false)?.starts_with(&[0x1f, 0x8b]);
        let open = || Source::open(path, gzip, u64::MAX);
        let array = match *format::head(path, gzip)? {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(npy::read_labels(&mut open()?, path, LABEL.into())?),
            [0, 0, 0x08..=0x0e, 1, ..] => Some(idx::read_labels(open()?, LABEL.into(), None, path)?),
            _ => None,
        };
        if let Some(Labels { of, classes, .. }) = array {
            let cell = |class: Option<usize>| class.map_or("", |class| classes[class].as_str());
            let rows = of.into_iter().map(|class| StringRecord::from(vec![cell(class)])).collect();
            return Ok(Self { path: path.to_path_buf(), columns: vec![LABEL.into()], rows });
        }
        let mut reader = Dialect::of(path, gzip)?.reader(true, open()?);
        let failed = |e: ::csv::Error| super::csv::error(path, &e);
        let columns = reader.headers().map_err(failed)?.iter().map(String::from).collect();
        let rows = reader.records().map(|record| record.map_err(failed)).collect::<Result<_>>()?;
        Ok(Self { path: path.to_path_buf(), columns, rows })
    }

    /// The table for a set of `samples` samples: one label a line has no header line if there are as many lines as samples.
    #[must_use]
    pub fn of_samples(mut self, samples: usize) -> Self {
        if self.columns.len() == 1 && self.rows.len() + 1 == samples {
            let first = std::mem::replace(&mut self.columns[0], LABEL.into());
            self.rows.insert(0, StringRecord::from(vec![first]));
        }
        self
    }

    /// The numbers of samples that it may be for: one label a line may have no header line.
    pub fn counts(&self) -> Vec<usize> {
        let n = self.rows.len();
        if self.columns.len() == 1 { vec![n, n + 1] } else { vec![n] }
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The class of every sample by the column `column`, and the names of the classes: in numeric order if they are numbers,
    /// else in natural order. None for a sample without a line, or whose cell is empty, NaN or NA.
    ///
    /// # Errors
    /// [`Error::Format`] if there is no such column; the message lists the columns.
    pub fn labels(&self, column: &str, join: &Join) -> Result<(Vec<Option<usize>>, Vec<String>)> {
        let Some(at) = self.columns.iter().position(|name| name == column) else {
            let found = listed(column, self.columns.iter().map(String::as_str));
            return Err(self.error(format!("expected a column `{column}`, found: {found}")));
        };
        let cells = join.rows.iter().map(|row| self.rows[(*row)?].get(at));
        let Labels { of, classes, .. } = labels::from_names(cells, String::new());
        Ok((of, classes))
    }

    /// Finds the line of every sample of `set`.
    ///
    /// Lines are joined by a column of names of samples (more folders may precede a name; folders and extension may be missing
    /// where the name stays unique), or of row numbers if the samples have no names. Columns called `file`, `filename`,
    /// `file_name`, `path`, `image`, `fname`, `name`, `id`, `sample` or `sample_id` are tried first; then, if the samples have
    /// names, columns most of whose cells are such names. Without such a column, lines are taken in the order of the samples.
    ///
    /// # Errors
    /// [`Error::Format`] if two lines name the same sample, if a column of files names no sample, if the numbers in a column
    /// are off by one, or if lines taken in order are not as many as the samples.
    pub fn join<X: Dim>(&self, set: &ImageSet<X>) -> Result<Join> {
        let names = Names::of(&set.names);
        let (mut notes, mut refused) = (Vec::new(), None);
        let is_name = |cell: &str| matches!(names.find(cell), Ok(Some(_)));
        let below = |at: usize| self.rows.first().and_then(|row| row.get(at)).is_some_and(is_name);
        if let Some((_, name)) = self.columns.iter().enumerate().find(|(at, cell)| is_name(cell) && below(*at)) {
            let message = format!("expected a header line, found the name of a sample, `{name}`, in the first line");
            return Err(self.error(message));
        }
        for (at, heading) in self.candidates() {
            let (column, cells) = (self.heading(at), self.cells(at));
            let of = match (set.names.is_empty(), heading) {
                (true, Heading::Other) => None,
                (true, _) => numbered(&cells, set.n_samples()),
                (false, _) => names.lines(&cells, heading).map_err(|e| self.error(format!("column `{column}` {e}")))?,
            };
            if let Some(of) = of {
                return self.joined(column, &cells, &of, set);
            }
            let expected =
                set.names.first().map_or("numbers of the samples".into(), |name| format!("names like `{name}`"));
            let found = cells.first().copied().unwrap_or_default();
            let message = format!("column `{column}` names no sample: expected {expected}, found `{found}`");
            // The lines are in no order that could be that of the samples.
            let unsorted = whole(&cells).is_some_and(|numbers| !numbers.is_sorted());
            match heading {
                Heading::Known if !set.names.is_empty() && unsorted => {
                    let why = "and its numbers are in no order, so the lines cannot be taken in theirs; leave the column out if they can";
                    refused = refused.or(Some(format!("{message}; {why}")));
                }
                Heading::Sure if !set.names.is_empty() => refused = refused.or(Some(message)),
                Heading::Sure | Heading::Known => notes.push(message),
                Heading::Other => {}
            }
        }
        if let Some(message) = refused {
            return Err(self.error(message));
        }
        if self.rows.len() != set.n_samples() {
            let found = match self.columns.len() {
                1 => format!("{} below the first line, or {} with it", self.rows.len(), self.rows.len() + 1),
                _ => self.rows.len().to_string(),
            };
            let message = format!(
                "expected {} labels, one for every sample, found {found}; a column `file` would say which samples they are of",
                set.n_samples(),
            );
            return Err(self.error(message));
        }
        let order = match &*set.names {
            [] => String::new(),
            [first] => format!(", which is `{first}`"),
            [first, .., last] => format!(", which are `{first}`, `{}` … `{last}`", set.names[1]),
        };
        let as_text = if set.names.is_sorted() { "" } else { "; sorted as text they are in another order" };
        notes.push(format!("its lines are taken in the order of the samples{order}{as_text}"));
        Ok(Join { by: None, rows: (0..set.n_samples()).map(Some).collect(), notes })
    }

    /// The columns that may name the samples, the likeliest first: those with a known heading, other texts, index columns,
    /// other numbers.
    fn candidates(&self) -> Vec<(usize, Heading)> {
        let last = NAME_COLUMNS.len();
        let mut all: Vec<_> = (0..self.columns.len())
            .map(|at| {
                let is = |word: &str| self.columns[at].eq_ignore_ascii_case(word);
                match NAME_COLUMNS.iter().position(|word| is(word)) {
                    Some(rank) if rank < SURE => (rank, at, Heading::Sure),
                    Some(rank) => (rank, at, Heading::Known),
                    None if ROW_NAMES.iter().any(|word| is(word)) => (last + 1, at, Heading::Known),
                    None if whole(&self.cells(at)).is_none() => (last, at, Heading::Other),
                    None => (last + 2, at, Heading::Other),
                }
            })
            .collect();
        all.sort_by_key(|&(rank, at, _)| (rank, at));
        all.into_iter().map(|(_, at, heading)| (at, heading)).collect()
    }

    /// The heading of a column; without one its number, from 1.
    fn heading(&self, at: usize) -> String {
        if self.columns[at].is_empty() { format!("column {}", at + 1) } else { self.columns[at].clone() }
    }

    fn cells(&self, at: usize) -> Vec<&str> {
        self.rows.iter().map(|row| row.get(at).unwrap_or_default()).collect()
    }

    /// The join by `column`; `of` has the sample of every line.
    fn joined<X: Dim>(&self, column: String, cells: &[&str], of: &[Option<usize>], set: &ImageSet<X>) -> Result<Join> {
        let mut notes = Vec::new();
        let mut rows = vec![None; set.n_samples()];
        let mut unused = Vec::new();
        for (line, sample) in of.iter().enumerate() {
            let Some(sample) = *sample else {
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
        if set.names.is_empty() && of.windows(2).any(|pair| pair[0] > pair[1]) {
            notes.push(format!(
                "the samples have no names: the numbers in `{column}` are taken as numbers of the rows of the data; without \
                 that column the lines are taken in their order"
            ));
        }
        Ok(Join { by: Some(column), rows, notes })
    }

    fn error(&self, message: String) -> Error {
        Error::format(&self.path, message)
    }
}

/// What a heading tells about its column.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Heading {
    /// It names files.
    Sure,
    /// It may name samples.
    Known,
    /// Nothing.
    Other,
}

/// The names of the samples in the forms in which a cell may have them; None for a form that more than one sample has.
struct Names {
    /// As they are.
    full: HashMap<String, Option<usize>>,
    /// Without folders, with and without extension.
    short: HashMap<String, Option<usize>>,
    /// The least and the greatest, if the names are whole numbers, all different.
    range: Option<(u64, u64)>,
}

impl Names {
    fn of(names: &[String]) -> Self {
        let (mut full, mut short) = (HashMap::new(), HashMap::new());
        let add = |map: &mut HashMap<_, _>, name: &str, i| {
            map.entry(name.to_string()).and_modify(|at| *at = None).or_insert(Some(i));
        };
        let mut stems = Vec::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            let name = plain(name);
            add(&mut full, &name, i);
            let file = name.rsplit('/').next().unwrap_or(&name);
            add(&mut short, file, i);
            let stem = file.rsplit_once('.').map(|(stem, _)| stem);
            stem.into_iter().for_each(|stem| add(&mut short, stem, i));
            stems.push(stem.unwrap_or(file).to_string());
        }
        let numbers = whole(&stems).filter(|numbers| numbers.iter().collect::<HashSet<_>>().len() == numbers.len());
        Self { full, short, range: numbers.as_deref().and_then(range) }
    }

    /// The sample that a cell names: leading folders are dropped one by one until a name fits.
    fn find(&self, cell: &str) -> std::result::Result<Option<usize>, String> {
        let cell = plain(cell);
        let mut rest = cell.as_str();
        loop {
            match (self.full.get(rest), rest.split_once('/')) {
                (Some(Some(found)), _) => return Ok(Some(*found)),
                (Some(None), _) => return Err(format!("is not clear: more than one sample is called `{rest}`")),
                (None, Some((_, inner))) => rest = inner,
                (None, None) => return Ok(self.short.get(cell.as_str()).copied().flatten()),
            }
        }
    }

    /// The sample of every line; None if the column names no sample or, with an unknown heading, too few.
    fn lines(&self, cells: &[&str], heading: Heading) -> std::result::Result<Option<Vec<Option<usize>>>, String> {
        let other = heading == Heading::Other;
        let found = cells.iter().map(|cell| self.find(cell));
        let of: Vec<_> = match other {
            true => found.map(|at| at.unwrap_or(None)).collect(),
            false => found.collect::<std::result::Result<_, _>>()?,
        };
        let numbers = whole(cells);
        let distinct = of.iter().flatten().collect::<HashSet<_>>().len();
        // Numbers are taken for names only if they name all samples.
        let all = |n: usize| n == cells.len() && n == self.full.len();
        if let (Some((least, most)), Some((first, last))) = (numbers.as_deref().and_then(range), self.range) {
            let off = |a: u64, b: u64| a.checked_add(1) == Some(b);
            let one_off = off(least, first) && off(most, last) || off(first, least) && off(last, most);
            if one_off && (!other || all(numbers.iter().flatten().collect::<HashSet<_>>().len())) {
                return Err(format!(
                    "counts from {least} to {most}, the names of the samples from {first} to {last}: joined as they are, every \
                     label would be one off; count from {first} in both"
                ));
            }
        }
        let enough = match (other, numbers.is_some()) {
            (false, _) => distinct > 0,
            (true, false) => 2 * distinct > cells.iter().filter(|cell| !cell.is_empty()).count(),
            (true, true) => all(distinct),
        };
        Ok(enough.then_some(of))
    }
}

/// The cells as whole numbers; None if a cell is not one.
fn whole(cells: &[impl AsRef<str>]) -> Option<Vec<u64>> {
    cells.iter().map(|cell| cell.as_ref().parse().ok()).collect()
}

/// The least and the greatest number.
fn range(numbers: &[u64]) -> Option<(u64, u64)> {
    Some((*numbers.iter().min()?, *numbers.iter().max()?))
}

/// With `/` instead of `\`, and without a leading `./`.
fn plain(name: &str) -> String {
    let name = name.replace('\\', "/");
    name.trim_start_matches("./").to_string()
}

/// The sample of every line, if the cells number all samples from 0 or from 1.
fn numbered(cells: &[&str], n: usize) -> Option<Vec<Option<usize>>> {
    let numbers = whole(cells)?;
    let (first, _) = range(&numbers)?;
    let mut seen = vec![false; n];
    let mut of = Vec::with_capacity(n);
    for number in numbers {
        let sample = usize::try_from(number - first).ok()?;
        if first > 1 || sample >= n || std::mem::replace(&mut seen[sample], true) {
            return None;
        }
        of.push(Some(sample));
    }
    (of.len() == n).then_some(of)
}

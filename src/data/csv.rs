//! CSV: one sample a line, with or without a header line, with or without a column of labels.

use std::path::Path;

use ::csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::source::Source;
use super::{ImageSet, LoadOptions, SamplesAxis, arrange, labels};
use crate::{Error, Result};

const LABEL_COLUMNS: [&str; 3] = ["label", "class", "y"];

pub(super) fn load(path: &Path, gzip: bool, opts: &LoadOptions) -> Result<ImageSet> {
    if opts.samples == SamplesAxis::Columns {
        return Err(Error::Config(format!("{}: the samples of a CSV file are its rows", path.display())));
    }
    let source = Source::open(path, gzip)?;
    let mut reader = ReaderBuilder::new().has_headers(false).trim(Trim::All).from_reader(source);
    let mut record = StringRecord::new();
    let mut next = |record: &mut StringRecord| reader.read_record(record).map_err(|e| error(path, &e));
    let mut more = next(&mut record)?;
    let mut label_column = None;
    if more && let Some(header) = header_line(&record, path, opts.y_key.as_deref())? {
        label_column = header.label_column;
        more = next(&mut record)?;
    } else if let Some(key) = &opts.y_key {
        return Err(Error::format(path, format!("expected a header line with the column `{key}`, found numbers only")));
    }
    let (mut values, mut names, mut rows) = (Vec::new(), Vec::new(), 0u64);
    while more {
        for (column, cell) in record.iter().enumerate() {
            if Some(column) == label_column {
                names.push(cell.to_string());
            } else {
                values.push(number(cell).ok_or_else(|| not_a_number(path, &record, column))?);
            }
        }
        rows += 1;
        more = next(&mut record)?;
    }
    let columns = (values.len() as u64).checked_div(rows).unwrap_or(0);
    let labels = label_column.map(|_| labels::from_names(&names));
    let opts = LoadOptions { samples: SamplesAxis::Rows, ..opts.clone() };
    arrange::image_set(arrange::Raw { values, shape: vec![rows, columns], fortran: false }, labels, path, &opts)
}

struct Header {
    label_column: Option<usize>,
}

/// A first line of names, or one that names the labels among numbered columns; none if it is numbers.
///
/// Anything between is refused: a slip in the first line of numbers must not pass for a header.
fn header_line(record: &StringRecord, path: &Path, y_key: Option<&str>) -> Result<Option<Header>> {
    let Some(odd) = record.iter().position(|cell| number(cell).is_none()) else { return Ok(None) };
    let position = |name: &str| record.iter().position(|cell| cell.eq_ignore_ascii_case(name));
    let label_column = match y_key {
        Some(key) => match record.iter().position(|cell| cell == key) {
            None => {
                let found = record.iter().collect::<Vec<_>>().join(", ");
                return Err(Error::format(path, format!("expected a column `{key}`, found: {found}")));
            }
            at => at,
        },
        None => LABEL_COLUMNS.into_iter().find_map(position),
    };
    if label_column.is_none() && record.iter().any(|cell| number(cell).is_some()) {
        return Err(not_a_number(path, record, odd));
    }
    Ok(Some(Header { label_column }))
}

fn number(cell: &str) -> Option<f32> {
    cell.parse().ok()
}

fn not_a_number(path: &Path, record: &StringRecord, column: usize) -> Error {
    let line = record.position().map_or(0, ::csv::Position::line);
    let cell = record.get(column).unwrap_or_default();
    Error::format(path, format!("line {line}, column {}: expected a number, found `{cell}`", column + 1))
}

/// What the `csv` crate reports, in the terms of the file.
pub(super) fn error(path: &Path, error: &::csv::Error) -> Error {
    let line = |pos: &Option<::csv::Position>| pos.as_ref().map_or(0, ::csv::Position::line);
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let message = format!(
                "line {}, column {}: expected {expected_len} cells, found {len}",
                line(pos),
                (*len).min(*expected_len) + 1
            );
            Error::format(path, message)
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

//! Parquet: tables by columns, as pandas, polars and R's arrow write them.

use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ndarray::{Array1, Array2, Axis, s};
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::budget::afford;
use super::headings::{Different, LABEL_COLUMNS, like_labels, names_samples};
use super::keys::listed;
use super::labels::{CLASS_COST, Collector};
use super::options::unlabelled;
use super::set::all_different;
use super::source::too_large;
use super::{ImageSet, LoadOptions};
use crate::{Error, Result};

/// Values that are read at a time.
const BATCH: usize = 8192;
/// What pandas calls the names of rows.
const INDEX: &str = "__index_level_0__";

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Numbers,
    Texts,
    /// Dates, decimal fractions, lists and the like.
    Other,
}

fn kind(column: &ColumnDescriptor) -> Kind {
    use ConvertedType::{INT_8, INT_16, INT_32, INT_64, NONE, UINT_8, UINT_16, UINT_32, UINT_64};
    let flat = column.max_rep_level() == 0 && column.path().parts().len() == 1;
    let plain = matches!(
        column.converted_type(),
        NONE | INT_8 | INT_16 | INT_32 | INT_64 | UINT_8 | UINT_16 | UINT_32 | UINT_64
    ) && column.logical_type_ref().is_none_or(|logical| matches!(logical, LogicalType::Integer(_)));
    match column.physical_type() {
        _ if !flat => Kind::Other,
        Type::BOOLEAN | Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE if plain => Kind::Numbers,
        Type::BYTE_ARRAY if column.converted_type() != ConvertedType::DECIMAL => Kind::Texts,
        _ => Kind::Other,
    }
}

/// Whether the bits of its numbers are those of numbers without sign.
fn is_unsigned(column: &ColumnDescriptor) -> bool {
    use ConvertedType::{UINT_8, UINT_16, UINT_32, UINT_64};
    matches!(column.converted_type(), UINT_8 | UINT_16 | UINT_32 | UINT_64)
        || matches!(column.logical_type_ref(), Some(LogicalType::Integer(int)) if !int.is_signed)
}

/// The columns that pandas says are its index.
fn index_of(meta: &FileMetaData) -> Vec<String> {
    let pandas = meta.key_value_metadata().into_iter().flatten().find(|entry| entry.key == "pandas");
    let json = pandas.and_then(|entry| serde_json::from_str::<serde_json::Value>(entry.value.as_deref()?).ok());
    let columns = json.as_ref().and_then(|json| json.get("index_columns")?.as_array());
    columns.into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_string())).collect()
}

pub(super) fn load(path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    let damaged = || Err(Error::format(path, "expected a Parquet file that can be read, but its pages are damaged"));
    unless_it_panics(|| read(path, opts)).unwrap_or_else(damaged)
}

/// What `read` returns; None if it panics, as the crate `parquet` does over some damaged pages. Nothing is printed then.
fn unless_it_panics<T>(read: impl FnOnce() -> T) -> Option<T> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (before, reader) = (Arc::new(panic::take_hook()), thread::current().id());
    let others = Arc::clone(&before);
    panic::set_hook(Box::new(move |panic| {
        if thread::current().id() != reader {
            others(panic);
        }
    }));
    let found = panic::catch_unwind(AssertUnwindSafe(read)).ok();
    panic::set_hook(Box::new(move |panic| before(panic)));
    drop(guard);
    found
}

fn read(path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    let failed = |e: ParquetError| {
        let text = e.to_string();
        // Of the ways to compress, those of Zstandard and Brotli are not compiled in.
        let advice =
            if text.contains("Disabled feature") { "; write it with snappy, gzip, lz4 or no compression" } else { "" };
        Error::format(path, format!("expected a Parquet file that can be read: {text}{advice}"))
    };
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let reader = SerializedFileReader::new(file).map_err(failed)?;
    let meta = reader.metadata().file_metadata();
    let columns: Vec<(String, Kind)> =
        meta.schema_descr().columns().iter().map(|c| (c.path().parts().join("."), kind(c))).collect();
    let Chosen { features, label, names, mut notes } = Chosen::of(&columns, &index_of(meta), path, opts)?;
    let n = usize::try_from(meta.num_rows()).unwrap_or(0);
    let needed = (n as u64).saturating_mul(4 * features.len() as u64 + 2 * CLASS_COST);
    afford(path, &format!("a table of {n}×{}", features.len()), needed, opts.budget())?;

    let mut x = Vec::new();
    let (mut labels, mut of_names) = (Collector::default(), Vec::new());
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(failed)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let before = x.len() / features.len();
        let column = |at: usize| {
            let unsigned = is_unsigned(&meta.schema_descr().column(at));
            Values::read(group.get_column_reader(at).map_err(failed)?, rows, unsigned).map_err(failed)
        };
        let mut part: Option<Array2<f32>> = None;
        for (place, &at) in features.iter().enumerate() {
            let numbers = column(at)?.numbers().map_err(|(row, found)| {
                let message = format!("row {}, column `{}`: {found}", before + row, columns[at].0);
                Error::format(path, message)
            })?;
            // The first column has shown that there are so many rows.
            let part = part.get_or_insert_with(|| Array2::zeros((numbers.len(), features.len())));
            if numbers.len() != part.nrows() {
                let message =
                    format!("expected {} values in column `{}`, found {}", part.nrows(), columns[at].0, numbers.len());
                return Err(Error::format(path, message));
            }
            part.slice_mut(s![.., place]).assign(&Array1::from_vec(numbers));
        }
        x.extend(part.into_iter().flat_map(|part| part.into_raw_vec_and_offset().0));
        if let Some(at) = label {
            column(at)?.texts().iter().for_each(|text| labels.push(text.as_deref().unwrap_or_default()));
        }
        if let Some(at) = names {
            of_names.extend(column(at)?.texts().into_iter().map(Option::unwrap_or_default));
        }
    }
    let rows = x.len() / features.len();
    let x = Array2::from_shape_vec((rows, features.len()), x).map_err(|e| Error::format(path, e.to_string()))?;
    let labels = label.map(|at| labels.finish(format!("column `{}`", columns[at].0)));
    if labels.as_ref().is_some_and(|labels| labels.of.len() != x.len_of(Axis(0))) {
        return Err(Error::format(path, format!("expected {rows} labels, one for every row, found another number")));
    }
    if names.is_some() {
        notes.insert(0, "its column of names is no feature".into());
    }
    if features[0] == 0 {
        let mut different = Different::default();
        x.column(0).iter().for_each(|v| different.take(|| (v.fract() == 0.0 && *v >= 0.0).then_some(*v as u64)));
        notes.extend(different.note(&columns[0].0));
    }
    let mut set = ImageSet::new(x, None, labels, notes);
    set.names = of_names;
    let feature_names = features.iter().map(|&at| columns[at].0.clone()).collect();
    set.feature_names = all_different(feature_names, &mut set.notes);
    Ok(set)
}

/// Which column is what.
struct Chosen {
    features: Vec<usize>,
    label: Option<usize>,
    names: Option<usize>,
    notes: Vec<String>,
}

impl Chosen {
    /// Of these columns, some of which pandas says are its `index`.
    fn of(columns: &[(String, Kind)], index: &[String], path: &Path, opts: &LoadOptions) -> Result<Self> {
        let position = |name: &str| columns.iter().position(|(column, _)| column.eq_ignore_ascii_case(name));
        let mut notes = Vec::new();
        let label = match &opts.y_key {
            None => LABEL_COLUMNS.into_iter().find_map(position),
            Some(key) => match (position(key), opts.y_optional) {
                (Some(at), _) => Some(at),
                (None, true) => {
                    notes.push(unlabelled("column", key));
                    None
                }
                (None, false) => {
                    let all = listed(key, columns.iter().map(|(name, _)| name.as_str()));
                    let message = format!("expected a column `{key}`, found: {all}");
                    return Err(Error::format(path, message));
                }
            },
        };
        let first = |at: usize| at == 0 && (columns[0].1 == Kind::Texts || names_samples(&columns[0].0));
        let of_index: Vec<usize> = index.iter().map(String::as_str).chain([INDEX]).filter_map(position).collect();
        let named = of_index.first().copied().filter(|&at| Some(at) != label);
        let names = named.or_else(|| (0..columns.len()).find(|&at| Some(at) != label && first(at)));
        let left = |at: usize| opts.leaves_out(&columns[at].0);
        let (label, names) = (label.filter(|&at| !left(at)), names.filter(|&at| !left(at)));
        let is_feature = |at: &usize| ![label, names].contains(&Some(*at)) && !of_index.contains(at) && !left(*at);
        notes.extend(opts.not_left_out(&columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>()));
        let features: Vec<usize> = (0..columns.len()).filter(is_feature).collect();
        for &at in &features {
            let (name, kind) = &columns[at];
            if *kind != Kind::Numbers {
                let found = if *kind == Kind::Texts { "texts" } else { "values of another type" };
                let message = format!(
                    "expected numbers in the column `{name}`, found {found}; --y-key {name} takes it as labels, --leave-out \
                     {name} leaves it out"
                );
                return Err(Error::format(path, message));
            }
            notes.extend(like_labels(name));
        }
        if let Some(at) = label.filter(|&at| columns[at].1 == Kind::Other) {
            let message =
                format!("expected numbers or texts in the column `{}` of labels, found another type", columns[at].0);
            return Err(Error::format(path, message));
        }
        match features.is_empty() {
            true => Err(Error::format(path, "expected columns of numbers, found none")),
            false => Ok(Self { features, label, names, notes }),
        }
    }
}

/// The values of a column in a group of rows; None where one is missing.
enum Values {
    Numbers(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
}

impl Values {
    fn read(reader: ColumnReader, rows: usize, unsigned: bool) -> std::result::Result<Self, ParquetError> {
        fn all<T: DataType, V>(
            mut reader: ColumnReaderImpl<T>,
            rows: usize,
            of: impl Fn(&T::T) -> V,
        ) -> std::result::Result<Vec<Option<V>>, ParquetError> {
            let mut found = Vec::new();
            while found.len() < rows {
                let (mut values, mut levels) = (Vec::new(), Vec::new());
                let most = BATCH.min(rows - found.len());
                let (records, _, _) = reader.read_records(most, Some(&mut levels), None, &mut values)?;
                if records == 0 {
                    break;
                }
                let mut values = values.iter().map(&of);
                // A column without missing values has no levels.
                match levels.is_empty() {
                    true => found.extend(values.map(Some)),
                    false => found.extend(levels.iter().map(|level| if *level > 0 { values.next() } else { None })),
                }
            }
            Ok(found)
        }
        Ok(match reader {
            ColumnReader::BoolColumnReader(r) => Self::Numbers(all(r, rows, |v| f64::from(u8::from(*v)))?),
            ColumnReader::Int32ColumnReader(r) => Self::Numbers(all(r, rows, |v| match unsigned {
                true => f64::from(*v as u32),
                false => f64::from(*v),
            })?),
            ColumnReader::Int64ColumnReader(r) => Self::Numbers(all(r, rows, |v| match unsigned {
                true => *v as u64 as f64,
                false => *v as f64,
            })?),
            ColumnReader::FloatColumnReader(r) => Self::Numbers(all(r, rows, |v| f64::from(*v))?),
            ColumnReader::DoubleColumnReader(r) => Self::Numbers(all(r, rows, |v| *v)?),
            ColumnReader::ByteArrayColumnReader(r) => {
                Self::Texts(all(r, rows, |v| String::from_utf8_lossy(v.data()).trim().to_string())?)
            }
            ColumnReader::Int96ColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
                return Err(ParquetError::NYI("a column of another type than numbers and texts".into()));
            }
        })
    }

    /// The numbers; or the first row that has none, and what is there.
    fn numbers(self) -> std::result::Result<Vec<f32>, (usize, String)> {
        let Self::Numbers(values) = self else { return Err((0, "expected numbers, found texts".into())) };
        let number = |(row, value): (usize, Option<f64>)| match value {
            None => Err((row, "a value is missing: expected a number".into())),
            Some(value) if value.is_finite() && (value as f32).is_infinite() => {
                Err((row, too_large(&format!("{value:e}"))))
            }
            Some(value) => Ok(value as f32),
        };
        values.into_iter().enumerate().map(number).collect()
    }

    fn texts(self) -> Vec<Option<String>> {
        match self {
            Self::Texts(texts) => texts,
            Self::Numbers(values) => values.into_iter().map(|v| v.map(|v| v.to_string())).collect(),
        }
    }
}

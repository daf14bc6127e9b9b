//! Labels from the data or from a table.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use deepnmf::Error;
use deepnmf::data::{self, Dim, ImageSet, Table};
use deepnmf::store::Model;
use serde_json::{Value, json};

use super::Result;
use super::files::quoted;
use super::output::Output;

/// An attribute: a class for every sample.
pub(super) struct Attribute {
    /// Its name.
    pub(super) name: String,
    /// The class of every sample; None for a sample without a label.
    pub(super) of: Vec<Option<usize>>,
    /// The number of classes.
    classes: usize,
    /// Their names.
    names: Vec<String>,
    source: String,
}

/// The name of labels that no sample is without, the class of every sample, and the names of the classes.
pub(super) type Complete = (String, Vec<usize>, Vec<String>);

impl Attribute {
    /// The number of classes.
    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    /// The number of samples without a label.
    pub(super) fn missing(&self) -> usize {
        self.of.iter().filter(|class| class.is_none()).count()
    }

    /// A description for people.
    pub(super) fn text(&self) -> String {
        let without = match self.missing() {
            0 => String::new(),
            n => format!("; {n} of {} samples have no label: an empty cell, NA, NaN, None or the like", self.of.len()),
        };
        let plural = if self.classes == 1 { "class" } else { "classes" };
        format!("{} {plural} from {}{without}", self.classes, self.source)
    }

    /// A description for `--json`.
    pub(super) fn json(&self) -> Value {
        json!({ "name": self.name, "classes": self.classes, "from": self.source, "missing": self.missing() })
    }

    /// The class of every sample, and the names of the classes; an error if a sample has none.
    pub(super) fn complete(self, path: &Path) -> Result<Complete> {
        let missing = self.missing();
        let Self { name, of, source, names, .. } = self;
        let n = of.len();
        let all = of.into_iter().collect::<Option<_>>();
        let message =
            || format!("expected a label for every one of {n} samples, found {missing} without one in {source}");
        Ok((name, all.ok_or_else(|| Error::format(path, message()))?, names))
    }
}

/// The labels in the data, if there are any.
pub(super) fn of_set<X>(set: &ImageSet<X>) -> Option<Attribute> {
    let of = set.labels.clone()?;
    let classes = set.class_counts().iter().filter(|&&count| count > 0).count();
    let source = set.label_source.clone().unwrap_or_default();
    Some(Attribute { name: "class".into(), of, classes, names: set.classes.clone(), source })
}

/// The labels that a model was fitted with, of its own samples.
pub(super) fn of_model(model: &Model) -> Option<Attribute> {
    let m = &model.metadata;
    let of = m.labels.clone()?;
    let classes = of.iter().flatten().collect::<HashSet<_>>().len();
    Some(Attribute { name: "class".into(), of, classes, names: m.classes.clone(), source: "the model".into() })
}

/// The labels in the data `path`; an error if there are none.
pub(super) fn own<X>(set: &ImageSet<X>, path: &Path) -> Result<Attribute> {
    Ok(of_set(set).ok_or_else(|| missing(path))?)
}

/// The error for samples without labels; those of the fit are of its own samples only.
pub(super) fn missing_beside(model: &Model, path: &Path) -> Error {
    match model.metadata.labels {
        None => missing(path),
        Some(_) => Error::format(
            path,
            "the model has labels, but not for these samples: only for those that it was trained on; give --labels FILE",
        ),
    }
}

/// The error for data without labels.
pub(super) fn missing(path: &Path) -> Error {
    let message = "expected labels (sub-folders, gnd or y, or --y-key), found none; --labels reads them from a file";
    Error::format(path, message)
}

/// labels.csv in the folder of the data, if it is there.
pub(super) fn beside(data: &Path) -> Option<PathBuf> {
    Some(data.join("labels.csv")).filter(|file| file.is_file())
}

/// The file of --labels; for --label without it that beside the data, or data that are a table themselves.
pub(super) fn file_for(labels: Option<PathBuf>, label: bool, data: &Path) -> Result<Option<PathBuf>> {
    if labels.is_some() || !label {
        return Ok(labels);
    }
    let ending = data.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let itself = || Some(data.to_path_buf()).filter(|file| file.is_file() && ["csv", "tsv"].contains(&&*ending));
    beside(data).or_else(itself).map(Some).ok_or_else(|| {
        let of = "--labels FILE, labels.csv in the folder of the data, or data that are a .csv or .tsv table";
        Error::Config(format!("--label: expected {of}, found {}", data.display())).into()
    })
}

/// The labels in some columns of a table, or in all.
pub(super) fn from_table<X: Dim>(
    file: &Path,
    columns: &[String],
    set: &ImageSet<X>,
    out: &Output,
) -> Result<Vec<Attribute>> {
    let table = Table::read(file)?.of_samples(set.n_samples());
    let join = table.join(set)?;
    // Of samples and lines without names there is nothing else to go by.
    let alone = table.columns().len() == 1 && set.names.is_empty();
    let say = |note: &String| {
        let note = format!("{}: {note}", file.display());
        if alone { out.note(&note) } else { out.warn(&note) }
    };
    join.notes.iter().for_each(say);
    let by = join.by.as_ref().map_or("by position".into(), |column| format!("joined by `{column}`"));
    let columns = if columns.is_empty() { table.columns() } else { columns };
    let attribute = |name: &String| {
        let (of, classes) = table.labels(name, &join)?;
        let source = format!("column `{name}` of {}, {by}", file.display());
        data::minus_one(&classes).into_iter().for_each(|note| out.note(&format!("{source}: {note}")));
        Ok(Attribute { name: name.clone(), of, classes: classes.len(), names: classes, source })
    };
    columns.iter().map(attribute).collect()
}

/// The labels in these columns of a table; without any those in the first column of texts in which values are repeated, else of numbers.
pub(super) fn chosen<X: Dim>(
    file: &Path,
    columns: &[String],
    set: &ImageSet<X>,
    out: &Output,
) -> Result<Vec<Attribute>> {
    let mut all = from_table(file, columns, set, out)?;
    if !columns.is_empty() {
        return Ok(all);
    }
    all.retain(|a| (2..a.of.len() - a.missing()).contains(&a.classes()));
    let texts = |a: &Attribute| a.names.iter().any(|name| name.parse::<f64>().is_err());
    let at = all.iter().position(texts).unwrap_or(0);
    if all.is_empty() {
        let message = "expected a column with the class of every sample, found none with two classes or more in which values are repeated";
        return Err(Error::format(file, message).into());
    }
    Ok(vec![all.swap_remove(at)])
}

/// Labels from another file than the data.
#[derive(clap::Args)]
#[command(next_help_heading = "Reading the data")]
pub(super) struct LabelsArg {
    /// The labels: a CSV or TSV file with a header line and a line for every sample, an array (.npy, IDX), or one label a line [default:
    /// those in DATA]
    #[arg(long, value_name = "FILE", requires = "data")]
    labels: Option<PathBuf>,
    /// The column of that file, without --labels of labels.csv in the folder DATA or of the table DATA [default: the first of texts in which
    /// values are repeated, else of numbers]
    #[arg(long, value_name = "COLUMN", requires = "data")]
    label: Option<String>,
}

impl LabelsArg {
    /// With the file that --label is a column of.
    pub(super) fn of(self, data: &Path) -> Result<Self> {
        Ok(Self { labels: file_for(self.labels, self.label.is_some(), data)?, label: self.label })
    }

    pub(super) fn file(&self) -> Option<&Path> {
        self.labels.as_deref()
    }

    /// How many labels there may be, if they are in another file.
    pub(super) fn counts(&self) -> Result<Vec<usize>> {
        Ok(self.file().map(Table::read).transpose()?.map_or(Vec::new(), |table| table.counts()))
    }

    /// As options for a command that can be pasted.
    pub(super) fn options(&self) -> String {
        let file = self.file().map(|file| format!(" --labels {}", quoted(file)));
        let column = self.label.as_deref().map(|column| format!(" --label {}", quoted(Path::new(column))));
        [file, column].into_iter().flatten().collect()
    }

    /// Gives `set` these labels, if there are any.
    pub(super) fn take<X: Dim>(&self, set: &mut ImageSet<X>, out: &Output) -> Result {
        let Some(file) = self.file() else { return Ok(()) };
        let columns: Vec<String> = self.label.iter().cloned().collect();
        for Attribute { of, names, source, .. } in chosen(file, &columns, set, out)? {
            (set.labels, set.classes, set.label_source) = (Some(of), names, Some(source));
        }
        Ok(())
    }
}

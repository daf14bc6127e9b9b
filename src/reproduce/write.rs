//! Writing the files of an experiment.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::method::Method;
use super::session::{Data, Repeats, Session, Written};
use crate::atomic::write_atomically;
use crate::report::charts::Chart;
use crate::report::one_line;
use crate::{Error, Result};

/// A table for people, with formatted values.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    fn markdown(&self) -> String {
        // An unescaped bar would end a cell.
        let line = |cells: &[String]| {
            let cells: Vec<_> = cells.iter().map(|cell| one_line(cell).replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = format!("|{}\n", "---|".repeat(self.columns.len()));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.columns) + &rule + &rows
    }
}

/// The cell with a quote before it if spreadsheets would take it for a formula, as names from data might be.
fn no_formula(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    if formula { format!("'{cell}") } else { cell.to_string() }
}

impl Session<'_> {
    /// The title of the experiment, and the data.
    pub(super) fn title(&self) -> String {
        self.title_of("scores")
    }

    /// The same of one score, or of what else is shown of the scores.
    pub(super) fn title_of(&self, shown: &str) -> String {
        let title = match shown {
            "scores" => self.experiment.title.to_string(),
            _ => self.experiment.title.replace("scores and sparsity", "scores").replace("scores", shown),
        };
        let (mut letters, source) = (title.chars(), Path::new(&self.samples.source));
        let first = letters.next().into_iter().flat_map(char::to_uppercase).collect::<String>();
        let data = source.file_name().map_or_else(|| source.to_string_lossy(), |name| name.to_string_lossy());
        format!("{first}{} ({data})", letters.as_str())
    }

    pub(super) fn path(&self, suffix: &str) -> PathBuf {
        self.out.join(format!("{}{suffix}", self.experiment.name))
    }

    pub(super) fn wrote(&mut self, path: PathBuf, what: &'static str) {
        self.written.push(Written { path, what });
    }

    /// Writes the CSV file of all values, one observation per line.
    pub(super) fn csv(&mut self, header: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let path = self.path(".csv");
        let failed = |e: csv::Error| Error::format(&path, format!("not written: {e}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(header).map_err(failed)?;
        rows.iter().try_for_each(|row| writer.write_record(row.iter().map(|cell| no_formula(cell)))).map_err(failed)?;
        let bytes = writer.into_inner().map_err(|e| Error::format(&path, format!("not written: {e}")))?;
        write_atomically(&path, |file| file.write_all(&bytes))?;
        self.wrote(path, "all values");
        Ok(())
    }

    /// Writes the Markdown table: above it data and device, below it notes and the settings of the methods.
    pub(super) fn markdown<'m>(
        &mut self,
        table: &Table,
        methods: impl IntoIterator<Item = &'m Method>,
        notes: &[&str],
    ) -> Result<()> {
        let (s, path) = (self.samples, self.path(".md"));
        let mut text = format!("# {}\n\n", one_line(&self.title()));
        text +=
            &format!("Data: {}, {} samples × {} features.", one_line(&s.source), s.set.n_samples(), s.set.n_features());
        if let Data::Given(asked) = self.experiment.data {
            text += &format!(" Asked for: {asked}.");
        }
        text += &format!(" Device: {}.\n\n", self.engine.device_name());
        text += &table.markdown();
        for note in std::iter::once(self.spread().as_str()).chain(notes.iter().copied()) {
            text += &format!("\n{note}\n");
        }
        let mut settings = Table::new(&Method::SAID);
        settings.rows = methods.into_iter().map(|m| self.method_on_this_device(m).said()).collect();
        text += "\nSettings (iterations: at most):\n\n";
        text += &settings.markdown();
        write_atomically(&path, |file| file.write_all(text.as_bytes()))?;
        self.wrote(path, "the table");
        Ok(())
    }

    /// What a number is a mean over; None where it is one number.
    pub(super) fn repeats(&self) -> Option<String> {
        let (Repeats { splits, fits, kmeans }, options) = (self.experiment.repeats, self.options);
        let counted = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
        let parts = [
            (
                splits,
                counted(
                    options.splits,
                    "split into training and test samples",
                    "splits into training and test samples",
                ),
            ),
            (fits, counted(options.fits, "fit of each", "fits of each, with other seeds")),
            (kmeans, counted(options.kmeans_seeds, "run of k-means per fit", "runs of k-means per fit")),
        ];
        let parts: Vec<_> = parts.into_iter().filter(|(made, _)| *made).map(|(_, text)| text).collect();
        (!parts.is_empty()).then(|| parts.join(" × "))
    }

    /// A sentence on what the numbers are means over, and what ± covers.
    fn spread(&self) -> String {
        let Repeats { splits, kmeans, .. } = self.experiment.repeats;
        let Some(repeats) = self.repeats() else {
            return "One fit of all samples by every method, seed 0; no number here has a spread.".into();
        };
        let samples = match (splits, kmeans) {
            (true, _) => "",
            (false, true) => " All samples are fitted and clustered.",
            (false, false) => " All samples are fitted.",
        };
        format!("Mean ± standard deviation over {repeats}.{samples}")
    }

    /// The method with the solver that `auto` is on this device.
    fn method_on_this_device(&self, method: &Method) -> Method {
        let mut method = method.clone();
        method.config.solver = method.config.solver_on(self.engine.fastest_solver());
        method
    }

    /// Writes a chart as SVG and as PNG; `suffix` distinguishes it from other charts of the experiment.
    pub(super) fn chart(&mut self, suffix: &str, chart: &Chart) -> Result<()> {
        let (svg, png) = (self.path(&format!("{suffix}.svg")), self.path(&format!("{suffix}.png")));
        chart.save_svg(&svg)?;
        chart.save_png(&png)?;
        self.wrote(svg, "the chart");
        self.wrote(png, "the chart as pixels");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_formulas_and_numbers_stay() {
        for (cell, written) in
            [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("+x", "'+x"), ("-y", "'-y"), ("\t=1", "'\t=1")]
        {
            assert_eq!(no_formula(cell), written);
        }
        for cell in ["-1.5", "+2", "1e-9", "NaN", "eyes", ""] {
            assert_eq!(no_formula(cell), cell);
        }
    }

    #[test]
    fn control_characters_do_not_break_a_table() {
        let mut table = Table::new(&["a|b"]);
        table.rows.push(vec!["one\ntwo \u{1b}[2J".into()]);
        assert_eq!(table.markdown(), "| a\\|b |\n|---|\n| one\u{FFFD}two \u{FFFD}[2J |\n");
    }
}

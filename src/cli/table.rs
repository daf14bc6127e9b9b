//! Numbers as a table of text, and as NumPy's arrays.

use std::io::Write;

use ndarray::ArrayView2;

use super::output::printable;

/// Row by row, whatever the layout in memory, after a header in NumPy's format.
pub(super) fn write_npy(rows: ArrayView2<'_, f32>, out: &mut dyn Write) -> std::io::Result<()> {
    rows.iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))
}

/// A table whose lines are written some at a time.
pub(super) struct Table<'a> {
    separator: char,
    names: &'a [String],
    done: usize,
}

impl<'a> Table<'a> {
    /// With its header line; the lines have these names, or none.
    pub(super) fn new(separator: char, names: &'a [String], columns: impl Iterator<Item = String>) -> (String, Self) {
        let columns = columns.map(|column| quoted(&printable(&column), separator));
        let cells = (!names.is_empty()).then(|| "name".into()).into_iter().chain(columns);
        let header = cells.collect::<Vec<String>>().join(&separator.to_string()) + "\n";
        (header, Self { separator, names, done: 0 })
    }

    pub(super) fn write(&mut self, rows: ArrayView2<'_, f32>, out: &mut dyn Write) -> std::io::Result<()> {
        for row in rows.rows() {
            let name = self.names.get(self.done).map(|name| quoted(&printable(name), self.separator));
            let cells = name.into_iter().chain(row.iter().map(f32::to_string));
            writeln!(out, "{}", cells.collect::<Vec<_>>().join(&self.separator.to_string()))?;
            self.done += 1;
        }
        Ok(())
    }
}

/// A cell, in quotes where it needs them.
fn quoted(cell: &str, separator: char) -> String {
    match cell.contains([separator, '"', '#', '\n']) || cell.trim() != cell {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.into(),
    }
}

//! How the cells of a table are separated, found from its first lines.

use std::io::{BufRead, BufReader};
use std::path::Path;

use ::csv::{Reader, ReaderBuilder, Trim};

use super::source::Source;
use crate::{Error, Result};

/// Lines that are looked at.
const LINES: usize = 8;
/// Bytes of them, at most.
const BYTES: u64 = 1 << 20;

/// What separates the cells: commas, tabs, semicolons, or single spaces between numbers. Where the first line begins with `#`, all that do are comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    separator: u8,
    /// Whether lines that begin with `#` are comments: they are where the first line is one.
    comments: bool,
}

impl Dialect {
    /// Of the first lines of a file: the separator that most of them have, and as often as the first one.
    pub(super) fn of(path: &Path, gzip: bool) -> Result<Self> {
        let (lines, comments) = first_lines(path, gzip)?;
        Ok(Self { separator: separator_of(&lines), comments })
    }

    /// A reader of such a table.
    pub(super) fn reader(self, headers: bool, source: Source<'static>) -> Reader<Source<'static>> {
        ReaderBuilder::new()
            .has_headers(headers)
            .flexible(!headers)
            .trim(Trim::All)
            .delimiter(self.separator)
            .comment(self.comments.then_some(b'#'))
            .from_reader(source)
    }

    /// For a note; None for commas, which nobody wonders at.
    pub(super) fn note(self) -> Option<&'static str> {
        match self.separator {
            b'\t' => Some("its cells are separated by tabs"),
            b';' => Some("its cells are separated by semicolons"),
            b' ' => Some("its cells are separated by spaces"),
            _ => None,
        }
    }

    /// A number; between semicolons and tabs it may have a decimal comma.
    pub(super) fn number(self, cell: &str) -> Option<f32> {
        cell.parse().ok().or_else(|| self.with_comma(cell)?.parse().ok())
    }

    /// A cell that may be a number with a decimal comma, with a point.
    fn with_comma(self, cell: &str) -> Option<String> {
        let one = matches!(self.separator, b';' | b'\t') && cell.matches(',').count() == 1 && !cell.contains('.');
        one.then(|| cell.replace(',', "."))
    }
}

/// What separates the cells of the first lines.
fn separator_of(lines: &[Vec<u8>]) -> u8 {
    let Some(first) = lines.first() else { return b',' };
    let agree = |separator: u8| {
        let count = count_of(first, separator);
        if count == 0 { 0 } else { lines.iter().filter(|line| count_of(line, separator) == count).count() }
    };
    // Decimal commas and names have other signs too: of two that agree as often, the one with more numbers between them.
    let best = [b',', b';', b'\t'].into_iter().max_by_key(|&separator| (agree(separator), numbers(lines, separator)));
    let separator = best.filter(|separator| agree(*separator) > 0);
    let spaced = || {
        let numbers = |line: &[u8]| {
            let text = String::from_utf8_lossy(line);
            let mut cells = text.trim().split(' ');
            text.trim().contains(' ') && cells.all(|cell| cell.parse::<f64>().is_ok())
        };
        lines.iter().all(|line| numbers(line)).then_some(b' ')
    };
    separator.or_else(spaced).unwrap_or(b',')
}

/// How the numbers of a table are written, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Decimals {
    point: bool,
    comma: bool,
    /// A cell that is a decimal fraction or a whole number of thousands, as long as no other tells.
    either: Option<String>,
}

impl Decimals {
    /// Takes a cell that is a number; what is wrong with it beside those before.
    pub(super) fn take(&mut self, dialect: Dialect, cell: &str) -> Result<(), &'static str> {
        if dialect.separator == b',' || dialect.separator == b' ' {
            return Ok(());
        }
        self.point |= cell.contains('.');
        if cell.contains(',') && dialect.with_comma(cell).is_some() {
            if may_be_thousands(cell) {
                self.either.get_or_insert_with(|| cell.into());
            } else {
                self.comma = true;
            }
        }
        match self.point && (self.comma || self.either.is_some()) {
            true => Err(
                "expected one kind of numbers, found some with a comma and some with a point; without separators of \
                         thousands it can be read",
            ),
            false => Ok(()),
        }
    }

    /// A cell that can be read in two ways, where nothing in the table tells.
    pub(super) fn unclear(&self) -> Option<&str> {
        self.either.as_deref().filter(|_| !self.comma)
    }
}

/// `12,345`, but not `0,345`, `12,34` or `1234,567`.
fn may_be_thousands(cell: &str) -> bool {
    let (before, after) = cell.trim_start_matches(['-', '+']).split_once(',').unwrap_or_default();
    after.len() == 3 && (1..=3).contains(&before.len()) && !before.starts_with('0')
}

/// Whether a cell that is no number is made of what numbers are made of: digits with separators.
pub(super) fn is_like_a_number(cell: &str) -> bool {
    let digits = cell.trim_start_matches(['-', '+']);
    let all = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | ' ' | '\u{a0}' | '\u{202f}' | '’');
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(all)
}

/// How many of a thousand cells are numbers.
fn numbers(lines: &[Vec<u8>], separator: u8) -> usize {
    let (mut cells, mut numbers) = (0, 0);
    for cell in lines.iter().flat_map(|line| line.split(move |&byte| byte == separator)) {
        cells += 1;
        let cell = String::from_utf8_lossy(cell);
        numbers += usize::from(Dialect { separator, comments: false }.number(cell.trim().trim_matches('"')).is_some());
    }
    1000 * numbers / cells.max(1)
}

/// The first lines of a file that are not empty and no comments, and whether there are comments.
fn first_lines(path: &Path, gzip: bool) -> Result<(Vec<Vec<u8>>, bool)> {
    let (mut lines, mut comments) = (Vec::new(), false);
    for line in BufReader::new(std::io::Read::take(Source::open(path, gzip, u64::MAX)?, BYTES)).split(b'\n') {
        match line {
            Ok(line) if line.trim_ascii().is_empty() => {}
            Ok(line) if line.starts_with(b"#") && (comments || lines.is_empty()) => comments = true,
            Ok(line) => lines.push(line),
            // Whoever reads the whole says what is wrong with it.
            Err(e) if lines.is_empty() && e.kind() != std::io::ErrorKind::InvalidData => {
                return Err(Error::io(path, e));
            }
            Err(_) => break,
        }
        if lines.len() == LINES {
            break;
        }
    }
    Ok((lines, comments))
}

/// Whether a file begins as a table of numbers does.
pub(super) fn is_table(path: &Path, gzip: bool) -> Result<bool> {
    Ok(has_numbers(&first_lines(path, gzip)?.0))
}

fn has_numbers(lines: &[Vec<u8>]) -> bool {
    let separator = separator_of(lines);
    let is_text = lines.iter().all(|line| !line.contains(&0));
    is_text && lines.iter().any(|line| numbers(std::slice::from_ref(line), separator) >= 500)
}

/// How often a line has this byte outside of quotes.
fn count_of(line: &[u8], separator: u8) -> usize {
    let mut quoted = false;
    let outside = line.iter().filter(|&&byte| {
        quoted ^= byte == b'"';
        !quoted && byte == separator
    });
    outside.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn semicolons() -> Dialect {
        Dialect { separator: b';', comments: false }
    }

    #[test]
    fn the_separator_is_what_the_lines_agree_on() {
        let of = |text: &str| {
            let lines: Vec<_> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            char::from(separator_of(&lines))
        };
        for (text, expected) in [
            ("1,2,3\n4,5,6", ','),
            ("1;2;3\n4;5;6", ';'),
            ("1\t2\n3\t4", '\t'),
            // Decimal commas, as R's write.csv2 and spreadsheets of half of Europe write them.
            ("a;b\n1,5;2,5\n2,5;3", ';'),
            ("0,5\t1,5\n2,5\t3,5", '\t'),
            ("1,5;2,5\n2,5;3,5", ';'),
            // Names with other separators in them.
            ("name,x\n\"a;b\",1\n\"c\td\",2", ','),
            ("\"x, y\"\tz\n1\t2", '\t'),
            ("1.0 2.0\n3.0 4.0", ' '),
            ("a b,1\nc d,2", ','),
            ("a;b,1\nc;d,2", ','),
            ("name;x\nfoo;1,5", ';'),
            ("a b\nc d", ','),
            ("1\n2", ','),
            ("", ','),
        ] {
            assert_eq!(of(text), expected, "{text:?}");
        }
        let mut decimals = Decimals::default();
        assert!(decimals.take(semicolons(), "1,234").is_ok() && decimals.unclear() == Some("1,234"));
        assert!(decimals.take(semicolons(), "0,5").is_ok() && decimals.unclear().is_none());
        assert!(decimals.take(semicolons(), "1.5").is_err());
        assert!(is_like_a_number("1.234,5") && is_like_a_number("1 234") && is_like_a_number("-1'234"));
        assert!(!is_like_a_number("2020-01-01") && !is_like_a_number("a1") && !is_like_a_number("12 angry men"));
        let table = |text: &str| has_numbers(&text.lines().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>());
        assert!(table("1 2\n3 4\n") && table("id;x\na;1,5\n") && table("1\n2\n"));
        assert!(!table("hello there, this is text") && !table("\0\u{1}") && !table(""));
        assert_eq!(
            [semicolons().number("1,5"), semicolons().number("1,5,5"), semicolons().number("1e3")],
            [Some(1.5), None, Some(1e3)]
        );
        assert_eq!(Dialect { separator: b',', comments: false }.number("1,5"), None);
    }
}

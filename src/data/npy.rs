//! NumPy's `.npy`: a header, which is a Python dictionary, then the values.

use std::path::Path;

use super::arrange::{Raw, image_set};
use super::labels::{self, Collector, Labels};
use super::sidecar::Sidecar;
use super::source::{Kind, Numbers, Source};
use super::{ImageSet, LoadOptions, SamplesAxis};
use crate::Result;

/// NumPy itself refuses headers beyond 10,000 bytes.
const MAX_HEADER: usize = 1 << 16;

pub(super) fn load(path: &Path, gzip: bool, opts: &LoadOptions) -> Result<ImageSet> {
    let raw = read_values(&mut Source::open(path, gzip, opts.budget())?)?;
    let mut notes = Vec::new();
    let mut set = match Sidecar::read(path, &raw.shape, opts, &mut notes)? {
        Some(mut sidecar) => {
            let set =
                image_set(raw, sidecar.labels(), path, &LoadOptions { samples: SamplesAxis::Rows, ..opts.clone() })?;
            sidecar.complete(set)
        }
        None => image_set(raw, None, path, opts)?,
    };
    set.notes.extend(notes);
    Ok(set)
}

/// The beginning of an `.npy` file, version 1.0, of a matrix in C order: a Python dictionary, padded with blanks to a multiple of 64
/// bytes. `descr` is NumPy's name of the type, such as `<f4`.
pub fn npy_header(descr: &str, (rows, columns): (usize, usize)) -> Vec<u8> {
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let length = (10 + dict.len() + 1).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((length as u16).to_le_bytes());
    header.extend(format!("{dict:<width$}\n", width = length - 1).bytes());
    header
}

/// Reads a whole file of numbers: the samples.
pub(super) fn read_values(source: &mut Source<'_>) -> Result<Raw> {
    let (header, kind) = of_numbers(source)?;
    let values = source.numbers(kind, header.big_endian, &header.shape)?;
    source.end()?;
    Ok(Raw { values, shape: header.shape, fortran: header.fortran })
}

/// Where the numbers of a whole file are, from its beginning.
pub(super) fn locate(source: &mut Source<'_>) -> Result<Numbers> {
    let (Header { big_endian, fortran, shape, .. }, kind) = of_numbers(source)?;
    Ok(Numbers { start: source.place(kind, &shape)?, kind, big_endian, shape, fortran })
}

fn of_numbers(source: &mut Source<'_>) -> Result<(Header, Kind)> {
    let header = Header::read(source)?;
    match header.kind {
        Type::Number(kind) => Ok((header, kind)),
        _ => Err(source.error("expected real numbers of 1 to 8 bytes, found texts or Python objects")),
    }
}

/// Reads a whole file of labels, numbers or texts, of one dimension or a matrix of one column or row. `name` names them in
/// messages.
pub(super) fn read_labels(source: &mut Source<'_>, path: &Path, name: String) -> Result<Labels> {
    let header = Header::read(source)?;
    let labels = match header.kind {
        Type::Number(kind) => {
            labels::from_numbers(&source.numbers(kind, header.big_endian, &header.shape)?, path, name)?
        }
        Type::Text { width, wide } => {
            let mut labels = Collector::default();
            source.texts(width, wide, header.big_endian, &header.shape, |text| labels.push(text.trim()))?;
            labels.finish(name)
        }
        Type::Object => return Err(source.error("expected numbers or texts as labels, found Python objects")),
    };
    source.end()?;
    Ok(labels)
}

/// The shape of an array, and what it holds if that is neither numbers nor texts.
pub(super) fn describe(source: &mut Source<'_>) -> Result<(Vec<u64>, Option<String>)> {
    let header = Header::read(source)?;
    let odd = (header.kind == Type::Object).then(|| "Python objects".to_string());
    Ok((header.shape, odd))
}

/// What an array is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Type {
    Number(Kind),
    /// Texts of `width` characters, each of four bytes if `wide`, else of one.
    Text {
        width: u64,
        wide: bool,
    },
    /// Pickled.
    Object,
}

#[derive(Debug, PartialEq)]
struct Header {
    kind: Type,
    big_endian: bool,
    fortran: bool,
    shape: Vec<u64>,
}

impl Header {
    fn read(source: &mut Source<'_>) -> Result<Self> {
        let [magic @ .., major, _minor] = source.array::<8>("the .npy header")?;
        if &magic != b"\x93NUMPY" {
            return Err(source.error("no .npy header found"));
        }
        let length = match major {
            1 => usize::from(u16::from_le_bytes(source.array("the .npy header")?)),
            2 | 3 => u32::from_le_bytes(source.array("the .npy header")?) as usize,
            _ => return Err(source.error(format!("expected .npy version 1, 2 or 3, found {major}"))),
        };
        if length > MAX_HEADER {
            return Err(source.error(format!("expected a .npy header of at most {MAX_HEADER} bytes, found {length}")));
        }
        let text = source.bytes(length, "the .npy header")?;
        let text = String::from_utf8_lossy(&text);
        parse(&text).map_err(|what| source.error(format!("{what} in the .npy header: {}", text.trim())))
    }
}

/// Reads the three entries of the dictionary; refuses all that NumPy does not write for plain arrays.
fn parse(text: &str) -> std::result::Result<Header, String> {
    let mut tokens = Tokens(text);
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    tokens.expect("{")?;
    loop {
        let key = match tokens.next() {
            "}" => break,
            "," => continue,
            key => key.trim_matches(['\'', '"']),
        };
        tokens.expect(":")?;
        match key {
            "descr" => descr = Some(dtype(tokens.next())?),
            "fortran_order" => {
                fortran = Some(match tokens.next() {
                    "True" => true,
                    "False" => false,
                    other => return Err(format!("expected True or False, found `{other}`")),
                });
            }
            "shape" => {
                tokens.expect("(")?;
                let mut dims = Vec::new();
                loop {
                    match tokens.next() {
                        ")" => break,
                        "," => {}
                        // Python 2 wrote long integers with an L.
                        number => match number.trim_end_matches('L').parse::<u64>() {
                            Ok(dim) => dims.push(dim),
                            Err(_) => return Err(format!("expected a dimension, found `{number}`")),
                        },
                    }
                }
                shape = Some(dims);
            }
            other => return Err(format!("unexpected entry `{other}`")),
        }
    }
    match (descr, fortran, shape) {
        (Some((kind, big_endian)), Some(fortran), Some(shape)) => Ok(Header { kind, big_endian, fortran, shape }),
        _ => Err("expected `descr`, `fortran_order` and `shape`".into()),
    }
}

/// The type that `'<f4'` or the like means, and whether it is big-endian.
fn dtype(token: &str) -> std::result::Result<(Type, bool), String> {
    let name = token.trim_matches(['\'', '"']);
    let plain = name.trim_start_matches(['<', '>', '|', '=']);
    let text = |wide: bool| plain[1..].parse().ok().map(|width| Type::Text { width, wide });
    let kind = match plain {
        "b1" | "u1" => Kind::U8,
        "i1" => Kind::I8,
        "u2" => Kind::U16,
        "i2" => Kind::I16,
        "u4" => Kind::U32,
        "i4" => Kind::I32,
        "u8" => Kind::U64,
        "i8" => Kind::I64,
        "f2" => Kind::F16,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        "O" => return Ok((Type::Object, false)),
        other => {
            let text =
                if other.starts_with('U') { text(true) } else { other.starts_with('S').then(|| text(false)).flatten() };
            let wrong = || format!("expected real numbers of 1 to 8 bytes, found the type `{name}`");
            return Ok((text.ok_or_else(wrong)?, name.starts_with('>')));
        }
    };
    Ok((Type::Number(kind), name.starts_with('>')))
}

/// Cuts the header's text into strings, words and punctuation; empty tokens follow the last one.
struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn next(&mut self) -> &'a str {
        let text = self.0.trim_start();
        let mut chars = text.char_indices();
        let end = match chars.next() {
            None => 0,
            Some((_, quote @ ('\'' | '"'))) => chars.find(|&(_, c)| c == quote).map_or(text.len(), |(i, _)| i + 1),
            Some((_, c)) if c.is_alphanumeric() || c == '_' => {
                chars.find(|&(_, c)| !c.is_alphanumeric() && c != '_').map_or(text.len(), |(i, _)| i)
            }
            Some((_, c)) => c.len_utf8(),
        };
        let (token, rest) = text.split_at(end);
        self.0 = rest;
        token
    }

    fn expect(&mut self, wanted: &str) -> std::result::Result<(), String> {
        match self.next() {
            token if token == wanted => Ok(()),
            other => Err(format!("expected `{wanted}`, found `{other}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_in_every_spelling() {
        let header = parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n").expect("NumPy's own");
        assert_eq!(
            header,
            Header { kind: Type::Number(Kind::F32), big_endian: false, fortran: false, shape: vec![3, 4] }
        );
        let header = parse(r#"{"shape":(7L,),"fortran_order":True,"descr":">i8"}"#).expect("other order, Python 2");
        assert_eq!(header, Header { kind: Type::Number(Kind::I64), big_endian: true, fortran: true, shape: vec![7] });
        assert_eq!(
            parse("{'descr': '|b1', 'fortran_order': False, 'shape': ()}").expect("a scalar").shape,
            Vec::<u64>::new()
        );
    }

    #[test]
    fn texts_and_objects_are_told_from_numbers() {
        let kind = |descr: &str| dtype(&format!("'{descr}'")).map(|(kind, _)| kind);
        assert_eq!(kind("<U12"), Ok(Type::Text { width: 12, wide: true }));
        assert_eq!(kind("|S3"), Ok(Type::Text { width: 3, wide: false }));
        assert_eq!(kind("|O"), Ok(Type::Object));
    }

    #[test]
    fn headers_that_are_refused() {
        for (text, say) in [
            ("", "expected `{`"),
            ("{", "expected `:`"),
            ("{'descr': '<f4'}", "expected `descr`"),
            ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "`<c8`"),
            ("{'descr': '<U', 'fortran_order': False, 'shape': (1,)}", "`<U`"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "`[`"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "`-`"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "dimension"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1", "dimension"),
            ("{'descr': '<f4, 'fortran_order': 0é", "`<f4, `"),
            ("{'fortran_order': é", "True or False"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(say), "{text}: {error}");
        }
    }
}

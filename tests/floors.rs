//! Checks the floors that the documentation of `src/lib.rs` lists: no file names one of a higher floor, or of another entry of its
//! own floor; no files name each other in a circle; no file is too long.
//!
//! A file names another one by the paths in its code, in `use` or inline. Paths are followed through `pub use` to the file that
//! defines the item. A facade is a file with `mod` and `use` only. It defines nothing, so it is part of no circle; but it must
//! not re-export from higher floors either. Tests and comments may name everything.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// Lines of a file, at most.
const MOST_LINES: usize = 400;

/// The names of a floor, from the ground up: those behind the numbers of the list in the documentation of the crate.
fn floors(lib: &str) -> Vec<Vec<String>> {
    let list = lib.lines().skip_while(|line| *line != "//! # Floors").map(|line| line.trim_start_matches("//! "));
    let entries = list.filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    entries.map(|line| line.split('`').skip(1).step_by(2).map(String::from).collect()).collect()
}

/// Code without comments, strings, and items for tests alone.
fn code_of(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|r| (r, r.len() - r.trim_start_matches('#').len()));
        let raw = raw.filter(|(r, hashes)| r[*hashes..].starts_with('"') && !out.ends_with(is_word));
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some((r, hashes)) = raw {
            let end = format!("\"{}", "#".repeat(hashes));
            2 + hashes + r[hashes + 1..].find(&end).unwrap() + end.len()
        } else if c == '"' {
            2 + end_of_quote(&rest[1..], '"')
        } else if rest.starts_with("'\\") {
            2 + end_of_quote(&rest[1..], '\'')
        } else if c == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(2).unwrap().0 + 1
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        rest = &rest[skipped..];
    }
    for mark in ["#[cfg(test)]", "#[cfg(doctest)]"] {
        remove(&mut out, mark, end_of_item);
    }
    remove(&mut out, "#[", |attribute| end_of_brackets(attribute, ('[', ']')));
    remove(&mut out, "#![", |attribute| end_of_brackets(attribute, ('[', ']')));
    remove(&mut out, "(in ", |visibility| end_of_brackets(visibility, ('(', ')')));
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the closing quote is.
fn end_of_quote(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let found = text.char_indices().find(|&(_, c)| {
        let end = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        end
    });
    found.unwrap().0
}

/// Takes out all that begins with `mark`; `length` says how long it is.
fn remove(code: &mut String, mark: &str, length: impl Fn(&str) -> usize) {
    while let Some(start) = code.find(mark) {
        let end = start + length(&code[start..]);
        code.replace_range(start..end, "");
    }
}

/// The end of what is in brackets, which are within each other.
fn end_of_brackets(code: &str, (open, close): (char, char)) -> usize {
    let mut depth = 0;
    let end = code.char_indices().find(|&(_, c)| {
        depth += i32::from(c == open) - i32::from(c == close);
        c == close && depth == 0
    });
    end.map_or(code.len(), |(at, _)| at + 1)
}

/// Where an item ends: at the first `;` outside of braces, or with its braces.
fn end_of_item(code: &str) -> usize {
    let semicolon = code.find(';').map_or(code.len(), |at| at + 1);
    match code[..semicolon].contains('{') {
        true => end_of_brackets(code, ('{', '}')),
        false => semicolon,
    }
}

/// The paths of a `use`, each with the name by which its file then knows the last of them.
fn expand(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    let Some((before, inside)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
        let path: Vec<String> = path.split("::").map(|s| s.trim().to_string()).filter(|s| !s.is_empty()).collect();
        let name = if alias.is_empty() { path.last().cloned().unwrap_or_default() } else { alias.trim().to_string() };
        return if path.is_empty() { Vec::new() } else { vec![(path, name)] };
    };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inside[..inside.rfind('}').unwrap()].chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(c);
        }
    }
    parts.iter().flat_map(|part| expand(&format!("{before}{part}"))).collect()
}

#[derive(Default)]
struct File {
    /// The module that it is.
    module: Vec<String>,
    children: BTreeSet<String>,
    /// Path, the name it gets here, and whether it is passed on.
    uses: Vec<(Vec<String>, String, bool)>,
    /// Paths in the code.
    inline: BTreeSet<Vec<String>>,
    facade: bool,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let module = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let module = module.split('/').filter(|part| !["lib", "main"].contains(part)).map(String::from).collect();
        let mut file = Self { module, ..Self::default() };
        let (mut rest, code) = (String::new(), code_of(text));
        // Statement by statement; what is neither `mod` nor `use` is code.
        let mut left = code.as_str();
        while let Some(end) = left.find([';', '{', '}']) {
            let words: Vec<&str> = left[..end].split_whitespace().skip_while(|word| word.starts_with("pub")).collect();
            match words[..] {
                ["mod", name] if left[end..].starts_with(';') => {
                    file.children.insert(name.to_string());
                    left = &left[end + 1..];
                }
                ["use", ..] => {
                    let statement = &left[..left.find(';').unwrap()];
                    let (visibility, tree) = statement.split_once("use ").unwrap();
                    let tree = tree.split_whitespace().collect::<Vec<_>>().join(" ");
                    let public = visibility.contains("pub");
                    file.uses.extend(expand(&tree).into_iter().map(|(path, name)| (path, name, public)));
                    left = &left[statement.len() + 1..];
                }
                _ => {
                    rest.push_str(&left[..=end]);
                    left = &left[end + 1..];
                }
            }
        }
        rest.push_str(left);
        file.facade = !rest.contains(is_word);
        // `<B as Backend>::Matrix` and `value::<T>` are no paths of modules.
        let path = |c: char| is_word(c) || c == ':';
        for found in rest.split(|c| !path(c)).filter(|found| found.contains("::") && !found.starts_with(':')) {
            file.inline.insert(found.split("::").filter(|s| !s.is_empty()).map(String::from).collect());
        }
        file
    }
}

struct House {
    files: BTreeMap<String, File>,
    floors: Vec<Vec<String>>,
    too_long: Vec<String>,
}

impl House {
    /// From the paths and texts of its files.
    fn new(texts: &[(String, String)]) -> Self {
        let lib = texts.iter().find(|(path, _)| path == "src/lib.rs").unwrap();
        let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs") && !path.ends_with("/tests.rs"));
        let files = rust.map(|(path, text)| (path.clone(), File::new(path, text))).collect();
        let too_long = texts.iter().map(|(path, text)| (path, text.lines().count())).filter(|(_, n)| *n > MOST_LINES);
        let too_long = too_long.map(|(path, n)| format!("{path} has {n} lines")).collect();
        Self { files, floors: floors(&lib.1), too_long }
    }

    fn file_of(&self, module: &[String]) -> Option<&str> {
        let path = module.join("/");
        let names = if path.is_empty() {
            ["src/lib.rs".into(), String::new()]
        } else {
            [format!("src/{path}.rs"), format!("src/{path}/mod.rs")]
        };
        names.iter().find_map(|name| self.files.get_key_value(name)).map(|(name, _)| name.as_str())
    }

    /// The file that defines what `path` means in `from`; None for what is of another crate, or a facade as a whole.
    fn resolve(&self, from: &str, path: &[String], depth: usize) -> Option<&str> {
        let file = &self.files[from];
        let mut module = file.module.clone();
        let mut steps = path.iter();
        let first = path.first()?.as_str();
        match first {
            "crate" | "deepnmf" => module.clear(),
            "self" | "super" => module.truncate(module.len() - usize::from(first == "super")),
            name if file.children.contains(name) => module.push(name.into()),
            name => {
                let (found, _, _) =
                    file.uses.iter().find(|(p, n, _)| n == name && p.first().is_some_and(|p| p != name))?;
                let path: Vec<String> = found.iter().chain(&path[1..]).cloned().collect();
                return if depth < 9 { self.resolve(from, &path, depth + 1) } else { None };
            }
        }
        steps.next();
        for (at, step) in steps.enumerate() {
            let last = at + 2 == path.len();
            if step == "super" {
                module.pop();
                continue;
            }
            let here = self.file_of(&module)?;
            let passed_on =
                self.files[here].uses.iter().find(|(_, name, public)| *public && (name == step || name == "*"));
            let child = [&module[..], std::slice::from_ref(step)].concat();
            if self.file_of(&child).is_some() && !(last && passed_on.is_some()) {
                module = child;
                continue;
            }
            return match passed_on {
                Some((path, _, _)) if depth < 9 => self.resolve(here, path, depth + 1),
                _ => Some(here).filter(|here| !self.files[*here].facade),
            };
        }
        self.file_of(&module).filter(|here| !self.files[*here].facade)
    }

    /// Every file that `from` names, with a path that does.
    fn named_by(&self, from: &str) -> BTreeMap<&str, String> {
        let file = &self.files[from];
        let paths = file.uses.iter().map(|(path, _, _)| path).chain(&file.inline);
        let found = paths.filter_map(|path| Some((self.resolve(from, path, 0)?, path.join("::"))));
        found.filter(|(to, _)| *to != from).collect()
    }

    /// Floor and place on it: the longest name in the list that the path begins with.
    fn place(&self, path: &str) -> Option<(usize, &str)> {
        let path = path.trim_start_matches("src/").trim_end_matches(".rs");
        let on =
            self.floors.iter().enumerate().flat_map(|(floor, names)| names.iter().map(move |n| (floor, n.as_str())));
        on.filter(|(_, name)| path == *name || path.starts_with(&format!("{name}/"))).max_by_key(|(_, name)| name.len())
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = self.too_long.clone();
        let edges: BTreeMap<&str, _> = self.files.keys().map(|path| (path.as_str(), self.named_by(path))).collect();
        for (from, named) in edges.iter().filter(|(from, _)| **from != "src/lib.rs") {
            let Some((floor, place)) = self.place(from) else {
                faults.push(format!("{from} stands on no floor"));
                continue;
            };
            for (to, path) in named {
                if let Some((above, other)) = self.place(to)
                    && (above > floor || above == floor && other != place)
                {
                    faults.push(format!("{from} names {to}, which is not below it: {path}"));
                }
            }
        }
        for start in edges.keys() {
            // The files that it leads to, each with the one before it.
            let (mut before, mut queue) = (BTreeMap::new(), VecDeque::from([*start]));
            while let Some(at) = queue.pop_front() {
                for to in edges[at].keys() {
                    before.entry(*to).or_insert_with(|| {
                        queue.push_back(*to);
                        at
                    });
                }
            }
            if before.contains_key(start) {
                let (mut circle, mut at) = (vec![*start], before[start]);
                while at != *start {
                    circle.push(at);
                    at = before[at];
                }
                circle.push(start);
                circle.reverse();
                let steps = circle
                    .windows(2)
                    .map(|pair| format!("{} names {} ({})", pair[0], pair[1], edges[pair[0]][pair[1]]));
                faults.push(format!("a circle: {}", steps.collect::<Vec<_>>().join(", ")));
            }
        }
        faults
    }
}

/// Path and text of every file of `folders`.
fn texts(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<String> = folders.iter().map(ToString::to_string).collect();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => open.push(path),
                false => found.push((path, std::fs::read_to_string(entry.path()).unwrap())),
            }
        }
    }
    found
}

#[test]
fn nothing_names_what_stands_above_it() {
    let faults = House::new(&texts(&["src", "shaders"])).faults();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A house of two floors, with a facade and these files besides.
fn house(more: &[(&str, &str)]) -> Vec<String> {
    let lib = "//! # Floors\n//!\n//! 1. `low`, `beside`\n//! 2. `high`\n\nmod low;\nmod beside;\nmod high;\npub use low::Thing;\n";
    let mut files = vec![
        ("src/lib.rs", lib),
        ("src/low/mod.rs", "//! Facade.\nmod one;\nmod two;\npub(crate) use one::Thing;\n"),
        ("src/low/one.rs", "pub struct Thing;\n"),
        ("src/low/two.rs", "use crate::Thing;\npub struct Two(Thing);\n"),
        ("src/beside.rs", "pub fn f() {}\n"),
        ("src/high.rs", "use crate::{beside, low::Thing};\nfn g(_: Thing) { beside::f() }\npub struct High;\n"),
    ];
    files.retain(|(path, _)| more.iter().all(|(other, _)| other != path));
    let texts: Vec<_> = files.iter().chain(more).map(|(path, text)| (path.to_string(), text.to_string())).collect();
    House::new(&texts).faults()
}

#[test]
fn a_bad_import_is_found_wherever_it_hides() {
    assert_eq!(house(&[]), [""; 0]);
    let above = "src/low/one.rs names src/high.rs, which is not below it";
    for text in [
        "use crate::high::High;\npub struct Thing(High);",
        "use crate::{\n    high::{self as h, High},\n};\npub struct Thing;",
        "use crate::high;\npub struct Thing(high::High);",
        "pub struct Thing;\nfn f() { let _ = crate::high::High; }",
        "use super::super::high::High;\npub struct Thing;",
        "#[cfg(unix)]\nuse crate::high::High;\npub struct Thing('\\'', \"\\\"\");",
        "pub struct Thing;\nfn f() {\n    use crate::high::*;\n}",
    ] {
        let faults = house(&[("src/low/one.rs", text)]);
        assert!(faults.iter().any(|fault| fault.starts_with(above)), "{text}: {faults:?}");
    }
    let faults = house(&[("src/low/one.rs", "pub struct Thing;\nfn f() { crate::beside::f() }")]);
    assert_eq!(faults, ["src/low/one.rs names src/beside.rs, which is not below it: crate::beside::f"]);
    let faults = house(&[("src/low/mod.rs", "mod one;\nmod two;\npub use one::Thing;\npub use crate::high::High;\n")]);
    assert!(faults.iter().any(|fault| fault.starts_with("src/low/mod.rs names src/high.rs")), "{faults:?}");
}

#[test]
fn what_is_no_code_of_the_house_names_nothing() {
    for text in [
        "// crate::high::High\npub struct Thing;",
        "/// [`crate::high::High`]\npub struct Thing;",
        "pub struct Thing;\nconst S: &str = \"use crate::high::High;\";\nconst R: &str = r#\"crate::high::\"High\"#;",
        "pub struct Thing;\n#[cfg(test)]\nmod tests {\n    use crate::high::High;\n    fn f() {}\n}\n",
        "use high::High;\npub struct Thing(High);",
    ] {
        assert_eq!(house(&[("src/low/one.rs", text)]), [""; 0], "{text}");
    }
}

#[test]
fn a_circle_is_found_through_a_facade() {
    let faults = house(&[("src/low/one.rs", "use super::two::Two;\npub struct Thing(Two);")]);
    let circle = "a circle: src/low/one.rs names src/low/two.rs (super::two::Two), src/low/two.rs names src/low/one.rs (crate::Thing)";
    assert!(faults.contains(&circle.into()), "{faults:?}");
    // A file that defines something is no facade.
    let both = "mod one;\nmod two;\npub use one::Thing;\npub fn size() -> usize { two::size() }\n";
    let faults = house(&[("src/low/mod.rs", both), ("src/low/two.rs", "pub fn size() -> usize { super::size() }")]);
    assert!(faults.iter().any(|fault| fault.starts_with("a circle: src/low/mod.rs")), "{faults:?}");
}

#[test]
fn a_long_file_and_one_on_no_floor_are_found() {
    let long = "fn f() {}\n".repeat(MOST_LINES + 1);
    assert_eq!(house(&[("shaders/long.wgsl", &long)]), ["shaders/long.wgsl has 401 lines"]);
    assert_eq!(house(&[("src/new.rs", "fn f() {}")]), ["src/new.rs stands on no floor"]);
}

//! Text that WGSL cannot make by itself: register tiles are named variables, one statement each.
//!
//! ```text
//! //: for i 0 ROWS        the lines up to the matching `//: end`, for i = 0 … ROWS − 1
//! //: for i 1 ROWS after j the same, where j = i − 1
//! //: if NAME             those lines where NAME is not 0; `if !NAME`: where it is
//! //: reduce NAME TYPE OF  a function NAME(own: TYPE, local: u32) that combines what the 256 invocations of a workgroup have;
//!                         OF combines a and b. No `end`. shaders/reduce.wgsl is its text.
//! $NAME, $i               the number; of several known names that fit the longest: $iu is $i and a u
//! ```
//!
//! Blocks nest. A name that is not known stays as it is, and the shader compiler says where.

const REDUCE: &str = include_str!("../../../shaders/reduce.wgsl");

/// `source` with its blocks unrolled and its names replaced.
pub(in super::super) fn expand(source: &str, values: &[(&str, usize)]) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let mut out = String::with_capacity(2 * source.len());
    block(&lines, &mut values.to_vec(), &mut out);
    out
}

fn directive(line: &str) -> Option<Vec<&str>> {
    line.trim_start().strip_prefix("//: ").map(|rest| rest.split_whitespace().collect())
}

fn block<'a>(lines: &[&'a str], values: &mut Vec<(&'a str, usize)>, out: &mut String) {
    let mut next = 0;
    while let Some(line) = lines.get(next) {
        next += 1;
        let Some(words) = directive(line) else {
            substitute(line, values, out);
            continue;
        };
        if let ["reduce", name, of_type, combined @ ..] = &words[..] {
            let text = REDUCE.replace("$NAME", name).replace("$TYPE", of_type);
            out.push_str(&text.replace("$COMBINED", &combined.join(" ")));
            continue;
        }
        let start = next;
        let mut open = 1;
        while open > 0 && next < lines.len() {
            match directive(lines[next]).as_deref() {
                Some(["end", ..]) => open -= 1,
                Some(["reduce", ..]) => {}
                Some(_) => open += 1,
                None => {}
            }
            next += 1;
        }
        let body = &lines[start..next - 1];
        let number = |word: &str| {
            let known = values.iter().rev().find(|(name, _)| *name == word).map(|(_, value)| *value);
            known.or(word.parse().ok()).unwrap_or(0)
        };
        match words[..] {
            ["for", name, from, to, ref after @ ..] => {
                for value in number(from)..number(to) {
                    let known = values.len();
                    values.push((name, value));
                    if let ["after", before] = after {
                        values.push((before, value.saturating_sub(1)));
                    }
                    block(body, values, out);
                    values.truncate(known);
                }
            }
            ["if", name] if (number(name.trim_start_matches('!')) != 0) != name.starts_with('!') => {
                block(body, values, out);
            }
            _ => {}
        }
    }
}

fn substitute(line: &str, values: &[(&str, usize)], out: &mut String) {
    let mut parts = line.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let fits = values.iter().rev().filter(|(name, _)| part.starts_with(name));
        match fits.max_by_key(|(name, _)| name.len()) {
            Some((name, value)) => out.push_str(&format!("{value}{}", &part[name.len()..])),
            None => out.push_str(&format!("${part}")),
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_nest_and_the_longest_name_wins() {
        let source = "a$N\n//: for i 0 2\n  //: for j 1 N\n  x$i_$ju;\n  //: end\n//: end\nz$NN $M";
        assert_eq!(expand(source, &[("N", 3), ("NN", 7)]), "a3\n  x0_1u;\n  x0_2u;\n  x1_1u;\n  x1_2u;\nz7 $M\n");
        assert_eq!(expand("//: for i 0 0\n$i\n//: end", &[]), "");
        assert_eq!(expand("//: for i 1 3 after j\n$j $i\n//: end", &[]), "0 1\n1 2\n");
    }

    #[test]
    fn conditions() {
        let source = "//: if A\na\n//: if !B\nb\n//: end\n//: end\n//: if !A\nc\n//: end";
        assert_eq!(expand(source, &[("A", 1), ("B", 0)]), "a\nb\n");
        assert_eq!(expand(source, &[("A", 1), ("B", 2)]), "a\n");
        assert_eq!(expand(source, &[("A", 0), ("B", 0)]), "c\n");
    }
}

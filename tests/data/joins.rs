//! Tables of labels that name the samples in a column of whatever heading.

use std::path::Path;

use deepnmf::data::{ImageSet, Join, LoadOptions, Table, load};

use super::{Dir, gzip, read, refusal};

/// Images of these names.
fn images(dir: &Dir, folder: &str, names: &[&str]) -> ImageSet {
    names.iter().for_each(|name| drop(dir.put(&format!("{folder}/{name}"), b"P5 1 1 255\n7")));
    read(&dir.path().join(folder))
}

fn join(dir: &Dir, text: &str, set: &ImageSet) -> deepnmf::Result<Join> {
    Table::read(&dir.put("table.csv", text.as_bytes())).expect("a table").join(set)
}

#[test]
fn any_column_of_names_joins() {
    let dir = Dir::new();
    let faces = images(&dir, "faces", &["a.pgm", "b.pgm", "c.pgm"]);
    let numbers = images(&dir, "numbers", &["0.pgm", "1.pgm", "2.pgm"]);
    let lines = read(&dir.put("x.csv", b",p0,p1\n0,5,6\n1,7,8\n2,7,9\n"));
    let read_lines = read(&dir.put("y.csv", b"sample_id,p0,p1\n7,5,6\n9,7,8\n8,7,9\n"));
    for (set, text, by, rows) in [
        // Files, stems and paths under headings of no meaning; the index of pandas beside them is passed over.
        (&faces, "picture,who\nc.pgm,x\na.pgm,y\nb.pgm,z\n", Some("picture"), [1, 2, 0]),
        (&faces, "who,stem\nx,c\ny,b\nz,a\n", Some("stem"), [2, 1, 0]),
        (&faces, ",where,who\n0,faces/b.pgm,x\n1,faces/a.pgm,y\n2,faces/c.pgm,z\n", Some("where"), [1, 0, 2]),
        // Names as an index without a heading, and as one that R or pandas calls so.
        (&faces, ",who\nb,x\nc,y\na,z\n", Some("column 1"), [2, 0, 1]),
        (&faces, "Index,who\nb,x\nc,y\na,z\n", Some("Index"), [2, 0, 1]),
        (&faces, "fname,who\nb,x\nc,y\na,z\n", Some("fname"), [2, 0, 1]),
        // A column that names files but none of these does not hide the one that does.
        (&faces, "image,stem\n1,c\n2,b\n3,a\n", Some("stem"), [2, 1, 0]),
        // Names that are numbers: texts before an index, an index before other numbers.
        (&numbers, ",picture\n0,2.pgm\n1,1.pgm\n2,0.pgm\n", Some("picture"), [2, 1, 0]),
        (&lines, ",who\n2,x\n0,y\n1,z\n", Some("column 1"), [1, 2, 0]),
        (&lines, "rank,Unnamed: 0\n0,2\n1,1\n2,0\n", Some("Unnamed: 0"), [2, 1, 0]),
        (&lines, "pid,who\n2,x\n0,y\n1,z\n", Some("pid"), [1, 2, 0]),
        (&read_lines, "who,sample\nx,9\ny,8\nz,7\n", Some("sample"), [2, 0, 1]),
        // Numbers of another kind, and classes that happen to be names, are none.
        (&lines, "age,who\n1,x\n1,y\n2,z\n", None, [0, 1, 2]),
        (&lines, "size,who\n2,x\n0,y\n30,z\n", None, [0, 1, 2]),
        (&faces, "who\na\na\nd\n", None, [0, 1, 2]),
    ] {
        let join = join(&dir, text, set).expect(text);
        assert_eq!((join.by.as_deref(), join.rows), (by, rows.map(Some).to_vec()), "{text}");
        let by_position = join.notes.iter().any(|note| note.contains("in the order of the samples"));
        assert_eq!(by_position, by.is_none(), "{text}: {:?}", join.notes);
    }
    // Numbers in no order say that the lines are in another order than the samples.
    let message = join(&dir, "id,who\n15,x\n8,y\n9,z\n", &faces).expect_err("no order").to_string();
    assert!(message.contains("column `id` names no sample") && message.contains("in no order"), "{message}");
    assert_eq!(join(&dir, "id,who\n8,x\n9,y\n15,z\n", &faces).expect("in order").by, None);
    let message = join(&dir, "sample,who\na,x\nb,y\na,z\n", &faces).expect_err("twice").to_string();
    assert!(message.contains("lines 2 and 4 name the same sample"), "{message}");
}

#[test]
fn numbers_that_are_one_off_are_refused() {
    let dir = Dir::new();
    let from_0 = read(&dir.put("x.csv", b",p0,p1\n0,5,6\n1,7,8\n2,7,9\n"));
    let from_1 = images(&dir, "faces", &["1.pgm", "2.pgm", "3.pgm"]);
    for (set, text, says) in [
        (&from_0, "id,who\n1,a\n2,b\n3,c\n", "column `id` counts from 1 to 3, the names of the samples from 0 to 2"),
        (&from_0, "who,row\na,3\nb,1\nc,2\n", "column `row` counts from 1 to 3"),
        (&from_0, "index,who\n3,a\n1,b\n", "column `index` counts from 1 to 3"),
        (
            &from_1,
            ",who\n0,a\n1,b\n2,c\n",
            "column `column 1` counts from 0 to 2, the names of the samples from 1 to 3",
        ),
        (&from_1, "image,who\n0,a\n2,b\n", "column `image` counts from 0 to 2"),
    ] {
        let message = join(&dir, text, set).expect_err(text).to_string();
        assert!(message.contains(says) && message.contains("one off"), "{text}: {message}");
    }
    // Some of the samples, and more than those.
    for (set, text) in [(&from_0, "id,who\n1,a\n2,b\n"), (&from_1, "id,who\n0,a\n1,b\n2,c\n3,d\n")] {
        assert_eq!(join(&dir, text, set).expect(text).by.as_deref(), Some("id"), "{text}");
    }
}

#[test]
fn labels_that_nobody_asked_for_may_be_absent() {
    let dir = Dir::new();
    let opts = LoadOptions { y_key: Some("who".into()), ..Default::default() };
    let optional = LoadOptions { y_optional: true, ..opts.clone() };
    for text in ["p0,p1\n5,6\n7,8\n", "5,6\n7,8\n", "p0,label\n5,6\n7,8\n"] {
        let path = dir.put("x.csv", text.as_bytes());
        assert!(refusal(&path, &opts).contains("`who`"), "{text}");
        let set = load(&path, &optional).expect(text);
        assert_eq!((set.x, set.labels), (ndarray::arr2(&[[5., 6.], [7., 8.]]), None), "{text}");
        assert!(set.notes.iter().any(|n| n.contains("no column `who`: read without labels")), "{:?}", set.notes);
    }
    assert!(load(&dir.put("y.csv", b"p0,who\n5,a\n7,b\n"), &optional).expect("read").labels.is_some());
}

#[test]
fn minus_one_is_a_class_and_said() {
    let dir = Dir::new();
    for (text, said) in [("-1", true), ("-1.0", true), ("-10", false), ("?", false), ("None", false)] {
        let set = read(&dir.put("m.csv", format!("p0,label\n1,{text}\n2,1\n3,2\n").as_bytes()));
        let missing = set.labels.iter().flatten().filter(|class| class.is_none()).count();
        assert_eq!(missing, usize::from(["?", "None"].contains(&text)), "{text}");
        let note = "column `label`: -1 is a class of its own";
        assert_eq!(set.notes.iter().any(|n| n.starts_with(note)), said, "{text}: {:?}", set.notes);
    }
}

#[test]
fn labels_are_arrays_or_lines_too() {
    let dir = Dir::new();
    let set = images(&dir, "faces", &["a.pgm", "b.pgm", "c.pgm"]);
    let labels = |file: &Path| {
        let table = Table::read(file).expect("a table").of_samples(3);
        let join = table.join(&set).expect("as many");
        (table.columns().to_vec(), table.labels(&table.columns()[0], &join).expect("labels"))
    };
    let expected = |column: &str, classes: [&str; 2]| {
        (vec![column.to_string()], (vec![Some(1), Some(0), Some(1)], classes.map(String::from).to_vec()))
    };
    let mut npy = deepnmf::data::npy_header("<i4", (3, 1));
    [7i32, -3, 7].iter().for_each(|v| npy.extend(v.to_le_bytes()));
    assert_eq!(labels(&dir.put("y.npy", &npy)), expected("label", ["-3", "7"]));
    let idx = [0, 0, 8, 1, 0, 0, 0, 3, 9, 4, 9];
    assert_eq!(labels(&dir.put("y-idx1-ubyte", &idx)), expected("label", ["4", "9"]));
    assert_eq!(labels(&dir.put("y.idx.gz", &gzip(&idx))), expected("label", ["4", "9"]));
    assert_eq!(labels(&dir.put("lines.txt", b"cat\nant\ncat\n")), expected("label", ["ant", "cat"]));
    assert_eq!(labels(&dir.put("y.csv", b"who\ncat\nant\ncat\n")), expected("who", ["ant", "cat"]));
}

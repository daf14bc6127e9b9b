use deepnmf::data::{LoadOptions, load, read_labels};
use ndarray::arr2;

use super::{Dir, gzip, read, refusal, refused};

#[test]
fn with_and_without_header_and_labels() {
    let dir = Dir::new();
    let set = read(&dir.put("a.csv", b"1,2.5\n 3e1, -4\n"));
    assert_eq!((set.x, set.labels), (arr2(&[[1., 2.5], [30., -4.]]), None));
    let set = read(&dir.put("b.csv", b"left,right\r\n1,2\r\n3,4\r\n"));
    assert_eq!((set.x, set.labels), (arr2(&[[1., 2.], [3., 4.]]), None));
    let set = read(&dir.put("c.csv", b"p0,Class,p1\n1,s10,2\n3,s2,4\n5,s10,6\n"));
    assert_eq!(set.x, arr2(&[[1., 2.], [3., 4.], [5., 6.]]));
    assert_eq!((set.labels, set.classes), (Some(vec![1, 0, 1]), vec!["s2".into(), "s10".into()]));
    // The header of a data frame: numbers and one name.
    let set = read(&dir.put("d.csv.gz", &gzip(b"0,1,label\n7,8,10\n9,10,9\n")));
    assert_eq!((set.x, set.classes), (arr2(&[[7., 8.], [9., 10.]]), vec!["9".into(), "10".into()]));
    let path = dir.put("e.csv", b"who,age,y\n1,20,3\n2,30,4\n");
    let set = load(&path, &LoadOptions { y_key: Some("who".into()), ..Default::default() }).expect("by name");
    assert_eq!((set.x, set.labels), (arr2(&[[20., 3.], [30., 4.]]), Some(vec![0, 1])));
}

#[test]
fn mistakes_are_named_by_line_and_column() {
    let dir = Dir::new();
    refused(&dir.put("a.csv", b"a,b\n1,2\n3,x4\n"), &["line 3, column 2", "`x4`"]);
    refused(&dir.put("b.csv", b"1,2\n3\n"), &["line 2, column 2", "expected 2 cells, found 1"]);
    refused(&dir.put("c.csv", b"1,2\n3,4,5\n"), &["line 2, column 3", "expected 2 cells, found 3"]);
    refused(&dir.put("d.csv", b"1,2\n3,\n"), &["line 2, column 2", "``"]);
    refused(&dir.put("e.csv", b"1,2\n3,\xff\n"), &["line 2, column 2", "UTF-8"]);
    // A slip in the first line is not a header.
    refused(&dir.put("f.csv", b"1,2x\n3,4\n"), &["line 1, column 2", "`2x`"]);
    refused(&dir.put("g.csv", b"a,b\n"), &["expected samples"]);
    refused(&dir.put("h.csv", b"label\n3\n"), &["expected samples"]);
    let numbers = dir.put("i.csv", b"1,2\n");
    let key = LoadOptions { y_key: Some("who".into()), ..Default::default() };
    assert!(refusal(&numbers, &key).contains("header line with the column `who`"));
    let other = dir.put("j.csv", b"a,b\n1,2\n");
    assert!(refusal(&other, &key).contains("expected a column `who`, found: a, b"));
}

#[test]
fn a_column_of_labels_alone() {
    let dir = Dir::new();
    let path = dir.put("labels.csv", b"file,eyes\na.pgm,open\nb.pgm, sunglasses\n");
    assert_eq!(read_labels(&path, "eyes").expect("there"), ["open", "sunglasses"]);
    let error = read_labels(&path, "nose").expect_err("absent").to_string();
    assert!(error.contains("`nose`") && error.contains("file, eyes"), "{error}");
    let ragged = dir.put("ragged.csv", b"file,eyes\na.pgm\n");
    assert!(read_labels(&ragged, "eyes").expect_err("ragged").to_string().contains("line 2"));
    assert!(read_labels(&dir.path().join("none.csv"), "eyes").is_err());
}

use deepnmf::data::{LoadOptions, SamplesAxis, Table, load};
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
    assert_eq!((set.labels, set.classes), (Some([1, 0, 1].map(Some).to_vec()), vec!["s2".into(), "s10".into()]));
    // The header of a data frame: numbers and one name.
    let set = read(&dir.put("d.csv.gz", &gzip(b"0,1,label\n7,8,10\n9,10,9\n")));
    assert_eq!((set.x, set.classes), (arr2(&[[7., 8.], [9., 10.]]), vec!["9".into(), "10".into()]));
    let path = dir.put("e.csv", b"who,age,y\n1,20,3\n2,30,4\n");
    let set = load(&path, &LoadOptions { y_key: Some("who".into()), ..Default::default() }).expect("by name");
    assert_eq!((set.x, set.labels), (arr2(&[[20., 3.], [30., 4.]]), Some(vec![Some(0), Some(1)])));
    let set = load(&path, &LoadOptions { y_key: Some("Y".into()), ..Default::default() }).expect("in another case");
    assert_eq!(
        (set.x, set.names, set.classes),
        (arr2(&[[1., 20.], [2., 30.]]), Vec::<String>::new(), vec!["3".into(), "4".into()])
    );
}

#[test]
fn columns_are_left_out() {
    let dir = Dir::new();
    let path = dir.put("t.csv", b"cell,batch,a,label,when,b\nc1,x,1,p,noon,2\nc2,y,3,q,dusk,4\n");
    refused(&path, &["expected a number in the column `batch`", "--leave-out batch"]);
    let leave_out = |names: &[&str]| LoadOptions {
        leave_out: names.iter().map(ToString::to_string).collect(),
        ..LoadOptions::default()
    };
    let set = load(&path, &leave_out(&["batch", "When", "nothing"])).expect("numbers");
    assert_eq!(
        (&set.x, &set.names, &set.classes),
        (&arr2(&[[1., 2.], [3., 4.]]), &vec!["c1".into(), "c2".into()], &vec!["p".into(), "q".into()])
    );
    assert_eq!(set.feature_names, ["a", "b"]);
    assert!(set.notes.contains(&"there is no column `nothing` to leave out".into()), "{:?}", set.notes);
    // Labels and names, too.
    let set = load(&path, &leave_out(&["cell", "batch", "label", "when"])).expect("numbers");
    assert_eq!((set.x.dim(), set.labels, set.names.len()), ((2, 2), None, 0));
    assert!(
        load(&dir.put("x.npy", b"\x93NUMPY"), &leave_out(&["a"]))
            .is_err_and(|e| e.to_string().contains("means nothing for"))
    );
}

/// Genes × cells, as many tables of genes are.
#[test]
fn samples_may_be_the_columns() {
    let dir = Dir::new();
    let options = LoadOptions { samples: SamplesAxis::Columns, ..LoadOptions::default() };
    let path = dir.put("genes.tsv", b"gene\tc1\tc2\tc3\nActb\t1\t2\t3\nGapdh\t4\t5\t6\n");
    let set = load(&path, &options).expect("turned");
    assert_eq!(set.x, arr2(&[[1., 4.], [2., 5.], [3., 6.]]));
    assert_eq!(
        (set.names, set.feature_names),
        (["c1", "c2", "c3"].map(String::from).to_vec(), ["Actb", "Gapdh"].map(String::from).to_vec())
    );
    let path = dir.put("labelled.csv", b"gene,class,c1\nActb,x,1\nGapdh,y,4\n");
    assert!(load(&path, &options).is_err_and(|e| e.to_string().contains("the samples are the columns")));
}

#[test]
fn a_long_header_is_one_in_a_file_of_text_too() {
    let dir = Dir::new();
    let header: Vec<_> = (0..200).map(|i| format!("gene_{i}")).collect();
    let line = vec!["1.5"; 200].join(",");
    let set = read(&dir.put("wide.txt", format!("{}\n{line}\n{line}\n", header.join(",")).as_bytes()));
    assert_eq!((set.x.dim(), set.feature_names.len()), ((2, 200), 200));
}

#[test]
fn mistakes_are_named_by_line_and_column() {
    let dir = Dir::new();
    refused(&dir.put("a.csv", b"a,b\n1,2\n3,x4\n"), &["line 3, column 2", "`x4`"]);
    refused(&dir.put("b.csv", b"1,2\n3\n"), &["line 2, column 2", "expected 2 cells, found 1"]);
    refused(&dir.put("c.csv", b"1,2\n3,4,5\n"), &["line 2, column 3", "expected 2 cells, found 3"]);
    refused(&dir.put("d.csv", b"1,2\n3,\n"), &["line 2, column 2", "a value is missing", "an empty cell"]);
    refused(&dir.put("q.csv", b"a,b\n1,2\n3,?\n"), &["line 3, column 2", "a value of `b` is missing", "`?`"]);
    refused(&dir.put("none.csv", b"a,b\nNone,2\n3,4\n"), &["line 2, column 1", "a value of `a` is missing", "`None`"]);
    refused(&dir.put("e.csv", b"1,2\n3,\xff\n"), &["line 2, column 2", "UTF-8"]);
    // A slip in the first line is not a header.
    refused(&dir.put("f.csv", b"1,2x\n3,4\n"), &["line 1, column 2", "`2x`"]);
    // A column of text, with a header, with one that is a cell short, with none; a slip is no such column.
    refused(&dir.put("k.csv", b"a,who\n1,Ann\n2,Bob\n"), &["column `who`, found `Ann`", "--y-key who"]);
    refused(&dir.put("r.csv", b"\"a\",\"who\"\n\"1\",2,Ann\n\"2\",3,Bob\n"), &["line 2, column 3", "--y-key who"]);
    refused(
        &dir.put("l.csv", b"a,who,label\n1,Ann,x\n2,Bob,y\n"),
        &["line 2, column 2", "--y-key who", "--leave-out who"],
    );
    refused(&dir.put("n.csv", b"1,Ann\n2,Bob\n"), &["line 1, column 2", "header line", "--y-key NAME"]);
    let slip = refusal(&dir.put("s.csv", b"a,b\n1,2\n3,x4\n"), &LoadOptions::default());
    assert!(!slip.contains("--y-key"), "{slip}");
    refused(&dir.put("g.csv", b"a,b\n"), &["expected samples"]);
    refused(&dir.put("h.csv", b"label\n3\n"), &["expected samples"]);
    let numbers = dir.put("i.csv", b"1,2\n");
    let key = LoadOptions { y_key: Some("who".into()), ..Default::default() };
    assert!(refusal(&numbers, &key).contains("header line with the column `who`"));
    let other = dir.put("j.csv", b"a,b\n1,2\n");
    assert!(refusal(&other, &key).contains("expected a column `who`, found: a, b"));
}

/// Names of lines are no features, as pandas, R and others write them.
#[test]
fn a_first_column_of_names_is_no_feature() {
    let dir = Dir::new();
    for (i, (text, names)) in [
        // pandas, with row numbers and with text as its index; twice written; without names of columns.
        (",p0,p1\n0,5,6\n1,7,8\n", ["0", "1"]),
        (",p0,p1\nx,5,6\ny,7,8\n", ["x", "y"]),
        ("Unnamed: 0,p0,p1\n10,5,6\n11,7,8\n", ["10", "11"]),
        (",0,1\n0,5,6\n1,7,8\n", ["0", "1"]),
        ("index,p0,p1\n0,5,6\n1,7,8\n", ["0", "1"]),
        // R: write.csv, and write.table with a comma, whose header is one cell short.
        ("\"\",\"p0\",\"p1\"\n\"1\",5,6\n\"2\",7,8\n", ["1", "2"]),
        ("\"p0\",\"p1\"\n\"1\",5,6\n\"2\",7,8\n", ["1", "2"]),
        // Files, with a header of words, with one of numbers, with none.
        ("FILE,p0,p1\na.png,5,6\nb.png,7,8\n", ["a.png", "b.png"]),
        ("gene,p0,p1\nBRCA1,5,6\nTP53,7,8\n", ["BRCA1", "TP53"]),
        ("gene,0,1\nBRCA1,5,6\nTP53,7,8\n", ["BRCA1", "TP53"]),
        ("a.png,5,6\nb.png,7,8\n", ["a.png", "b.png"]),
        // Numbers under a name of samples or of features, below other numbers too, and numbers with zeros before them.
        ("cell,p0,p1\n10000,5,6\n10001,7,8\n", ["10000", "10001"]),
        ("Gene,p0,p1\n9606,5,6\n1017,7,8\n", ["9606", "1017"]),
        ("cell,9606,1017\n10,5,6\n11,7,8\n", ["10", "11"]),
        ("plate,p0,p1\n0001,5,6\n0012,7,8\n", ["0001", "0012"]),
        // A mark of the order of bytes, as spreadsheets write it.
        ("\u{feff}id,p0,p1\n7,5,6\n9,7,8\n", ["7", "9"]),
    ]
    .iter()
    .enumerate()
    {
        let set = read(&dir.put(&format!("{i}.csv"), text.as_bytes()));
        assert_eq!(set.x, arr2(&[[5., 6.], [7., 8.]]), "{text}");
        assert_eq!(set.names, *names, "{text}");
        assert!(set.notes.iter().any(|n| n.contains("the first column names the samples")), "{text}: {:?}", set.notes);
    }
    let set = read(&dir.put("l.csv", b"\"p0\",\"class\"\n\"1\",5,a\n\"2\",7,b\n"));
    assert_eq!((set.x, set.classes), (arr2(&[[5.], [7.]]), vec!["a".into(), "b".into()]));
    // Numbers are numbers where nothing says otherwise.
    assert_eq!(read(&dir.put("n.csv", b"a,b\n0,5\n1,7\n")).x, arr2(&[[0., 5.], [1., 7.]]));
    // If they may be names it is said.
    let lines = |step: usize| (0..12).map(|i| format!("{},{i}\n", 500 + i / step)).collect::<String>();
    let said =
        |text: &str| read(&dir.put("d.csv", text.as_bytes())).notes.iter().any(|n| n.contains("--leave-out plate"));
    assert!(said(&format!("plate,b\n{}", lines(1))) && !said(&format!("plate,b\n{}", lines(2))));
    // A slip is no name.
    refused(&dir.put("slip.csv", b"a,b\nx,5\n1,7\n"), &["line 3, column 1", "expected a name"]);
    refused(&dir.put("gap.csv", b"a,b\nNA,5\n1,7\n"), &["line 2, column 1", "`NA`"]);
    refused(&dir.put("first.csv", b"1x,5\n1,7\n"), &["line 1, column 1", "`1x`"]);
}

/// As spreadsheets, R's `write.csv2`, pandas with `sep` and `numpy.savetxt` write tables.
#[test]
fn separators_are_told_by_the_lines() {
    let dir = Dir::new();
    let expected = arr2(&[[1., 5.5], [1.5, 7.]]);
    for (name, content) in [
        ("semi.csv", &b"1;5,5\n1,5;7\n"[..]),
        ("r.csv", b"\"\";\"a\";\"b\"\n\"1\";1;5,5\n\"2\";1,5;7\n"),
        ("tabs.tsv", b"a\tb\n1\t5.5\n1.5\t7\n"),
        ("tabs.csv", b"# written by hand\na\tb\n1\t5.5\n# and so on\n1.5\t7\n"),
        ("quoted.tsv", b"1\t\"5,5\"\n1,5\t7\n"),
        ("spaces.txt", b"# a b\n1.000000000000000000e+00 5.500000000000000000e+00\n1.5e+00 7e+00\n"),
        ("commas.csv", b"1,5.5\n1.5,7\n"),
    ] {
        assert_eq!(read(&dir.put(name, content)).x, expected, "{name}");
    }
    let set = read(&dir.put("labels.tsv", b"label\tx\nred, green\t1\nblue\t2\n"));
    assert_eq!((set.x, set.classes), (arr2(&[[1.], [2.]]), vec!["blue".into(), "red, green".into()]));
    // A number sign begins a comment only where the file begins with one.
    let set = read(&dir.put("signs.csv", b"name,a,b\n#1,2,3\n#2,4,5\n"));
    assert_eq!((set.x, set.names), (arr2(&[[2., 3.], [4., 5.]]), vec!["#1".into(), "#2".into()]));
    // Thousands are not taken for fractions, nor for names.
    refused(&dir.put("k1.tsv", b"1,234\t2\n12,345\t3\n"), &["`1,234` is a decimal fraction or thousands"]);
    refused(&dir.put("k2.csv", b"900.5;2\n1,000;3\n"), &["line 2, column 1", "one kind of numbers"]);
    refused(&dir.put("k3.csv", b"1.234;2\n12.345;3,5\n"), &["line 2, column 2", "one kind of numbers"]);
    refused(&dir.put("k4.csv", b"1.234,5;2\n2.000,25;3\n"), &["line 1, column 1", "`1.234,5`"]);
    refused(&dir.put("k5.csv", b"\"1,234\",2\n\"2,000\",3\n"), &["line 1, column 1", "`1,234`"]);
    let fractions = read(&dir.put("k6.csv", b"0,234;2\n1,345;3\n0,5;1\n")).x;
    assert_eq!(fractions, arr2(&[[0.234, 2.], [1.345, 3.], [0.5, 1.]]));
    // The header of pandas for columns without names.
    assert_eq!(read(&dir.put("pandas.csv", b"0,1,2\n7,8,9\n")).x, arr2(&[[7., 8., 9.]]));
    // What is refused is what the comma would have been refused for.
    refused(&dir.put("slip.csv", b"1;5\n1;x\n"), &["line 2, column 2", "`x`"]);
    let table = Table::read(&dir.put("t.tsv", b"file\twho\na.png\tAnn, B.\n")).expect("a table");
    assert_eq!(table.columns(), ["file", "who"]);
}

/// What is not read is called by its name.
#[test]
fn other_formats_are_named() {
    let dir = Dir::new();
    refused(&dir.put("t.parquet", b"PAR1\x15\x04 PAR1"), &["expected a Parquet file that can be read"]);
    refused(&dir.put("x.pkl", b"\x80\x04\x95\x10\0\0\0"), &["pickle", "numpy.save"]);
    refused(&dir.put("i.heic", b"\0\0\0\x18ftypheic\0\0\0\0"), &["HEIC", "JPEG"]);
    refused(&dir.put("i.avif", b"\0\0\0\x18ftypavif\0\0\0\0"), &["AVIF", "JPEG"]);
    refused(&dir.put("b.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), &["Excel", "CSV"]);
}

#[test]
fn labels_that_are_missing_equal_or_not_meant() {
    let dir = Dir::new();
    let set = read(&dir.put("m.csv", b"p0,label\n1,a\n2,\n3,NaN\n4,NA\n5,b\n"));
    assert_eq!(set.labels, Some(vec![Some(0), None, None, None, Some(1)]));
    assert_eq!(
        (set.classes.len(), set.class_counts(), set.label_source.as_deref()),
        (2, vec![1, 1], Some("column `label`"))
    );
    let set = read(&dir.put("e.csv", b"p0,Labels\n1,1\n2,1.0\n3,2\n"));
    assert_eq!(set.labels, Some(vec![Some(0), Some(0), Some(1)]));
    // A feature may be called y.
    let path = dir.put("y.csv", b"x,y,z\n1,2,3\n4,5,6\n");
    let set = read(&path);
    assert_eq!((set.x, set.labels), (arr2(&[[1., 2., 3.], [4., 5., 6.]]), None));
    assert!(set.notes.iter().any(|n| n.contains("`y` is read as a feature; --y-key y")), "{:?}", set.notes);
    let set = read(&dir.put("t.csv", b"p0,class,label\n1,7,8\n4,7,9\n"));
    assert_eq!((set.classes, set.x.ncols()), (vec!["8".into(), "9".into()], 2));
    assert!(set.notes.iter().any(|n| n.contains("`class` is read as a feature")), "{:?}", set.notes);
    let set = read(&dir.put("none.csv", b"p0,label\n1,\n2,\n"));
    assert!(set.labels.is_none() && set.notes.iter().any(|n| n.contains("holds no label")), "{:?}", set.notes);
}

/// Three samples, two of them of the same name in different folders.
fn folder(dir: &Dir) -> deepnmf::data::ImageSet {
    for name in ["s1/1.pgm", "s1/2.pgm", "s2/1.pgm"] {
        dir.put(&format!("faces/{name}"), b"P5 1 1 255\n7");
    }
    read(&dir.path().join("faces"))
}

#[test]
fn tables_are_joined_by_the_names_of_samples() {
    let dir = Dir::new();
    let set = folder(&dir);
    assert_eq!(set.names, ["s1/1.pgm", "s1/2.pgm", "s2/1.pgm"]);
    for (i, (text, by, rows, notes)) in [
        // In another order, with folders before the names, with the slashes of Windows.
        ("file,eyes\ns2/1.pgm,c\ns1/1.pgm,a\ns1/2.pgm,b\n", Some("file"), [Some(1), Some(2), Some(0)], 0),
        ("eyes,Path\nc,data/faces/s2/1.pgm\na,./s1/1.pgm\nb,s1\\2.pgm\n", Some("Path"), [Some(1), Some(2), Some(0)], 0),
        // Both sides have what the other has not.
        ("image,eyes\ns9/9.pgm,c\ns1/2.pgm,b\n", Some("image"), [None, Some(1), None], 2),
        // A name that is no name of a sample, and none at all: by position, which is said.
        ("name,eyes\nAnn,a\nBob,b\nCy,c\n", None, [Some(0), Some(1), Some(2)], 2),
        ("eyes\na\nb\nc\n", None, [Some(0), Some(1), Some(2)], 1),
    ]
    .iter()
    .enumerate()
    {
        let table = Table::read(&dir.put(&format!("{i}.csv"), text.as_bytes())).expect("a table");
        let join = table.join(&set).expect("joined");
        assert_eq!(
            (join.by.as_deref(), &join.rows[..], join.notes.len()),
            (*by, &rows[..], *notes),
            "{text}: {:?}",
            join.notes
        );
        let (of, classes) = table.labels("eyes", &join).expect("a column");
        let found: Vec<_> = of.iter().map(|class| class.map(|c| classes[c].as_str())).collect();
        let cell = |row: &Option<usize>| row.map(|r| text.lines().nth(r + 1).expect("a line"));
        assert!(
            found.iter().zip(rows).all(|(found, row)| found.is_none() == row.is_none()
                && found.is_none_or(|f| cell(row).is_some_and(|line| line.split(',').any(|c| c == f)))),
            "{text}: {found:?}"
        );
    }
    let refused = |name: &str, text: &str| {
        let table = Table::read(&dir.put(name, text.as_bytes())).expect("a table");
        let message = table.join(&set).expect_err(text).to_string();
        assert!(message.contains(name), "{message}");
        message
    };
    let twice = refused("twice.csv", "file,eyes\ns1/1.pgm,a\ns1/2.pgm,b\nfaces/s1/1.pgm,c\n");
    assert!(twice.contains("lines 2 and 4 name the same sample: `s1/1.pgm` and `faces/s1/1.pgm`"), "{twice}");
    // 1.pgm is in two folders.
    let none = refused("none.csv", "file,eyes\n1.pgm,a\n9.pgm,b\n");
    assert!(none.contains("`file` names no sample: expected names like `s1/1.pgm`, found `1.pgm`"), "{none}");
    assert!(refused("short.csv", "eyes\na\nb\n").contains("expected 3 labels, one for every sample, found 2"));
}

#[test]
fn samples_without_names_are_joined_by_numbers_where_these_are_all_there() {
    let dir = Dir::new();
    let set = read(&dir.put("x.csv", b"1,2\n3,4\n5,6\n"));
    for (text, by, rows) in [
        ("id,eyes\n2,c\n0,a\n1,b\n", Some("id"), [1, 2, 0]),
        ("eyes,id\nc,3\na,1\nb,2\n", Some("id"), [1, 2, 0]),
        ("id,eyes\n17,a\n4,b\n9,c\n", None, [0, 1, 2]),
        ("file,eyes\na.png,a\nb.png,b\nc.png,c\n", None, [0, 1, 2]),
    ] {
        let join = Table::read(&dir.put("t.csv", text.as_bytes())).and_then(|table| table.join(&set)).expect("joined");
        assert_eq!((join.by.as_deref(), join.rows), (by, rows.map(Some).to_vec()), "{text}");
        let said = if by.is_some() { "numbers of the rows of the data" } else { "in the order of the samples" };
        assert!(join.notes.iter().any(|note| note.contains(said)), "{:?}", join.notes);
    }
}

#[test]
fn tables_that_are_none() {
    let dir = Dir::new();
    let set = folder(&dir);
    let table = Table::read(&dir.put("labels.csv", b"file,eyes\ns1/1.pgm,open\ns1/2.pgm, sunglasses\ns2/1.pgm,\n"))
        .expect("a table");
    let join = table.join(&set).expect("joined");
    assert_eq!(table.columns(), ["file", "eyes"]);
    assert_eq!(table.labels("eyes", &join).expect("there").0, [Some(0), Some(1), None]);
    let error = table.labels("nose", &join).expect_err("absent").to_string();
    assert!(error.contains("`nose`") && error.contains("file, eyes"), "{error}");
    let ragged = dir.put("ragged.csv", b"file,eyes\na.pgm\n");
    assert!(Table::read(&ragged).expect_err("ragged").to_string().contains("line 2"));
    assert!(Table::read(&dir.path().join("none.csv")).is_err());
}

/// What a first line is can only be guessed where it has numbers: the guess is said.
#[test]
fn first_lines_of_numbers_are_explained() {
    let dir = Dir::new();
    let notes = |name: &str, text: &str| {
        let set = read(&dir.put(name, text.as_bytes()));
        (set.n_samples(), set.feature_names, set.notes.join("; "))
    };
    let (n, names, said) = notes("counted.csv", "0,1,2\n4,5,6\n7,8,9\n");
    assert_eq!((n, names.as_slice()), (2, ["0", "1", "2"].map(String::from).as_slice()));
    assert!(said.contains("is taken as a header line, no sample"), "{said}");
    let (n, _, said) = notes("years.csv", "400,410,420\n1,5,2\n");
    assert!(n == 2 && said.contains("like those of a header"), "{said}");
    for (name, text) in [
        ("waves.csv", "400.5,401,401.5,402,402.5,403\n1,5,2,8,3,4\n"),
        ("falling.csv", "900,880,860,840,820,800\n.1,.5,.2,.8,.3,.4\n"),
        ("entrez.csv", "9606,1017,2,50\n.1,.5,.2,.8\n"),
        ("names.tsv", "9606\t1017\t2\t50\n.1\t.5\t.2\t.8\n"),
    ] {
        let (n, _, said) = notes(name, text);
        assert!(n == 2 && said.contains("like those of a header"), "{name}: {said}");
    }
    for (name, text) in [
        ("irises.csv", "5.1,3.5,1.4,0.2\n4.9,3.0,1.4,0.2\n"),
        ("counts.csv", "7,3,9,12,1\n0,5,2,1,8\n"),
        ("curves.csv", "1,2,3,4,5,6\n2,4,6,8,10,12\n"),
    ] {
        let (_, _, said) = notes(name, text);
        assert_eq!(said.contains("like those of a header"), name == "curves.csv", "{name}: {said}");
    }
    let (n, names, said) = notes("named.csv", "name,400,410,420\ns1,1,5,2\n");
    assert_eq!((n, names.as_slice()), (1, ["400", "410", "420"].map(String::from).as_slice()));
    assert!(!said.contains("header"), "{said}");
    for (name, text, what) in [
        ("two.csv", "a,b,a\n1,2,3\n4,5,7\n", "two are called `a`"),
        ("none.csv", "a,,c\n1,2,3\n4,5,7\n", "one has no name"),
    ] {
        let (n, names, said) = notes(name, text);
        assert!(n == 2 && names.is_empty() && said.contains(what), "{said}");
    }
    let set = read(&dir.put("ids.csv", b"cell_id,a,b\n5000,1,2\n5001,3,5\n"));
    assert_eq!((set.n_features(), set.names), (2, vec!["5000".to_string(), "5001".to_string()]));
}

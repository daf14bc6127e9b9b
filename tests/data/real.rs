//! The data sets of the papers. They may not be shipped: `DEEPNMF_DATA` says where they are. Without them these tests are
//! ignored; tests/run.sh runs them where they are.

use deepnmf::data::{ImageShape, PixelOrder, Table};

use super::{data_dir, read};

#[test]
#[ignore = "needs the data sets of the papers, see tests/run.sh"]
fn pie_pose_27() {
    let set = read(&data_dir().join("pie/PIE_pose27.mat"));
    assert_eq!(set.x.dim(), (2856, 1024));
    assert_eq!(set.image_shape, Some(ImageShape::new(32, 32, 1).ordered(PixelOrder::Columns)));
    assert_eq!(set.classes, (1..=68).map(|i| i.to_string()).collect::<Vec<_>>());
    assert_eq!(set.class_counts(), [42; 68]);
    assert!(set.labels.as_ref().is_some_and(|l| l.is_sorted()));
    // Sums and a pixel from another reader of the same file.
    assert_eq!(set.x.iter().map(|&v| f64::from(v)).sum::<f64>(), 250_451_258.0);
    let at = |row, column| set.x[[1000, set.image_shape.expect("square").at(row, column, 0)]];
    assert_eq!((at(3, 20), at(20, 3)), (55.0, 153.0), "pixels of image 1000");
}

#[test]
#[ignore = "needs the data sets of the papers, see tests/run.sh"]
fn orl_is_400_faces_of_40_people() {
    let set = read(&data_dir().join("orl"));
    assert_eq!(set.x.dim(), (400, 92 * 112));
    assert_eq!(set.image_shape, Some(ImageShape::new(112, 92, 1)));
    assert_eq!(set.classes, (1..=40).map(|i| format!("s{i}")).collect::<Vec<_>>());
    assert_eq!(set.class_counts(), [10; 40]);
    assert_eq!(
        (set.names[0].as_str(), set.names[9].as_str(), set.names[10].as_str()),
        ("s1/1.pgm", "s1/10.pgm", "s2/1.pgm")
    );
    // The file is 5 + 7 + 4 bytes of header, then the pixels row by row.
    let bytes = std::fs::read(data_dir().join("orl/s40/7.pgm")).expect("the data folder is complete");
    let pixels = &bytes[bytes.len() - 92 * 112..];
    let row = set.names.iter().position(|n| n == "s40/7.pgm").expect("it is there");
    assert!(set.x.row(row).iter().zip(pixels).all(|(&a, &b)| a == f32::from(b)));
}

#[test]
#[ignore = "needs the data sets of the papers, see tests/run.sh"]
fn cmu_faces_have_their_labels_in_a_file() {
    let set = read(&data_dir().join("cmu-faces"));
    assert_eq!((set.x.dim(), &set.labels, set.classes.len()), ((624, 960), &None, 0));
    assert_eq!(set.image_shape, Some(ImageShape::new(30, 32, 1)));
    let labels = data_dir().join("cmu-faces/labels.csv");
    let table = Table::read(&labels).expect("it is there");
    let join = table.join(&set).expect("files");
    assert_eq!(join.by.as_deref(), Some("file"));
    assert_eq!(join.rows, (0..624).map(Some).collect::<Vec<_>>(), "the rows of labels.csv are the samples");
    assert_eq!(table.labels("eyes", &join).expect("a column").1, ["open", "sunglasses"]);
}

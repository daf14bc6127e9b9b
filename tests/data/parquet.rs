//! Parquet, as the crate that reads it writes it; tests/python has files of pandas.

use std::sync::Arc;

use deepnmf::data::{LoadOptions, load};
use ndarray::arr2;
use parquet::data_type::{ByteArrayType, DoubleType, Int32Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::{Dir, read, refused};

/// Two groups of rows of names, a number that may be missing, whole numbers and classes; the fourth value of `a` is `fourth`.
fn table(schema: &str, fourth: Option<f64>) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Default::default()).expect("a file");
    for rows in [0..3, 3..5] {
        let mut group = file.next_row_group().expect("a group");
        let texts = |word: &str| rows.clone().map(|i| format!("{word}{}", i % 4).as_str().into()).collect::<Vec<_>>();
        let all = vec![1; rows.len()];
        let mut column = group.next_column().expect("no error").expect("names");
        column.typed::<ByteArrayType>().write_batch(&texts("cell"), Some(&all), None).expect("written");
        column.close().expect("closed");
        let values: Vec<Option<f64>> =
            rows.clone().map(|i| if i == 3 { fourth } else { Some(i as f64 / 2.0) }).collect();
        let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
        let values: Vec<f64> = values.into_iter().flatten().collect();
        let mut column = group.next_column().expect("no error").expect("a");
        column.typed::<DoubleType>().write_batch(&values, Some(&levels), None).expect("written");
        column.close().expect("closed");
        let mut column = group.next_column().expect("no error").expect("b");
        let values: Vec<i32> = rows.clone().map(|i| 10 * i).collect();
        column.typed::<Int32Type>().write_batch(&values, None, None).expect("written");
        column.close().expect("closed");
        let mut column = group.next_column().expect("no error").expect("class");
        column.typed::<ByteArrayType>().write_batch(&texts("c"), Some(&all), None).expect("written");
        column.close().expect("closed");
        group.close().expect("closed");
    }
    file.close().expect("closed");
    bytes
}

const SCHEMA: &str =
    "message m { optional binary cell (UTF8); optional double a; required int32 b; optional binary class (UTF8); }";

#[test]
fn columns_are_features_names_and_labels() {
    let dir = Dir::new();
    let good = table(SCHEMA, Some(1.5));
    let set = read(&dir.put("x.parquet", &good));
    assert_eq!(set.x, arr2(&[[0., 0.], [0.5, 10.], [1., 20.], [1.5, 30.], [2., 40.]]));
    assert_eq!(set.feature_names, ["a", "b"]);
    assert_eq!(set.names, ["cell0", "cell1", "cell2", "cell3", "cell0"]);
    assert_eq!(set.classes, ["c0", "c1", "c2", "c3"]);
    assert_eq!(set.labels, Some([0, 1, 2, 3, 0].map(Some).to_vec()));
    // The numbers of a column as labels.
    let key = |key: &str| LoadOptions { y_key: Some(key.into()), ..LoadOptions::default() };
    let message = load(&dir.put("x.parquet", &good), &key("b")).expect_err("a text is left").to_string();
    assert!(message.contains("expected numbers in the column `class`, found texts; --y-key class"), "{message}");
    let message = load(&dir.put("x.parquet", &good), &key("d")).expect_err("there is none").to_string();
    assert!(message.contains("expected a column `d`, found: cell, a, b, class"), "{message}");

    refused(&dir.put("missing.parquet", &table(SCHEMA, None)), &["row 3, column `a`: a value is missing"]);
    refused(&dir.put("large.parquet", &table(SCHEMA, Some(1e300))), &["row 3, column `a`", "1e300"]);
    let decimal = SCHEMA.replace("int32 b", "int32 b (DECIMAL(9,2))");
    refused(&dir.put("d.parquet", &table(&decimal, Some(1.))), &["column `b`, found values of another type"]);
}

#[test]
fn damaged_tables_are_errors_not_panics() {
    let dir = Dir::new();
    let good = table(SCHEMA, Some(1.5));
    let mut damaged = 0;
    for at in 0..good.len() {
        let _ = load(&dir.put("cut.parquet", &good[..at]), &LoadOptions::default());
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = good.clone();
            changed[at] ^= flip;
            let found = load(&dir.put("flipped.parquet", &changed), &LoadOptions::default());
            damaged += found.is_err_and(|e| e.to_string().contains("damaged")) as usize;
        }
    }
    // The crate that reads it panics over some of them.
    assert!(damaged > 0);
}

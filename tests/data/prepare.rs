//! Scaling, validation, splits.

use deepnmf::Error;
use deepnmf::data::{Preprocess, Scale, preprocess, train_per_class, validate_nonnegative};
use ndarray::{Array2, arr2};
use proptest::prelude::*;

#[test]
fn unit_norm_max_and_none() {
    let x = arr2(&[[3.0f32, 4.], [0., 0.], [0., 10.]]);
    let mut unit = x.clone();
    assert_eq!(preprocess(&mut unit, Scale::default()), Preprocess { scale: Scale::UnitL2, factor: 1., igo: None });
    assert_eq!(unit, arr2(&[[0.6, 0.8], [0., 0.], [0., 1.]]));
    let mut max = x.clone();
    let learnt = preprocess(&mut max, Scale::Max);
    assert_eq!(learnt, Preprocess { scale: Scale::Max, factor: 10., igo: None });
    assert_eq!(max, arr2(&[[0.3, 0.4], [0., 0.], [0., 1.]]));
    let mut new = arr2(&[[20.0f32, 5.]]);
    learnt.apply(&mut new).expect("fits");
    assert_eq!(new, arr2(&[[2., 0.5]]), "new data is divided by the training data's maximum");
    let mut none = x.clone();
    preprocess(&mut none, Scale::None);
    assert_eq!(none, x);
    let mut zero = Array2::zeros((2, 2));
    assert_eq!(preprocess(&mut zero, Scale::Max).factor, 1.);
    let mut large = arr2(&[[3e30f32, 4e30]]);
    preprocess(&mut large, Scale::UnitL2);
    assert!((large[[0, 0]] - 0.6).abs() < 1e-6 && (large[[0, 1]] - 0.8).abs() < 1e-6, "squares overflowed: {large}");
}

#[test]
fn scales_are_spelt_the_same_everywhere() {
    for (text, scale) in [("unit", Scale::UnitL2), ("max", Scale::Max), ("none", Scale::None)] {
        assert_eq!(scale.to_string(), text);
        let json = serde_json::to_string(&Preprocess { scale, factor: 2., igo: None }).expect("plain data");
        assert_eq!(json, format!(r#"{{"scale":"{text}","factor":2.0}}"#));
        assert_eq!(serde_json::from_str::<Preprocess>(&json).expect("its own").scale, scale);
    }
}

fn complaint(x: &Array2<f32>, names: &[String]) -> String {
    match validate_nonnegative(x.view(), names, "faces.npy") {
        Err(Error::Data(message)) => {
            assert!(message.starts_with("faces.npy: "), "{message}");
            message
        }
        other => panic!("expected an error of the data, found {other:?}"),
    }
}

#[test]
fn bad_values_are_counted_and_located() {
    let names = ["s1/a.pgm", "s1/b.pgm"].map(String::from);
    let negative = complaint(&arr2(&[[0., 1.], [-0.5, -2.]]), &names);
    for part in ["2 values are negative", "-0.5", "sample 2 (`s1/b.pgm`), feature 1, counted from 1"] {
        assert!(negative.contains(part), "`{part}` is not in: {negative}");
    }
    let nan = complaint(&arr2(&[[0., f32::NAN], [-1., f32::INFINITY]]), &[]);
    for part in ["2 values are not finite", "NaN", "sample 1, feature 2"] {
        assert!(nan.contains(part), "`{part}` is not in: {nan}");
    }
    let infinite = complaint(&arr2(&[[0., f32::NEG_INFINITY]]), &[]);
    assert!(infinite.contains("1 value is not finite, the first -inf"), "{infinite}");
    assert!(complaint(&Array2::zeros((3, 2)), &[]).contains("all 3 samples are zero"));
    assert!(complaint(&Array2::zeros((0, 2)), &[]).contains("0×2"));
    assert!(complaint(&Array2::zeros((2, 0)), &[]).contains("2×0"));
    let checked = validate_nonnegative(arr2(&[[0., -0.], [0., 1.], [0., 0.]]).view(), &[], "x").expect("good enough");
    assert_eq!(checked.zero_rows, [0, 2]);
}

#[test]
fn splits_do_not_change_between_releases() {
    let labels: Vec<usize> = (0..12).map(|i| i % 3).collect();
    let (train, test) = train_per_class(&labels, &[], 2, 7).expect("four of each");
    // Written down once: a change here changes everybody's results.
    assert_eq!(train, [0, 2, 3, 7, 8, 10]);
    assert_eq!(test.len(), 6);
    assert_ne!(train_per_class(&labels, &[], 2, 8).expect("four of each").0, train);
    let (all, none) = train_per_class(&labels, &[], 4, 7).expect("just enough");
    assert_eq!((all, none), ((0..12).collect(), vec![]));
}

#[test]
fn splits_that_cannot_be_made() {
    let classes = ["cat", "dog", "eel"].map(String::from);
    let message = train_per_class(&[0, 0, 1], &classes, 2, 0).expect_err("one dog").to_string();
    assert!(message.contains("at least 2") && message.contains("`dog`") && message.contains("found 1"), "{message}");
    assert!(train_per_class(&[0, 0, 1], &[], 2, 0).expect_err("one").to_string().contains("`1`"));
    assert!(train_per_class(&[], &classes, 2, 0).expect_err("no labels").to_string().contains("labels"));
    assert!(matches!(train_per_class(&[0], &classes, 0, 0), Err(Error::Config(_))));
}

proptest! {
    #[test]
    fn every_row_is_in_one_part(labels in prop::collection::vec(0usize..4, 1..60), n in 1usize..4, seed in any::<u64>()) {
        let counts = (0..4).map(|c| labels.iter().filter(|&&l| l == c).count()).filter(|&c| c > 0);
        let enough = counts.min().unwrap_or(0) >= n;
        match train_per_class(&labels, &[], n, seed) {
            Ok((train, test)) => {
                prop_assert!(enough);
                prop_assert!(train.is_sorted() && test.is_sorted());
                for class in 0..4 {
                    let drawn = train.iter().filter(|&&r| labels[r] == class).count();
                    prop_assert_eq!(drawn, if labels.contains(&class) { n } else { 0 });
                }
                let mut rows = [train, test].concat();
                rows.sort_unstable();
                prop_assert_eq!(rows, (0..labels.len()).collect::<Vec<_>>());
            }
            Err(_) => prop_assert!(!enough),
        }
    }
}

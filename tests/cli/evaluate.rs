//! `deepnmf evaluate`.

use super::fixtures::*;
use serde_json::Value;

/// Three classes of six images, of which four of every class were trained on.
fn fitted() -> Folder {
    let folder = Folder::new();
    faces(&folder);
    folder.ok("fit faces --layers 5,3 --train-per-class 4 --device cpu --out m.safetensors -q");
    folder
}

fn results(json: &Value) -> Vec<Value> {
    json["results"].as_array().expect("a list").clone()
}

#[test]
fn the_split_of_the_fit_is_honoured() {
    let folder = fitted();
    let json = folder.ok("evaluate m.safetensors faces --layer all --kmeans-seeds 3 --device cpu --json").json();
    let found: Vec<_> = results(&json)
        .iter()
        .map(|r| (r["samples"].as_str().expect("text").to_string(), r["n_samples"].clone(), r["layer"].clone()))
        .collect();
    let expected = [("training", 12, 1), ("training", 12, 2), ("test", 6, 1), ("test", 6, 2)];
    assert_eq!(found, expected.map(|(name, n, layer)| (name.to_string(), n.into(), layer.into())));
    for result in results(&json) {
        assert_eq!(
            (&result["label"], &result["classes"], &result["clusters"]),
            (&"class".into(), &3.into(), &3.into())
        );
        for score in ["nmi", "np", "ac", "purity"] {
            let (mean, sd) = (result[score]["mean"].as_f64(), result[score]["sd"].as_f64());
            assert!(
                mean.is_some_and(|v| (0.0..=1.0).contains(&v)) && sd.is_some_and(|v| v >= 0.0),
                "{score}: {result}"
            );
        }
        assert!(result["relative_error"].as_f64().is_some_and(|e| e < 0.5), "{result}");
    }
    assert!(json["sparsity"]["w"][0]["hoyer"].as_f64().is_some(), "{json}");
    let json = folder.ok("evaluate m.safetensors faces --test-only --device cpu --json").json();
    assert_eq!(results(&json).len(), 1);
    // The last samples of a class as others than those that were split: not the model's.
    std::fs::rename(folder.path("faces/s1"), folder.path("faces/t1")).expect("renamed");
    folder.refused("evaluate m.safetensors faces --device cpu", 1, &["its training samples are not at their places"]);
    std::fs::remove_dir_all(folder.path("faces/s2")).expect("removed");
    folder.refused("evaluate m.safetensors faces --device cpu", 1, &["12 for training, 6 for testing", "found 12"]);
}

/// Features and ridge are those of the model, of its file, or what is asked for; and it is said which.
#[test]
fn features_and_ridge_follow_the_model() {
    let folder = Folder::new();
    faces(&folder);
    for (model, more, features, ridge) in [
        ("sdnmf-l", "", "scaled-unit", 0.0),
        ("nenmf", "--ridge 0.5", "scaled-unit", 0.5),
        ("semi-nmf", "", "unit", 0.03),
        ("semi-nmf", "--ridge 0", "unit", 0.0),
        ("nmf-mu", "", "unit", 0.0),
    ] {
        let case = format!("{model} {more}");
        folder.ok(&format!(
            "fit faces --model {model} {more} --layers 3 --train-per-class 4 --device cpu --out m.safetensors -q"
        ));
        let evaluate = "evaluate m.safetensors faces --test-only --kmeans-seeds 2 --device cpu";
        let json = folder.ok(&format!("{evaluate} --json")).json();
        assert_eq!((&json["features"], &json["ridge"]), (&features.into(), &ridge.into()), "{case}");
        let text = folder.ok(evaluate).stdout;
        assert!(text.contains(&format!("k-means on {features} features")), "{case}: {text}");
        assert_eq!(text.contains(&format!("{ridge} tr(G)/k")), ridge > 0.0, "{case}: {text}");
        let json = folder.ok(&format!("{evaluate} --features raw --ridge 0.25 --json")).json();
        assert_eq!((&json["features"], &json["ridge"]), (&"raw".into(), &0.25.into()), "{case}");
        let error = |ridge: &str| {
            let transform = format!("transform m.safetensors faces --device cpu --out H.npy --json {ridge}");
            folder.ok(&transform).json()["relative_error"].as_f64().expect("a number")
        };
        assert!(error("--ridge 0") <= error("") + 1e-6 && error("--ridge 0") < error("--ridge 3"), "{case}");
        folder.refused(&format!("{evaluate} --ridge -1"), 2, &["ridge: expected a number of at least 0, found -1"]);
        folder.refused(&format!("{evaluate} --ridge nan"), 2, &["ridge: expected a number of at least 0, found NaN"]);
    }
    let fit = "fit faces --model deep-semi-nmf --layers 4,3 --activation root --device cpu --sweeps 2 --pretrain 2";
    folder.refused(
        &format!("{fit} --ridge 0.1 --out n.safetensors"),
        2,
        &["expected a linear model, found the activation"],
    );
    folder.ok(&format!("{fit} --out n.safetensors -q"));
    let transform = "transform n.safetensors faces --device cpu --out H.npy";
    folder.refused(&format!("{transform} --ridge 0.1"), 2, &["expected a linear model, found the activation"]);
}

#[test]
fn samples_are_told_from_others_by_what_the_model_says_of_them() {
    let folder = Folder::new();
    faces(&folder);
    folder.ok("fit faces --layers 4 --device cpu --out m.safetensors -q");
    let name = |data: &str| {
        let json = folder.ok(&format!("evaluate m.safetensors {data} --kmeans-seeds 2 --device cpu --json")).json();
        results(&json)[0]["samples"].clone()
    };
    assert_eq!(name("faces"), "training");
    for class in 0..3u8 {
        for i in 0..6u8 {
            folder.write(&format!("others/s{class}/{i}.pgm"), pgm(8, 6, 90 * class + 13 * i + 7));
        }
    }
    assert_eq!(name("others"), "new");
    let text = folder.ok("evaluate m.safetensors faces --device cpu -q").stdout;
    assert!(text.contains("NMI") && text.contains("training (18)") && text.contains("±"), "{text}");
    folder.refused("evaluate m.safetensors faces --test-only --device cpu", 1, &["found only its own"]);
}

#[test]
fn labels_from_a_file() {
    // Twelve training samples and six others.
    let folder = fitted();
    let table = |n: usize| {
        let rows = (0..n).map(|i| format!("s{}/{}.pgm,{},same\n", i / 6, i % 6, ["dark", "light"][i % 2]));
        format!("file,shade,all\n{}", rows.collect::<String>())
    };
    folder.write("labels.csv", table(18));
    folder.write("short.csv", "shade\ndark\nlight\n");
    let evaluate = "evaluate m.safetensors faces --device cpu";
    let json = folder.ok(&format!("{evaluate} --labels labels.csv --label shade --label file --json")).json();
    let columns: Vec<_> = results(&json).iter().map(|r| (r["label"].clone(), r["classes"].clone())).collect();
    assert_eq!(columns[..2], [("shade".into(), 2.into()), ("file".into(), 12.into())]);
    // The first column in which values are repeated.
    let json = folder.ok(&format!("{evaluate} --labels labels.csv --json")).json();
    assert_eq!((&json["labels"][0]["name"], &json["labels"][0]["classes"]), (&"shade".into(), &2.into()));
    for (arguments, code, parts) in [
        ("--label shade", 2, vec!["--labels"]),
        ("--labels nowhere.csv --label shade", 1, vec!["nowhere.csv"]),
        ("--labels labels.csv --label colour", 1, vec!["expected a column `colour`, found: file, shade, all"]),
        ("--labels short.csv --label shade", 1, vec!["short.csv: expected 18 labels, one for every sample, found 2"]),
        ("--labels labels.csv --label all", 1, vec!["all: expected samples of at least 2 classes, found 1"]),
        ("--clusters 13", 1, vec!["expected at least as many samples as clusters (13), found 12"]),
        ("--clusters 0", 2, vec!["expected clusters"]),
        ("--kmeans-seeds 0", 2, vec!["--kmeans-seeds: expected at least 1"]),
        ("--layer 3", 2, vec!["--layer: expected 1 to 2 or all, found 3"]),
        ("--features odd", 2, vec!["scaled-unit"]),
    ] {
        folder.refused(&format!("{evaluate} {arguments}"), code, &parts);
    }
    folder.write("x.npy", npy("(18, 48)", &samples(18, 48)));
    folder.refused(
        "evaluate m.safetensors x.npy --device cpu",
        1,
        &["the model has labels, but not for these samples", "give --labels FILE"],
    );
    folder.refused("evaluate labels.csv faces --device cpu", 1, &["expected a safetensors file"]);
}

/// The lines of a table may be in any order, and may be more or fewer than the samples.
#[test]
fn labels_are_joined_by_the_names_of_the_images() {
    let folder = Folder::new();
    faces(&folder);
    folder.ok("fit faces --layers 4 --device cpu --out m.safetensors -q");
    let line = |class: usize, i: usize| format!("{},faces/s{class}/{i}.pgm\n", ["a", "b", "c"][class]);
    let lines = |keep: &dyn Fn(usize, usize) -> bool| -> String {
        let all = (0..6).flat_map(|i| (0..3).rev().map(move |class| (class, i)));
        all.filter(|&(class, i)| keep(class, i)).map(|(class, i)| line(class, i)).collect()
    };
    folder.write("shuffled.csv", format!("who,file\n{}", lines(&|_, _| true)));
    folder.write("some.csv", format!("who,file\n{}a,faces/s7/0.pgm\n", lines(&|_, i| i != 3)));
    folder.write("twice.csv", format!("who,file\n{}{}", lines(&|_, _| true), line(1, 2)));
    let scores = |labels: &str| {
        let run = folder.ok(&format!("evaluate m.safetensors faces {labels} --kmeans-seeds 3 --device cpu --json"));
        (run.json(), run.stderr)
    };
    let (own, _) = scores("");
    let (table, _) = scores("--labels shuffled.csv --label who");
    assert_eq!(results(&own)[0]["nmi"], results(&table)[0]["nmi"], "the order of the lines does not matter");
    assert_eq!(
        own["labels"][0],
        serde_json::json!({ "name": "class", "classes": 3, "from": "sub-folders", "missing": 0 })
    );
    assert_eq!(table["labels"][0]["from"], "column `who` of shuffled.csv, joined by `file`");
    let (some, stderr) = scores("--labels some.csv --label who");
    assert_eq!((&results(&some)[0]["n_samples"], &results(&some)[0]["unlabelled"]), (&15.into(), &3.into()));
    assert!(stderr.contains("1 of 16 lines name no sample, the first `faces/s7/0.pgm`"), "{stderr}");
    assert!(stderr.contains("3 of 18 samples have no line, the first `s0/3.pgm`"), "{stderr}");
    let text = folder.ok("evaluate m.safetensors faces --labels some.csv --label who --device cpu").stdout;
    assert!(
        text.contains(
            "labels     3 classes from column `who` of some.csv, joined by `file`; 3 of 18 samples have no label: an empty \
             cell, NA, NaN, None or the like"
        ),
        "{text}"
    );
    folder.refused(
        "evaluate m.safetensors faces --labels twice.csv --label who --device cpu",
        1,
        &["twice.csv: lines", "name the same sample"],
    );
    // Without a column of names by position, which is said.
    folder.write("position.csv", format!("who\n{}", ["a\n"; 9].concat() + &["b\n"; 9].concat()));
    let (position, stderr) = scores("--labels position.csv --label who");
    assert!(position["labels"][0]["from"].as_str().is_some_and(|f| f.ends_with("by position")), "{position}");
    assert!(stderr.contains("in the order of the samples, which are `s0/0.pgm`, `s0/1.pgm` … `s2/5.pgm`"), "{stderr}");
    // A first line that is no header line.
    folder.write("headless.csv", "s0/0.pgm,a\ns0/1.pgm,b\n");
    let evaluate = "evaluate m.safetensors faces --device cpu --labels headless.csv";
    folder.refused(evaluate, 1, &["headless.csv: expected a header line, found the name of a sample, `s0/0.pgm`"]);
}

#[test]
fn samples_without_a_label_are_left_out_and_counted() {
    let folder = Folder::new();
    let x = samples(60, 6);
    let label = |i: usize| ["a", "b", "c", "", "NaN"][(i / 12) % 5];
    let lines = (0..60).map(|i| {
        let cells: Vec<_> = x[6 * i..6 * i + 6].iter().map(ToString::to_string).collect();
        format!("{},{}\n", cells.join(","), label(i))
    });
    folder.write("l.csv", format!("f0,f1,f2,f3,f4,f5,label\n{}", lines.collect::<String>()));
    let run = folder.ok("fit l.csv --layers 3 --device cpu --json");
    let labels = serde_json::json!({ "name": "class", "classes": 3, "from": "column `label`", "missing": 24 });
    assert_eq!(run.json()["labels"], labels);
    let run = folder.ok("fit l.csv --layers 3 --train-per-class 8 --device cpu");
    assert!(run.stdout.contains("labels     3 classes from column `label`"), "{}", run.stdout);
    let json = folder.ok("evaluate model.safetensors l.csv --kmeans-seeds 2 --device cpu --json").json();
    let found: Vec<_> = results(&json)
        .iter()
        .map(|r| (r["n_samples"].clone(), r["unlabelled"].clone(), r["classes"].clone()))
        .collect();
    assert_eq!(found, [(24.into(), 0.into(), 3.into()), (12.into(), 24.into(), 3.into())]);
    let page = folder.ok("report model.safetensors l.csv --device cpu --json").json();
    assert!(page["shown"].as_array().is_some_and(|s| s.contains(&"Clusters".into())), "{page}");
    let html = std::fs::read_to_string(folder.path("report.html")).expect("written");
    assert!(html.contains("24 samples without a class are left out"));
}

/// A file may say what it likes of the samples that it was split from.
#[test]
fn a_split_that_cannot_be_is_refused() {
    let folder = Folder::new();
    faces(&folder);
    folder.ok("fit faces --layers 4,2 --train-per-class 4 --device cpu --out split.safetensors");
    let bytes = std::fs::read(folder.path("split.safetensors")).expect("a model");
    let (length, rest) = bytes.split_at(8);
    let (header, tensors) = rest.split_at(u64::from_le_bytes(length.try_into().expect("8 bytes")) as usize);
    let header = std::str::from_utf8(header).expect("JSON");
    for (test, part) in [
        (u64::MAX, "expected at most 4294967295 samples in all, found 12 and"),
        (100_000_000_000, "expected at most 4294967295 samples in all, found 12 and 100000000000"),
        (4_000_000_000, "(12 for training, 4000000000 for testing), found 18"),
    ] {
        let lying = header.replace(r#"\"test\":6"#, &format!(r#"\"test\":{test}"#));
        assert_ne!(lying, header);
        let length = (lying.len() as u64).to_le_bytes();
        folder.write("lying.safetensors", [&length, lying.as_bytes(), tensors].concat());
        folder.refused("evaluate lying.safetensors faces --device cpu", 1, &[part]);
    }
}

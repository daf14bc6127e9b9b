//! `deepnmf reproduce`.

use super::fixtures::*;
use serde_json::Value;

/// Eight classes of twenty images of 12×10 pixels: a bright bar at the place of the class, noise on it.
fn bars(folder: &Folder) {
    let mut state = 1u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 26) as u8
    };
    let mut labels = "file,bar,shade,all\n".to_string();
    for class in 0..8 {
        for i in 0..20 {
            let mut bytes = b"P5\n12 10\n255\n".to_vec();
            bytes.extend((0..120).map(|at| noise() + if at / 12 == class + 1 { 120 } else { 20 }));
            folder.write(&format!("bars/{class}-{i:02}.pgm"), bytes);
            labels += &format!("{class}-{i:02}.pgm,{class},{},same\n", ["dark", "light"][i % 2]);
        }
    }
    folder.write("bars/labels.csv", labels);
}

fn csv(folder: &Folder, name: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(folder.path(name)).expect("written");
    reader.records().map(|record| record.expect("a line").iter().map(String::from).collect()).collect()
}

fn paths(run: &Run) -> Vec<String> {
    let files = run.json()["files"].as_array().expect("a list").clone();
    files.iter().map(|f| f["path"].as_str().expect("text").to_string()).collect()
}

#[test]
fn curves_are_drawn_and_fits_are_kept() {
    let folder = Folder::new();
    bars(&folder);
    let reproduce = "reproduce tr-fig6 --data bars --quick --kmeans-seeds 3 --out out --device cpu --json";
    let run = folder.ok(reproduce);
    assert_eq!(paths(&run), ["csv", "md", "svg", "png"].map(|ending| format!("out/tr-fig6.{ending}")));
    let lines = csv(&folder, "out/tr-fig6.csv");
    // Two methods, three numbers of components, three runs of k-means.
    assert_eq!(lines.len(), 1 + 2 * 3 * 3);
    let column = |name: &str| lines[0].iter().position(|c| c == name).expect(name);
    for line in &lines[1..] {
        for score in ["nmi", "np", "ac", "purity", "error"] {
            let value: f64 = line[column(score)].parse().expect("a number");
            assert!((0.0..=1.0).contains(&value), "{line:?}");
        }
    }
    let markdown = std::fs::read_to_string(folder.path("out/tr-fig6.md")).expect("written");
    assert!(markdown.contains("| Deep Semi-NMF, IGO |") && markdown.contains("in the place of XM2VTS"), "{markdown}");
    assert!(run.stderr.contains("tr-fig6 6/6: Semi-NMF, IGO, layers 70"), "{}", run.stderr);

    // What is kept is taken as it is, as long as it is of the same settings.
    let trials = list(&folder.path("out/trials"));
    assert_eq!(trials.len(), 6);
    let kept = folder.path("out/trials").join(&trials[0]);
    let mut trial: Value = serde_json::from_slice(&std::fs::read(&kept).expect("read")).expect("JSON");
    trial["outcome"]["relative_error"] = 0.123_456.into();
    std::fs::write(&kept, trial.to_string()).expect("written");
    std::fs::write(folder.path("out/trials").join(&trials[1]), "cut").expect("written");
    folder.ok(reproduce);
    let errors = |folder: &Folder| {
        let lines = csv(folder, "out/tr-fig6.csv");
        lines.iter().filter(|line| line.iter().any(|cell| cell == "0.123456")).count()
    };
    assert_eq!(errors(&folder), 3, "one trial, three runs of k-means");
    folder.ok(&reproduce.replace("--kmeans-seeds 3", "--kmeans-seeds 2"));
    assert_eq!(errors(&folder), 0, "of other settings");
}

#[test]
fn attributes_come_from_the_table_beside_the_images() {
    let folder = Folder::new();
    bars(&folder);
    let run = folder.ok("reproduce tr-table2 --data bars --quick --out out --device cpu");
    assert!(run.stdout.contains("| method | from | bar (1/8) | shade (1/2) |"), "{}", run.stdout);
    let best = csv(&folder, "out/tr-table2.csv")
        .iter()
        .filter(|line| line[1] == "bar")
        .map(|line| line[4].parse::<f64>().expect("a number"))
        .fold(0.0, f64::max);
    assert!(best > 0.8, "bars at different places are told apart: {best}");
    folder.ok("reproduce tr-fig8 --data bars --labels bars/labels.csv --label shade --quick --out out --device cpu -q");
    assert!(csv(&folder, "out/tr-fig8.csv")[1..].iter().all(|line| line[1] == "shade"));
}

#[test]
fn what_cannot_be_reproduced_is_said() {
    let folder = Folder::new();
    bars(&folder);
    folder.write("x.npy", npy("(160, 36)", &samples(160, 36)));
    folder.write("short.csv", "bar\n1\n2\n");
    for (arguments, code, parts) in [
        ("gz-fig99 --data bars", 2, vec!["no experiment is called `gz-fig99`; there are gz-table3"]),
        ("gz-fig8", 2, vec!["--data"]),
        ("gz-fig8 --data nowhere", 1, vec!["nowhere"]),
        ("gz-fig8 --data x.npy", 1, vec!["x.npy: expected labels", "found none"]),
        ("gz-fig8 --data bars --labels short.csv", 1, vec!["short.csv: expected 160 labels", "found 2"]),
        ("gz-fig8 --data bars --labels bars/labels.csv --label nose", 1, vec!["expected a column `nose`"]),
        ("gz-fig8 --data bars --runs 0", 2, vec!["--runs: expected at least 1, found 0"]),
    ] {
        folder.refused(&format!("reproduce {arguments} --out out --device cpu"), code, &parts);
    }
}

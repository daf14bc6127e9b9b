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
    let endings = [".csv", ".md", "-nmi.svg", "-nmi.png", "-ac.svg", "-ac.png"];
    assert_eq!(paths(&run), endings.map(|ending| format!("out/tr-fig6{ending}")));
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
    assert!(
        markdown.contains("| Deep Semi-NMF, IGO |") && markdown.contains("in the place of CMU Multi-PIE"),
        "{markdown}"
    );
    // Ours beside the printed ones, 16.46 and 6.69.
    assert!(markdown.contains("| 16.46 |") && markdown.contains("| 6.69 |"), "{markdown}");
    assert!(run.stderr.contains("tr-fig6 1/6: Deep Semi-NMF, IGO, layers 80 → 20"), "{}", run.stderr);
    let last = run.stderr.lines().find(|line| line.starts_with("tr-fig6 6/6, ")).expect("the last fit");
    assert!(last.ends_with(" left: Semi-NMF, IGO, layers 70"), "{last}");

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
    folder.ok("reproduce attributes --data bars --label shade --quick --out out --device cpu -q");
    assert!(csv(&folder, "out/attributes.csv")[1..].iter().all(|line| line[1] == "shade"));
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
        ("swimmer --data bars", 2, vec!["--data means nothing for swimmer"]),
        ("tr-table2 --data bars --kmeans-seeds 0", 2, vec!["--kmeans-seeds: expected at least 1, found 0"]),
        ("gz-table3 --data bars --splits 0", 2, vec!["--splits: expected at least 1, found 0"]),
    ] {
        folder.refused(&format!("reproduce {arguments} --out out --device cpu"), code, &parts);
    }
}

/// The kept trials of `out`, with when they were written.
fn kept(folder: &Folder) -> Vec<(String, std::time::SystemTime)> {
    let trials = folder.path("out/trials");
    let time = |name: &String| std::fs::metadata(trials.join(name)).expect("there").modified().expect("a time");
    list(&trials).into_iter().map(|name| (name.clone(), time(&name))).collect()
}

/// Whatever a trial depends on is what it is kept by.
#[test]
fn trials_of_other_samples_or_labels_are_made_again() {
    let folder = Folder::new();
    bars(&folder);
    let reproduce = |more: &str| {
        folder.ok(&format!("reproduce tr-fig6 --data bars --quick --kmeans-seeds 2 --out out --device cpu -q {more}"));
        (kept(&folder), csv(&folder, "out/tr-fig6.csv"))
    };
    let (first, scores) = reproduce("");
    assert_eq!(reproduce(""), (first.clone(), scores.clone()), "nothing is made again");
    // Labels of another column, and the same in another order.
    let (second, of_shade) = reproduce("--labels bars/labels.csv --label shade");
    assert!(first.iter().zip(&second).all(|(a, b)| a.0 == b.0 && a.1 != b.1), "{first:?} {second:?}");
    assert_ne!(scores, of_shade);
    let table = std::fs::read_to_string(folder.path("bars/labels.csv")).expect("read");
    let mut turned = vec![];
    for line in table.lines() {
        let mut cells: Vec<_> = line.split(',').collect();
        if let Some(shade) = ["dark", "light"].iter().position(|s| *s == cells[2]) {
            cells[2] = ["light", "dark"][shade];
        }
        turned.push(cells.join(","));
    }
    turned.swap(5, 6);
    folder.write("turned.csv", turned.join("\n"));
    let (third, _) = reproduce("--labels turned.csv --label shade");
    assert!(second.iter().zip(&third).all(|(a, b)| a.1 != b.1));
    // One pixel of one image.
    let (path, mut image) = ("bars/3-07.pgm", std::fs::read(folder.path("bars/3-07.pgm")).expect("read"));
    *image.last_mut().expect("a pixel") ^= 1;
    folder.write(path, image);
    let (fourth, _) = reproduce("--labels turned.csv --label shade");
    assert!(third.iter().zip(&fourth).all(|(a, b)| a.1 != b.1));
    // Another shape of as many pixels.
    folder.write("x.npy", npy("(160, 120)", &samples(160, 120)));
    folder.write("y.csv", format!("class\n{}", "a\nb\n".repeat(80)));
    for shape in ["12x10", "10x12"] {
        let before = kept(&folder);
        let run = format!("reproduce tr-fig6 --data x.npy --image-shape {shape} --labels y.csv --label class");
        folder.ok(&format!("{run} --quick --kmeans-seeds 2 --out out --device cpu -q"));
        assert!(before.iter().zip(kept(&folder)).all(|(a, b)| a.1 != b.1), "{shape}");
    }
}

#[test]
fn every_experiment_goes_on_where_it_was() {
    let folder = Folder::new();
    bars(&folder);
    for (experiment, fits) in [("components", 5), ("hierarchy", 1), ("gz-fig8", 1), ("tr-table2", 2), ("attributes", 3)]
    {
        let _ = std::fs::remove_dir_all(folder.path("out"));
        let reproduce = format!("reproduce {experiment} --data bars --quick --out out --device cpu -q");
        folder.ok(&reproduce);
        let (first, table) = (kept(&folder), csv(&folder, &format!("out/{experiment}.csv")));
        assert_eq!(first.len(), fits, "{first:?}");
        folder.ok(&reproduce);
        assert_eq!((kept(&folder), csv(&folder, &format!("out/{experiment}.csv"))), (first.clone(), table.clone()));
        // A file that is cut is made again.
        std::fs::write(folder.path("out/trials").join(&first[0].0), "cut").expect("written");
        folder.ok(&reproduce);
        assert_eq!(csv(&folder, &format!("out/{experiment}.csv")), table);
    }
}

#[test]
fn tables_say_what_their_numbers_are_of() {
    let folder = Folder::new();
    bars(&folder);
    folder.ok("reproduce tr-fig6 --data bars --quick --fits 2 --kmeans-seeds 3 --out out --device cpu -q");
    let lines = csv(&folder, "out/tr-fig6.csv");
    assert_eq!(lines[0][1..4], ["k", "fit", "run"]);
    assert_eq!(lines.len(), 1 + 2 * 3 * 2 * 3);
    let markdown = std::fs::read_to_string(folder.path("out/tr-fig6.md")).expect("written");
    for part in [
        "over 2 fits of each, with other seeds × 3 runs of k-means per fit. All samples are fitted and clustered.",
        "| Deep Semi-NMF, IGO | 80 → 20 | gradient orientations | linear | – | svd | 60 | 100 | 1e-5 | the model's own | unit features |",
    ] {
        assert!(markdown.contains(part), "expected `{part}` in: {markdown}");
    }
    // As few as the layers of the paper let be.
    four_classes(&folder, 0);
    let reproduce = "reproduce gz-fig4 --data x.npy --labels y.csv --label class --quick --splits 2 --kmeans-seeds 3";
    let run = folder.ok(&format!("{reproduce} --out out --device cpu --json"));
    assert_eq!((&run.json()["splits"], &run.json()["fits"]), (&2.into(), &1.into()));
    let lines = csv(&folder, "out/gz-fig4.csv");
    assert_eq!(lines[0][2..6], ["layers", "split", "fit", "run"]);
    assert_eq!(lines.len(), 1 + 5 * 3 * 2 * 3);
    let markdown = std::fs::read_to_string(folder.path("out/gz-fig4.md")).expect("written");
    for part in [
        "over 2 splits into training and test samples × 1 fit of each × 3 runs of k-means per fit.",
        "GZ prints no numbers of this figure.",
        // More components than 144 training samples of 30 values have for a start.
        "| SDNMF/RL2 | 600 → 80 | values | linear | W 0.001, H 0.0001 | random | 60 | 40 | 1e-4 | coordinate descent | scaled-unit features |",
        "| DNMF, 300 → 40 |",
    ] {
        assert!(markdown.contains(part), "expected `{part}` in: {markdown}");
    }
    folder.ok("reproduce gz-fig8 --data bars --quick --out out --device cpu -q");
    let markdown = std::fs::read_to_string(folder.path("out/gz-fig8.md")).expect("written");
    assert!(
        markdown.contains("One fit of all samples by every method")
            && markdown.contains("| SDNMF/L | 193 → 141 → 40 |")
    );
    // Sizes of layers that are drawn anew for every fit.
    folder.ok("reproduce gz-fig3 --data bars --quick --kmeans-seeds 2 --out out --device cpu -q");
    let layers: std::collections::BTreeSet<String> =
        csv(&folder, "out/gz-fig3.csv")[1..].iter().map(|line| line[2].clone()).collect();
    assert_eq!(layers.len(), 3 * 2, "three depths, two fits: {layers:?}");
    assert!(layers.iter().all(|of| of.ends_with("-40")), "{layers:?}");
}

/// With few samples the first layer is small: the later curves' last layers would not fit above it.
#[test]
fn what_cannot_work_is_refused_before_the_first_fit() {
    let folder = Folder::new();
    folder.write("x.npy", npy("(90, 120)", &samples(90, 120)));
    folder.write("y.csv", format!("class\n{}", "a\nb\nc\n".repeat(30)));
    let data = "--data x.npy --labels y.csv --label class --quick -q --device cpu";
    let few = ["x.npy: Deep Semi-NMF does not go with this experiment", "smaller than the last one (70)"];
    folder.refused(&format!("reproduce tr-fig4 {data} --out out"), 2, &few);
    let igo = format!("reproduce tr-fig7 {data} --image-shape 10x12 --out out");
    folder.refused(&igo, 2, &["smaller than the last one (70)"]);
    let small = format!("reproduce convergence {} --out out", data.replace("x.npy", "small.npy"));
    folder.write("small.npy", npy("(90, 20)", &samples(90, 20)));
    folder.refused(&small, 2, &["DNMF does not go with this experiment", "at most 110 components, found 600"]);
    folder.refused(&format!("reproduce attributes {data} --out out"), 1, &["expected images", "--image-shape says it"]);
}

/// 38 samples of each of four classes; `small` of them are of another one.
fn four_classes(folder: &Folder, small: usize) {
    let (mut values, mut classes) = (samples(4 * 38, 30), "class\n".to_string());
    for (i, row) in values.chunks_exact_mut(30).enumerate() {
        row[i % 4 * 7] += 3.0;
        classes += &(if i < small { "tiny\n".to_string() } else { format!("c{}\n", i % 4) });
    }
    folder.write("x.npy", npy("(152, 30)", &values));
    folder.write("y.csv", classes);
}

#[test]
fn penalties_and_activations_say_all_that_they_show() {
    let folder = Folder::new();
    four_classes(&folder, 0);
    let reproduce = |what: &str| {
        folder.ok(&format!(
            "reproduce {what} --data x.npy --labels y.csv --quick --kmeans-seeds 2 --out out --device cpu -q"
        ));
        std::fs::read_to_string(folder.path(&format!("out/{what}.md"))).expect("written")
    };
    let markdown = reproduce("penalties");
    for part in [
        "| error | seconds | sparseness of W_1 | sparseness of W_2 | sparseness of H_2 |",
        "| SDNMF/L, c = 0.003 | 600 → 160 | values | linear | W 0.003",
        "Hoyer's measure",
    ] {
        assert!(markdown.contains(part), "expected `{part}` in: {markdown}");
    }
    assert!(!markdown.contains("GZ prints"), "{markdown}");
    let lines = csv(&folder, "out/penalties.csv");
    let end = lines[0].len() - 3;
    assert_eq!(lines[0][end..], ["hoyer_w1", "hoyer_w2", "hoyer_h2"]);
    let sparseness: Vec<f64> = lines[1..].iter().map(|line| line[end].parse().expect("a number")).collect();
    assert!(sparseness.iter().all(|v| (0.0..=1.0).contains(v)) && sparseness[0] != sparseness[12], "{sparseness:?}");
    let picture = |name: &str| std::fs::read_to_string(folder.path(&format!("out/{name}"))).expect("written");
    for part in ["NMI and sparseness of SDNMF/L over the penalty", "(x.npy)", "NMI, and Hoyer", "c = 0 has no place"] {
        assert!(picture("penalties-constants.svg").contains(part), "expected `{part}`");
    }
    assert!(picture("penalties-er.svg").contains("style=\"max-width:100%;height:auto\""));
    for part in ["ER over the penalty constant", "Box: the middle half", "2 runs of k-means"] {
        assert!(picture("penalties-er.svg").contains(part), "expected `{part}`");
    }

    let markdown = reproduce("activations");
    for part in ["Square1: the root stands", "sigmoid is not among them", "| SDNMF/L, linear |", "| tanh |"] {
        assert!(markdown.contains(part), "expected `{part}` in: {markdown}");
    }
    // These samples are not the paper's.
    assert!(markdown.contains("not beside those of other samples") && !markdown.contains("printed, PIE"), "{markdown}");
    assert!(!picture("activations-nmi.svg").contains("Printed"));

    // Too few samples of a class are found before the first fit, by the name of the class.
    four_classes(&folder, 12);
    let few =
        ["x.npy: activations trains on 36 samples of every class of `class`, found 12 of `tiny` and too few of 4 more"];
    folder.refused("reproduce activations --data x.npy --labels y.csv --out other --device cpu -q", 1, &few);
}

/// The share of parts that were found, by method, layers, and layer.
fn found(folder: &Folder, experiment: &str) -> impl Fn(&str, &str, &str) -> f64 {
    let lines = csv(folder, &format!("out/{experiment}.csv"));
    assert_eq!(lines[0][4], "found");
    move |method, layers, layer| {
        let line = lines.iter().find(|line| line[..3] == [method, layers, layer]).expect("a line");
        line[4].parse().expect("a number")
    }
}

#[test]
fn known_parts_are_found_again() {
    let folder = Folder::new();
    let run = folder.ok("reproduce swimmer --fits 1 --out out --device cpu --json");
    let of = found(&folder, "swimmer");
    // All limbs but those of one place, where the torso is.
    assert!(of("SDNMF/L, c = 0.01", "17", "1") > 0.65);
    assert_eq!(of("Semi-NMF", "17", "1"), 0.0, "values of both signs cancel each other");
    let files = paths(&run);
    for file in ["out/swimmer-0-x.npy", "out/swimmer-0-parts1.npy", "out/swimmer-truth-layer1.png", "out/swimmer.svg"] {
        assert!(files.iter().any(|f| f == file), "{file} in {files:?}");
    }
    folder.ok("reproduce planted --fits 1 --out out --device cpu -q");
    let of = found(&folder, "planted");
    assert!(of("SDNMF/L", "24", "1") > 0.8 && of("SDNMF/RL1", "24-8", "1") > 0.5);
    assert!(of("Multi-layer NMF", "24-8", "2") > 0.85);
    assert_eq!(of("Deep Semi-NMF", "24-8", "1"), 0.0);
}

//! Labels and files as a new user gives them: tables of pandas, errors of some samples, columns that are no labels.

use super::fixtures::*;

/// 18 samples of three kinds as a CSV file of pandas: an index without a heading, and, if asked for, the kind in a column `y`.
fn frame(with_y: bool) -> String {
    let x = samples(18, 6);
    let lines = (0..18).map(|i| {
        let cells: Vec<_> =
            (0..6).map(|j| (x[6 * i + j] + [9.0, 0.0][usize::from(j / 2 != i % 3)]).to_string()).collect();
        let y = if with_y { format!(",{}", ["red", "green", "blue"][i % 3]) } else { String::new() };
        format!("{i},{}{y}\n", cells.join(","))
    });
    format!(",f0,f1,f2,f3,f4,f5{}\n{}", if with_y { ",y" } else { "" }, lines.collect::<String>())
}

#[test]
fn a_table_of_pandas_in_another_order_gives_the_same_scores() {
    let folder = Folder::new();
    folder.write("x.csv", frame(false));
    folder.ok("fit x.csv --layers 3 --device cpu --out m.safetensors -q");
    let line = |i: usize, from: usize| format!("{},{}\n", i + from, ["red", "green", "blue"][i % 3]);
    let turned = || (0..18).map(|i| 7 * i % 18);
    folder.write("table.csv", format!(",who\n{}", turned().map(|i| line(i, 0)).collect::<String>()));
    folder.write("one_off.csv", format!(",who\n{}", turned().map(|i| line(i, 1)).collect::<String>()));
    let evaluate = "evaluate m.safetensors x.csv --label who --kmeans-seeds 3 --device cpu --labels";
    let run = folder.ok(&format!("{evaluate} table.csv --json"));
    let nmi = run.json()["results"][0]["nmi"]["mean"].as_f64().expect("a number");
    assert!(nmi > 0.9 && run.json()["labels"][0]["from"].as_str().is_some_and(|f| f.contains("joined by")), "{nmi}");
    folder.refused(&format!("{evaluate} one_off.csv"), 1, &["from 1 to 18", "from 0 to 17", "one off"]);
    // Every sample its own class.
    folder.write("own.csv", format!("id,who\n{}", (0..18).map(|i| format!("{i},p{i}\n")).collect::<String>()));
    let run = folder.ok(&format!("{evaluate} own.csv"));
    assert!(
        run.stderr.contains("warning: who: every one of 18 training samples is a class of its own"),
        "{}",
        run.stderr
    );
}

/// The error of a row is that of its samples: those of two halves make up that of the whole.
#[test]
fn errors_are_of_the_samples_of_their_row() {
    let folder = Folder::new();
    let x = samples(60, 36);
    folder.write("x.npy", npy("(60, 36)", &x));
    let squares = |x: &[f32]| x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
    let (first, second) = (squares(&x[..30 * 36]), squares(&x[30 * 36..]));
    for activation in ["", "--activation root", "--activation root --activate all"] {
        let fit = "fit x.npy --layers 5,3 --scale none --sweeps 3 --device cpu --out m.safetensors -q";
        folder.ok(&format!("{fit} {activation}"));
        // Of the samples from `from` to `to`, by layer.
        let errors = |from: usize, to: usize| -> Vec<f64> {
            let label = |i| if (from..to).contains(&i) { format!("{i},k{}\n", i % 2) } else { format!("{i},\n") };
            folder.write("labels.csv", format!("id,who\n{}", (0..60).map(label).collect::<String>()));
            let evaluate = "evaluate m.safetensors x.npy --labels labels.csv --label who --layer all --kmeans-seeds 1";
            let json = folder.ok(&format!("{evaluate} --device cpu --json")).json();
            let rows = json["results"].as_array().expect("rows").clone();
            rows.iter().map(|row| row["relative_error"].as_f64().expect("a number")).collect()
        };
        let (a, b, whole) = (errors(0, 30), errors(30, 60), errors(0, 60));
        assert_eq!(whole.len(), 2);
        for layer in 0..2 {
            let (a, b, whole) = (a[layer], b[layer], whole[layer]);
            let both = ((a * a * first + b * b * second) / (first + second)).sqrt();
            assert!((both - whole).abs() < 1e-3 * whole, "{activation}, layer {layer}: {a} {b} {whole}");
            assert!((a - b).abs() > 1e-3 * whole, "{activation}, layer {layer}: {a} {b}");
        }
    }
}

#[test]
fn new_samples_need_no_labels() {
    let folder = Folder::new();
    folder.write("x.csv", frame(true));
    folder.write("new.csv", frame(false));
    folder.ok("fit x.csv --y-key y --layers 3 --device cpu --out m.safetensors -q");
    for command in ["transform m.safetensors new.csv --out h.npy", "report m.safetensors new.csv"] {
        let run = folder.ok(&format!("{command} --device cpu"));
        assert!(run.stderr.contains("there is no column `y`: read without labels"), "{}", run.stderr);
    }
    folder.ok("transform m.safetensors x.csv --out h.npy --device cpu");
    // Asked for here, it has to be there.
    folder.refused("transform m.safetensors new.csv --y-key y --out k.npy --device cpu", 1, &["expected a column `y`"]);
    // Of its own samples the model knows the labels.
    let json = folder.ok("evaluate m.safetensors new.csv --device cpu --json").json();
    assert_eq!(json["labels"][0]["from"], "the model");
    folder.write("other.csv", frame(false).replace("\n0,", "\n0,1"));
    folder.refused("evaluate m.safetensors other.csv --device cpu", 1, &["has labels, but not for these samples"]);
    for out in ["o.npz", "h.npy.gz", "o.txt"] {
        let transform = format!("transform m.safetensors new.csv --out {out} --device cpu");
        folder.refused(&transform, 2, &["transform writes .npy, .csv and .tsv", out]);
    }
    folder.ok("transform m.safetensors new.csv --out H.NPY --device cpu -q");
}

#[test]
fn lists_may_have_blanks_and_images_need_a_shape() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (list, name) in [("5, 3", "--layers"), (" 5 ,3 ", "--layers"), ("0.1, 0.2", "--mu")] {
        let mut command = folder.command("fit x.npy --device cpu --sweeps 1 --pretrain 1 -q");
        command.args([name, list]);
        if name != "--layers" {
            command.args(["--layers", "5,3", "--model", "sdnmf-rl1"]);
        }
        let output = command.output().expect("started");
        assert_eq!(output.status.code(), Some(0), "{name} {list}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for option in ["--resize 3x3", "--pixel-order columns"] {
        folder.refused(&format!("fit x.npy --layers 3 {option} --out n.safetensors"), 2, &["--image-shape HxW"]);
    }
    folder.refused("fit x.npy --layers 5,x --out n.safetensors", 2, &["--layers"]);
}

#[test]
fn labels_of_a_fit_come_from_other_files_too() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let lines: String = (0..60).map(|i| ["ant\n", "bee\n", "cat\n"][i % 3]).collect();
    folder.write("lines.txt", lines.clone());
    folder.write(
        "table.csv",
        format!(
            "number,kind\n{}",
            lines.lines().enumerate().map(|(i, kind)| format!("{i},{kind}\n")).collect::<String>()
        ),
    );
    for (labels, source) in [("lines.txt", "column `label` of lines.txt"), ("table.csv", "column `kind` of table.csv")]
    {
        let json = folder
            .ok(&format!("fit x.npy --layers 3 --labels {labels} --train-per-class 10 --device cpu --json"))
            .json();
        assert_eq!((&json["n_samples"], &json["labels"]["classes"]), (&30.into(), &3.into()), "{json}");
        assert!(json["labels"]["from"].as_str().is_some_and(|from| from.contains(source)), "{json}");
    }
    // Texts before numbers, whose values may be repeated by chance.
    let both = |i: usize| format!("{},{},{}\n", i / 2, i % 7, ["ant", "bee", "cat"][i % 3]);
    folder.write("both.csv", format!("count,batch,kind\n{}", (0..60).map(both).collect::<String>()));
    let run = folder.ok("fit x.npy --layers 3 --labels both.csv --device cpu");
    assert!(run.stdout.contains("labels     3 classes from column `kind` of both.csv"), "{}", run.stdout);
    assert!(run.stdout.contains("report model.safetensors x.npy --labels both.csv"), "{}", run.stdout);
    folder.ok("evaluate model.safetensors x.npy --device cpu -q");
    // As many labels as columns: these are the samples.
    folder.write("turned.npy", npy("(36, 60)", &samples(36, 60)));
    let json = folder.ok("fit turned.npy --layers 3 --labels lines.txt --device cpu --json").json();
    assert_eq!((&json["n_samples"], &json["n_features"]), (&60.into(), &36.into()));
    // A class may be called none.
    folder.write("none.txt", (0..60).map(|i| ["none\n", "sun\n"][i % 2]).collect::<String>());
    let json = folder.ok("fit x.npy --layers 3 --labels none.txt --device cpu --json").json();
    assert_eq!((&json["labels"]["classes"], &json["labels"]["missing"]), (&2.into(), &0.into()));
    folder.refused("fit x.npy --layers 3 --device cpu --out other.npy", 2, &["--out: a model is a .safetensors file"]);
    folder.refused("fit x.npy --layers 3 --labels x.npy --device cpu --out other.safetensors", 1, &["x.npy"]);
    folder.refused(
        "fit x.npy --layers 3 --labels lines.txt --out lines.txt --device cpu",
        2,
        &["--out: expected another file"],
    );
}

#[test]
fn a_column_alone_is_of_the_table_beside_the_data_or_of_the_data() {
    let folder = Folder::new();
    faces(&folder);
    std::fs::create_dir(folder.path("flat")).expect("made");
    let mut table = "file,who,when\n".to_string();
    for (class, i) in (0..3).flat_map(|class| (0..6).map(move |i| (class, i))) {
        let name = format!("{class}-{i}.pgm");
        std::fs::copy(folder.path(&format!("faces/s{class}/{i}.pgm")), folder.path(&format!("flat/{name}")))
            .expect("copied");
        table += &format!("{name},p{class},t{}\n", i % 2);
    }
    folder.write("flat/labels.csv", &table);
    folder.ok("fit flat --layers 4 --device cpu --out m.safetensors -q");
    let evaluate = |more: &str| folder.ok(&format!("evaluate m.safetensors flat --device cpu --json {more}")).json();
    let labels = evaluate("--label who --label when")["labels"].clone();
    assert_eq!((&labels[0]["classes"], &labels[1]["classes"]), (&3.into(), &2.into()));
    // With the labels of the fit.
    folder.ok("fit flat --layers 4 --label who --device cpu --out labelled.safetensors -q");
    folder.ok("evaluate labelled.safetensors flat --device cpu -q");
    folder.refused(
        "evaluate m.safetensors faces --label who --device cpu",
        2,
        &["--label: expected --labels FILE, labels.csv"],
    );
    // A table that is the data.
    folder.write("x.csv", "a,b,kind\n1,2,u\n2,1,v\n3,1,u\n1,3,v\n");
    folder.ok("fit x.csv --layers 1 --y-key kind --device cpu --out x.safetensors -q");
    folder.ok("evaluate x.safetensors x.csv --label kind --device cpu -q");
}

#[test]
fn labels_of_other_samples_are_not_those_of_the_fit() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    folder.write("y.csv", format!("class\n{}", "a\nb\n".repeat(30)));
    folder.ok("fit x.npy --labels y.csv --train-per-class 20 --layers 3 --device cpu --out m.safetensors -q");
    for more in ["", "--test-only"] {
        let parts = ["x.npy: the model has labels, but not for these samples", "give --labels FILE"];
        folder.refused(&format!("evaluate m.safetensors x.npy --device cpu {more}"), 1, &parts);
    }
    // How lines find their samples is said even with -q, where they could do so otherwise.
    let run = folder.ok("fit x.npy --labels y.csv --layers 3 --device cpu --out m.safetensors -q");
    assert!(!run.stderr.contains("in the order of the samples"), "{}", run.stderr);
    folder.write("t.csv", format!("age,class\n{}", "1,a\n2,b\n".repeat(30)));
    let run = folder.ok("fit x.npy --labels t.csv --label class --layers 3 --device cpu --out m.safetensors -q");
    assert!(run.stderr.contains("warning: t.csv: its lines are taken in the order of the samples"), "{}", run.stderr);
    folder.ok("fit x.npy --layers 3 --device cpu --out plain.safetensors -q");
    let run = folder.ok("report plain.safetensors x.npy --device cpu --out r.html");
    assert!(run.stdout.contains("no labels of several classes (--labels FILE)"), "{}", run.stdout);
}

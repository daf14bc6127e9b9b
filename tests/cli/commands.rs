//! What the commands do when all is well.

use super::fixtures::*;

/// `[rows, columns]` and the values of an .npy file that `transform` wrote.
pub(crate) fn read_npy(folder: &Folder, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(folder.path(name)).expect("read");
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!(end % 64, 0);
    let header = std::str::from_utf8(&bytes[10..end]).expect("text");
    assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (") && header.ends_with('\n'));
    let (_, shape) = header.split_once("'shape': (").expect("a shape");
    let (shape, _) = shape.split_once(')').expect("its end");
    let shape: Vec<usize> = shape.split(',').map(|d| d.trim().parse().expect("a number")).collect();
    let values: Vec<f32> = bytes[end..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert_eq!(values.len(), shape.iter().product::<usize>());
    (shape, values)
}

#[test]
fn every_help_ends_with_an_example() {
    let folder = Folder::new();
    let top = folder.ok("--help").stdout;
    assert!(top.starts_with("Learns the parts that ") && top.contains("\nimages → data → X → init → W, H → "), "{top}");
    for command in ["fit", "transform", "report", "export", "pack", "verify", "devices", "bench", "demo"] {
        assert!(top.contains(command));
        let help = folder.ok(&format!("{command} --help")).stdout;
        let (_, example) = help.split_once("\nExample:\n").expect("an example at the end");
        assert!(example.starts_with(&format!("  deepnmf {command}")), "{help}");
        assert!(!example.contains("Options:"), "{help}");
    }
    assert!(top.contains("\nExamples:\n"));
    assert!(folder.ok("--version").stdout.starts_with("deepnmf "));
}

/// A table for other programs: a line for every sample, with its name, as the array has it.
#[test]
fn transform_writes_tables() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let names: String = (0..60).map(|i| format!("\"cell, {i}\",{}\n", vec!["1"; 36].join(","))).collect();
    folder.write("x.csv", names.into_bytes());
    folder.ok("fit x.npy --layers 5,3 --device cpu --out m.safetensors");
    folder.ok("transform m.safetensors x.npy --device cpu --out h.npy");
    folder.ok("transform m.safetensors x.npy --device cpu --out h.tsv");
    let text = |name: &str| std::fs::read_to_string(folder.path(name)).expect("text");
    let tsv = text("h.tsv");
    let (header, rows) = tsv.split_once('\n').expect("lines");
    assert_eq!(header, "h0\th1\th2");
    let found: Vec<f32> = rows.split_whitespace().map(|cell| cell.parse().expect("a number")).collect();
    assert_eq!(found, read_npy(&folder, "h.npy").1);
    folder.ok("transform m.safetensors x.csv --device cpu --out h.csv --json");
    let csv = text("h.csv");
    assert!(csv.starts_with("name,h0,h1,h2\n\"cell, 0\","), "{csv}");
    assert_eq!(csv.lines().count(), 61);
    assert!(!folder.path("h.names.txt").exists());
    let expected = ["--out", ".npy, .csv and .tsv", "found .mat"];
    folder.refused("transform m.safetensors x.npy --out h.mat", 2, &expected);
}

/// The bits of a model do not depend on the number of threads, which `--threads` sets.
#[test]
fn threads_change_no_bit() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let fit = |threads: usize| {
        let run =
            folder.ok(&format!("fit x.npy --layers 5,3 --device cpu --out m{threads}.safetensors --threads {threads}"));
        assert!(run.stdout.contains(&format!("cpu (f32, {threads} threads)")), "{}", run.stdout);
        let factors =
            deepnmf::store::Model::load(&folder.path(&format!("m{threads}.safetensors"))).expect("a model").factors;
        factors.w.into_iter().chain([factors.h]).flatten().map(f32::to_bits).collect::<Vec<_>>()
    };
    assert_eq!(fit(1), fit(3));
    folder.refused("devices --threads 0", 2, &["--threads"]);
    folder.refused("devices --threads 100000", 2, &["--threads: expected at most", "found 100000"]);
}

#[test]
fn shells_and_man_are_served() {
    let folder = Folder::new();
    for (shell, expected) in [("bash", "complete -F"), ("zsh", "#compdef deepnmf"), ("fish", "complete -c deepnmf")] {
        let text = folder.ok(&format!("completions {shell}")).stdout;
        assert!(text.contains(expected) && text.contains("pretrain-samples"), "{shell}");
    }
    let bash = folder.ok("completions bash").stdout;
    assert!(["sdnmf-rl2", "gz-table3", "softplus"].iter().all(|name| bash.contains(name)), "names are completed");
    folder.refused("completions tcsh", 2, &["bash, elvish, fish"]);
    let man = folder.ok("man").stdout;
    assert!(man.contains(".TH deepnmf 1") && man.contains(".TH deepnmf-fit 1") && man.contains("pretrain"), "{man}");
}

/// A fit without end ends in time, with a whole model, and says so.
#[test]
fn a_fit_ends_at_its_time_limit() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let endless = "fit x.npy --layers 5,3 --pretrain 3 --sweeps 100000000 --tol 0 --device cpu --out m.safetensors";
    let run = folder.ok(&format!("{endless} --time-limit 0.5"));
    assert!(run.stderr.contains("stopped in the fine-tuning, as asked"), "{}", run.stderr);
    folder.ok("transform m.safetensors x.npy --device cpu --out h.npy");
    assert_eq!(read_npy(&folder, "h.npy").0, [60, 3]);
    // Nothing was trained yet: an iteration for every layer, none for the whole.
    let run = folder.ok("fit x.npy --layers 5,3 --device cpu --out n.safetensors --time-limit 0.000001 --json");
    let history = &run.json()["history"];
    assert!(history["pretrain"].as_array().is_some_and(|h| h.iter().all(|h| h.as_array().map(Vec::len) == Some(2))));
    assert_eq!(history["finetune"].as_array().map(Vec::len), Some(1));
    assert_eq!(run.json()["stopped"], true);
    for bad in ["0", "-1", "nan", "soon"] {
        folder.refused(&format!("{endless} --time-limit {bad}"), 2, &["--time-limit", "expected a time"]);
    }
}

#[test]
fn fit_says_everything_in_one_object() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let run =
        folder.ok("fit x.npy --model sdnmf-rl1 --layers 5,3 --image-shape 4x9 --device cpu --out m.safetensors --json");
    let json = run.json();
    assert_eq!(json["model"], "sdnmf-rl1");
    assert_eq!(json["layers"], serde_json::json!([5, 3]));
    assert!(json["device"].as_str().is_some_and(|d| d.starts_with("cpu")));
    assert_eq!((&json["n_samples"], &json["n_features"]), (&60.into(), &36.into()));
    assert_eq!(
        json["image_shape"],
        serde_json::json!({ "height": 4, "width": 9, "channels": 1, "pixel_order": "rows" })
    );
    assert_eq!((&json["zero_samples"], &json["split"]), (&0.into(), &serde_json::Value::Null));
    assert_eq!(json["out"], "m.safetensors");
    let error = json["relative_error"].as_f64().expect("a number");
    assert!(error > 0.0 && error < 0.2, "{error}");
    assert!(json["objective"].as_f64().is_some_and(|f| f > 0.0));
    assert_eq!(json["device_memory"], serde_json::Value::Null, "the CPU backend does not count");
    let history = &json["history"];
    assert_eq!(history["pretrain"].as_array().map(Vec::len), Some(2));
    assert!(history["finetune"].as_array().is_some_and(|f| f.len() > 1));
    for part in ["load", "init", "pretrain", "finetune", "total"] {
        assert!(json["seconds"][part].as_f64().is_some_and(|s| s >= 0.0), "{part}");
    }
    let fraction = |v: &serde_json::Value| v.as_f64().is_some_and(|z| (0.0..=1.0).contains(&z));
    assert!(json["zeros"]["w"].as_array().is_some_and(|w| w.len() == 2 && w.iter().all(fraction)));
    assert!(fraction(&json["zeros"]["h"]));
    for constants in ["mu", "lambda"] {
        assert_eq!(json["penalties"][constants].as_array().map(Vec::len), Some(2));
    }
    // Elsewhere than on a terminal progress is lines; nobody wants control characters in a log.
    assert!(run.stderr.contains("fine-tuning: ") && !run.stderr.contains('\u{1b}'), "{}", run.stderr);
    assert_eq!(folder.names(), ["m.safetensors", "x.npy"]);
}

/// A matrix does not say that it is images; where the model knows, it need not.
#[test]
fn the_model_lends_its_image_shape_to_a_matrix() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    folder.ok("fit x.npy --layers 3 --image-shape 4x9 --device cpu");
    folder.ok("transform model.safetensors x.npy --out h.npy --device cpu");
    let other = "transform model.safetensors x.npy --image-shape 9x4 --out h.npy --device cpu";
    folder.refused(other, 1, &["expected samples of 36 features (4×9)", "found 36 features (9×4)"]);
}

#[test]
fn fit_says_it_to_people_and_quiet_does_not() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let run = folder.ok("fit x.npy --layers 3 --device cpu");
    for part in ["60 samples × 36 features", "SDNMF/L, layers 3", "W_1 ", "model.safetensors", "deepnmf report"] {
        assert!(run.stdout.contains(part), "expected `{part}` in: {}", run.stdout);
    }
    let run = folder.ok("fit x.npy --layers 3 --device cpu --quiet");
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = folder.ok("-v fit x.npy --layers 3 --device cpu");
    assert!(run.stderr.contains("penalty constants mu ["), "{}", run.stderr);
}

#[test]
fn every_setting_arrives() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let json = folder
        .ok("fit x.npy --model SDNMF-RL2 --layers 5,3 --mu 0.02,0.03 --lambda 0.04 --penalties absolute --pretrain 3 \
             --sweeps 4 --tol 0 --solver nesterov --inner 5 --pretrain-samples 30 --init nndsvda --seed 9 --metric plain --restart --balance none --hidden \
             --power-iterations 6 --scale max --device cpu --json")
        .json();
    let expected = serde_json::json!({
        "mu": [0.02, 0.03], "lambda": [0.04], "penalty_scale": "absolute", "pretrain": 3, "pretrain_samples": 30, "sweeps": 4, "online": null, "tol": 0.0,
        "solver": "nesterov", "inner": 5, "passes": null, "extrapolate": "all", "init": "nndsvda", "seed": 9, "metric": "plain", "restart": true, "target_error": null,
        "balance": { "layers": false, "lengths": false, "penalties": false }, "power_iterations": 6,
    });
    assert_eq!(json["training"], expected);
    assert_eq!(json["preprocess"]["scale"], "max");
    assert_eq!(json["penalties"]["mu"], serde_json::json!([0.02, 0.03]));
    assert_eq!(json["history"]["finetune"].as_array().map(Vec::len), Some(5));
    let run = folder.ok(
        "fit x.npy --layers 5,3 --solver cd --passes 3 --extrapolate none --pretrain-samples 20 --device cpu --json",
    );
    assert!(run.stderr.contains("pre-training on 20 of 60 samples (--pretrain-samples)"), "{}", run.stderr);
    let json = run.json();
    assert_eq!((&json["training"]["passes"], &json["training"]["extrapolate"]), (&3.into(), &"none".into()));
    let json = folder.ok("fit x.npy --layers 5,3 --online --batch 30 --sweeps 2 --tol 0 --device cpu --json").json();
    assert_eq!(json["training"]["online"], serde_json::json!({ "batch": 30, "forget": 0.8 }));
    // The start, two sweeps, and H under the last W.
    assert_eq!(json["history"]["finetune"].as_array().map(Vec::len), Some(4));
    folder.refused("fit x.npy --layers 5,3 --forget 0.5 --device cpu", 2, &["--online"]);
    folder.refused(
        "fit x.npy --layers 5,3 --online --forget 0 --device cpu",
        2,
        &["to forget by (0, 1], found 1024 and 0"],
    );
    let json = folder.ok("fit x.npy --layers 5,3 --target-error 0.5 --device cpu --json").json();
    assert!(json["relative_error"].as_f64().is_some_and(|e| e <= 0.5));
    assert_eq!(json["training"]["solver"], "cd", "what auto comes to on the CPU");
}

#[test]
fn the_same_command_gives_the_same_model() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let fit = |out: &str, seed: u32| {
        folder.ok(&format!("fit x.npy --layers 5,3 --init random --seed {seed} --device cpu --out {out} --json")).json()
            ["objective"]
            .clone()
    };
    assert_eq!(fit("a.safetensors", 1), fit("b.safetensors", 1));
    assert_ne!(fit("a.safetensors", 1), fit("b.safetensors", 2));
}

#[test]
fn folders_have_labels_and_can_be_split() {
    let folder = Folder::new();
    faces(&folder);
    let fit = |seed: u32| {
        let split = format!("--train-per-class 4 --split-seed {seed}");
        folder.ok(&format!("fit faces --layers 4,2 {split} --device cpu --json")).json()
    };
    let json = fit(1);
    assert_eq!(json["split"], serde_json::json!({ "per_class": 4, "seed": 1, "train": 12, "test": 6 }));
    assert_eq!(json["n_samples"], 12);
    assert_eq!(json["objective"], fit(1)["objective"]);
    assert_ne!(json["objective"], fit(2)["objective"]);
}

#[test]
fn training_data_is_projected_about_as_well_as_it_was_fitted() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (model, scale) in [("dnmf", "unit"), ("sdnmf-l", "max"), ("sdnmf-rl2", "none")] {
        let fit =
            format!("fit x.npy --model {model} --scale {scale} --layers 5,3 --device cpu --out m.safetensors --json");
        let fitted = folder.ok(&fit).json();
        let projected = folder.ok("transform m.safetensors x.npy --out h.npy --device cpu --json").json();
        let error = |json: &serde_json::Value| json["relative_error"].as_f64().expect("a number");
        let (fitted, found) = (error(&fitted), error(&projected));
        // The last block solve of the training may not have converged; the projection has.
        assert!(found < fitted * 1.01 && found > fitted * 0.8, "{model}: fitted {fitted}, projected {found}");
        assert!(projected["steps"].as_u64().is_some_and(|s| s > 0));
        let (shape, h) = read_npy(&folder, "h.npy");
        assert_eq!(shape, [60, 3]);
        assert!(h.iter().all(|v| v.is_finite() && *v >= 0.0) && h.iter().any(|v| *v > 0.0));
    }
}

#[test]
fn a_nonlinear_model_is_fitted_and_new_samples_are_projected_layer_by_layer() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (activation, activate) in [("root", "hidden"), ("root", "all"), ("tanh", "all"), ("softplus", "hidden")] {
        let model = format!("--model sdnmf-rl1 --activation {activation} --activate {activate} --layers 6,4,3");
        let run = folder.ok(&format!("fit x.npy {model} --device cpu --out m.safetensors --json"));
        let fitted = run.json();
        assert_eq!((&fitted["activation"], &fitted["activate"]), (&activation.into(), &activate.into()));
        let error = |json: &serde_json::Value| json["relative_error"].as_f64().expect("a number");
        assert!(error(&fitted) < 0.3, "{activation}: {}", error(&fitted));
        let course = fitted["history"]["finetune"].as_array().expect("numbers");
        assert!(course.len() > 1 && course[0].as_f64() > course[course.len() - 1].as_f64(), "{course:?}");
        for (layer, k) in [(1, 6), (2, 4), (3, 3)] {
            let transform = "transform m.safetensors x.npy --out h.npy --device cpu --json";
            let projected = folder.ok(&format!("{transform} --layer {layer}")).json();
            assert_eq!(projected["activation"], activation);
            // On W_1 nothing is better than least squares. Further layers fit the layer below, and the error adds up.
            let most = if layer == 1 { 1.001 * error(&fitted) } else { 0.5 };
            assert!(error(&projected) < most, "{activation}: layer {layer} {}", error(&projected));
            let (shape, h) = read_npy(&folder, "h.npy");
            assert_eq!(shape, [60, k]);
            assert!(h.iter().all(|v| v.is_finite() && *v >= 0.0) && h.iter().any(|v| *v > 0.0));
        }
    }
    let run = folder.ok("fit x.npy --layers 5,3 --activation root --device cpu");
    assert!(run.stdout.contains("layers 5 → 3, root between them"), "{}", run.stdout);
}

/// "Square2" is the same model, and its representation the root of that of "Square1".
#[test]
fn all_activated_is_g_of_the_last_coefficients() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let transform = |activate: &str| {
        folder.ok(&format!("fit x.npy --layers 5,3 --activation root --activate {activate} --device cpu"));
        let json = folder.ok("transform model.safetensors x.npy --out h.npy --device cpu --json").json();
        (json["relative_error"].clone(), read_npy(&folder, "h.npy").1)
    };
    let ((of_hidden, hidden), (of_all, all)) = (transform("hidden"), transform("all"));
    assert_eq!(of_hidden, of_all);
    assert!(hidden.iter().zip(&all).all(|(h, g)| h.sqrt() == *g));
}

#[test]
fn a_layer_can_be_chosen_and_new_data_may_have_any_number_of_samples() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    folder.write("one.npy", npy("(1, 36)", &samples(1, 36)));
    folder.ok("fit x.npy --layers 5,3 --device cpu --out m.safetensors");
    let json = folder.ok("transform m.safetensors one.npy --layer 1 --out h.npy --device cpu --json").json();
    assert_eq!((&json["layer"], &json["n_samples"]), (&1.into(), &1.into()));
    assert_eq!(read_npy(&folder, "h.npy").0, [1, 5]);
    let run = folder.ok("transform m.safetensors one.npy --out h.npy --device cpu");
    assert!(run.stdout.contains("2 of 2, 3 components"), "{}", run.stdout);
}

#[test]
fn devices_lists_the_cpu_in_any_case() {
    let folder = Folder::new();
    assert!(folder.ok("devices").stdout.lines().any(|l| l.starts_with("cpu ")));
    let json = folder.ok("devices --json").json();
    assert!(json["cpu"]["cores"].as_u64().is_some_and(|n| n > 0));
    for adapter in json["adapters"].as_array().expect("a list") {
        assert!((adapter["problem"].is_null() || adapter["problem"].is_string()) && adapter["name"].is_string());
    }
}

/// Vulkan and GL look for a display, and must not complain in our name that there is none.
#[test]
fn no_driver_speaks_for_us() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for arguments in ["devices", "verify --device cpu -q", "fit x.npy --layers 3 -q", "bench --seconds 0.1 -q --json"] {
        let run = folder.command(arguments).env_remove("XDG_RUNTIME_DIR").output().expect("started");
        assert!(run.status.success());
        assert_eq!(String::from_utf8_lossy(&run.stderr), "", "{arguments}");
    }
    let run = folder.command("verify --device no-such-device").env("XDG_RUNTIME_DIR", "").output().expect("started");
    assert_eq!(String::from_utf8_lossy(&run.stderr).lines().count(), 1);
}

#[test]
fn verify_passes_on_the_cpu() {
    let folder = Folder::new();
    let run = folder.ok("verify --device cpu");
    // A line for every operation, and with -v for every check.
    let operations = run.stdout.lines().filter(|line| line.ends_with(" ok")).count();
    assert!(run.stdout.contains("share of its bound") && (50..200).contains(&operations), "{}", run.stdout);
    let all = folder.ok("verify --device cpu -v").stdout;
    let last = all.lines().last().unwrap_or_default().to_string();
    let checks = all.lines().filter(|line| line.ends_with(" ok")).count();
    assert!(checks > 1000 && last == format!("{checks} of {checks} checks passed"), "{last}");
    assert_eq!(run.stdout.lines().last(), Some(last.as_str()));
    let json = folder.ok("verify --device cpu --json").json();
    assert_eq!(json["passed"], true);
    assert!(json["checks"].as_array().is_some_and(|c| !c.is_empty()));
}

#[test]
fn the_demo_writes_a_model_and_pictures() {
    let folder = Folder::new();
    let json = folder.ok("demo --out shown --device cpu --json").json();
    assert_eq!((&json["n_samples"], &json["layers"]), (&2000.into(), &serde_json::json!([100, 25])));
    assert_eq!(
        list(&folder.path("shown")),
        ["model.safetensors", "parts-layer-1.png", "parts-layer-2.png", "report.html"]
    );
    for (name, tiles) in [("parts-layer-1.png", 10), ("parts-layer-2.png", 5)] {
        let picture = image::open(folder.path("shown").join(name)).expect("a picture").into_luma8();
        assert_eq!(picture.dimensions(), (tiles * 58 + 2, tiles * 58 + 2), "28×28 pixels, doubled, with gaps of 2");
        assert!(picture.pixels().any(|p| p[0] == 255));
    }
    folder.write("file", "in the way");
    folder.refused("demo --out file --device cpu", 2, &["--out: expected a folder, found the file file"]);
}

/// As in `deepnmf devices | head -1`, when the reader has left.
#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for arguments in
        ["devices", "devices --json", "--help", "fit --help", "fit x.npy --layers 3 --device cpu -q --json"]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let run = folder.command(arguments).stdout(writer).output().expect("started");
        let stderr = String::from_utf8_lossy(&run.stderr);
        // What must not be there is a panic, or a word about the pipe.
        assert!(!stderr.contains("panicked") && !stderr.contains("os error"), "{arguments}: {stderr}");
        assert_eq!(run.status.code(), Some(0), "{arguments}");
    }
}

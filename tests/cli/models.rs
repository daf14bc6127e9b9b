//! Every model of the table, as a user meets it.

use super::commands::read_npy;
use super::fixtures::*;

/// One layer for the models that have one.
const RUNS: &[(&str, &str)] = &[
    ("nenmf", "--layers 3"),
    ("nmf-mu", "--layers 3"),
    ("pgnmf", "--layers 3"),
    ("nsnmf", "--layers 3 --theta 0.1"),
    ("multilayer-nmf", "--layers 5,3"),
    ("semi-nmf", "--layers 3"),
    ("deep-semi-nmf", "--layers 5,3"),
    ("deep-semi-nmf", "--layers 5,3 --activation root"),
    ("deep-semi-nmf", "--layers 5,3 --activation tanh --activate all"),
    ("gnmf", "--layers 3 --neighbors 4 --graph cosine --graph-lambda 0.001"),
];

fn error(json: &serde_json::Value) -> f64 {
    json["relative_error"].as_f64().expect("a number")
}

#[test]
fn every_model_is_fitted_and_projects_what_it_was_fitted_to() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (model, settings) in RUNS {
        let fit = format!("fit x.npy --model {model} {settings} --device cpu --out m.safetensors --json");
        let fitted = folder.ok(&fit).json();
        assert_eq!(fitted["model"], *model);
        let history = &fitted["history"]["pretrain"];
        assert!(history[0].as_array().is_some_and(|course| course.len() > 1), "{model}: {history}");
        // A ridge, which models of both signs have by themselves, would keep the coefficients from the best.
        let ridge = if settings.contains("--activation") { "" } else { "--ridge 0" };
        let projected =
            folder.ok(&format!("transform m.safetensors x.npy {ridge} --out h.npy --device cpu --json")).json();
        let (shape, h) = read_npy(&folder, "h.npy");
        assert_eq!(shape, [60, 3], "{model}");
        assert!(h.iter().all(|v| v.is_finite() && *v >= 0.0), "{model}");
        // The coefficients of a fit are no better than the best for its components.
        // (With an activation the problem is not convex, and gradient steps from one start for all end in a minimum nearby.)
        let slack = if settings.contains("--activation") { 0.1 } else { 0.0 };
        let (fitted, found) = (error(&fitted), error(&projected));
        assert!(found < fitted * 1.01 + slack && found < 0.9, "{model} {settings}: fitted {fitted}, projected {found}");
    }
}

#[test]
fn a_target_error_stops_every_model() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (model, settings) in RUNS {
        let stop = |target: &str| {
            let fit = format!("fit x.npy --model {model} {settings} --sweeps 30 --tol 0 --device cpu --json {target}");
            let history = &folder.ok(&fit).json()["history"];
            let last = if *model == "deep-semi-nmf" { &history["finetune"] } else { &history["pretrain"][0] };
            last.as_array().map_or(0, Vec::len)
        };
        // Multi-layer NMF has no stage whose error is that of the whole.
        if *model != "multilayer-nmf" {
            let (stopped, all) = (stop("--target-error 0.95"), stop(""));
            assert!(stopped < all && all == 31, "{model}: {stopped} of {all}");
        }
    }
}

#[test]
fn negative_values_and_gradient_orientations_are_for_the_models_that_take_them() {
    let folder = Folder::new();
    let values: Vec<f32> = samples(60, 36).iter().map(|v| v - 0.3).collect();
    folder.write("signed.npy", npy("(60, 36)", &values));
    folder.write("x.npy", x_npy());
    folder.refused("fit signed.npy --layers 3 --model nmf-mu --device cpu", 1, &["negative", "0 or more"]);
    for model in
        ["semi-nmf --layers 3", "deep-semi-nmf --layers 5,3", "deep-semi-nmf --layers 5,3 --activation softplus"]
    {
        folder.ok(&format!("fit signed.npy --model {model} --device cpu --out m.safetensors"));
        let json = folder.ok("transform m.safetensors signed.npy --out h.npy --device cpu --json").json();
        assert!(error(&json) < 0.9);

        let fit = format!("fit x.npy --model {model} --features igo --image-shape 4x9 --device cpu --json");
        let json = folder.ok(&fit).json();
        assert_eq!(json["n_features"], 72);
        assert_eq!(json["preprocess"]["igo"]["width"], 9);
        // The model knows the shape.
        let json = folder.ok("transform model.safetensors x.npy --out h.npy --device cpu --json").json();
        assert_eq!((&json["n_features"], &json["n_components"]), (&72.into(), &3.into()));
    }
    folder.refused("fit x.npy --layers 3 --model semi-nmf --features igo --device cpu", 1, &["the shape of an image"]);
    folder.refused(
        "fit x.npy --layers 3 --features igo --image-shape 4x9 --device cpu",
        2,
        &["negative values", "sdnmf-l does not take", "semi-nmf, deep-semi-nmf"],
    );
}

#[test]
fn settings_of_other_models_are_refused() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (arguments, part) in [
        ("--layers 4 --theta 0.5", "--theta means nothing for the model sdnmf-l"),
        ("--layers 4 --model nsnmf --theta 1", "theta: expected a number in [0, 1), found 1"),
        ("--layers 4 --model nmf-mu --graph heat", "--graph means nothing"),
        ("--layers 4 --model nsnmf --neighbors 5", "--neighbors means nothing"),
        ("--layers 4 --model semi-nmf --graph-lambda 5", "--graph-lambda means nothing"),
        ("--layers 4 --model gnmf --neighbors 0", "at least 1 neighbor"),
        ("--layers 4 --model gnmf --graph-lambda -1", "found 5 and -1"),
        ("--layers 4,2 --model pgnmf", "pgnmf: expected one layer, found 2"),
        ("--layers 4,8 --model deep-semi-nmf", "smaller than the last one"),
        ("--layers 4 --init svd", "svd makes negative W"),
    ] {
        folder.refused(&format!("fit x.npy {arguments} --device cpu"), 2, &[part]);
    }
}

/// Every model, however X is stored, on the CPU and on a software adapter; and what cannot be stored is refused.
#[test]
fn x_is_stored_as_asked_for() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let mut errors = Vec::new();
    for storage in ["f32", "f16", "u8", "auto"] {
        let run = format!("fit x.npy --layers 5,3 --x-storage {storage} --device cpu --json");
        let json = folder.ok(&run).json();
        // In host memory nothing is gained.
        assert_eq!(json["x_storage"], if storage == "auto" { "f32" } else { storage });
        errors.push(error(&json));
    }
    assert!(errors.iter().all(|e| (e - errors[0]).abs() < 0.01), "{errors:?}");
    assert!(errors[1] != errors[0] && errors[2] != errors[0] && errors[3] == errors[0], "{errors:?}");
    let run = folder.ok("fit x.npy --layers 5,3 --x-storage u8 --device cpu -v");
    assert!(run.stderr.contains("stored as u8"), "{}", run.stderr);
    let signed = "fit x.npy --model semi-nmf --layers 3 --features igo --image-shape 6x6 --device cpu --x-storage";
    assert!(folder.run(&format!("{signed} f16")).code == Some(0));
    let refused = folder.run(&format!("{signed} u8"));
    assert!(refused.code == Some(1) && refused.stderr.contains("at least 0"), "{}", refused.stderr);
    if std::env::var("DEEPNMF_GPU").is_ok_and(|wish| wish == "require") {
        for (model, settings) in RUNS {
            // Half floats in one model of every kind; what reads them is the same for all.
            let storages: &[&str] = if ["nenmf", "semi-nmf"].contains(model) { &["f16", "u8"] } else { &["u8"] };
            for storage in storages {
                let iterations = match (settings.contains(','), *model) {
                    (false, _) => "--sweeps 3",
                    (true, "multilayer-nmf") => "--pretrain 3",
                    (true, _) => "--sweeps 3 --pretrain 3",
                };
                let fit = format!("fit x.npy --model {model} {settings} {iterations} --tol 0 --json");
                let on = |device: &str| {
                    let json = folder.ok(&format!("{fit} --x-storage {storage} --device {device}")).json();
                    assert_eq!(json["x_storage"], *storage);
                    error(&json)
                };
                let (cpu, gpu) = (on("cpu"), on("gpu --no-tune"));
                assert!((cpu - gpu).abs() < 0.01, "{model} {settings}, {storage}: {cpu} on the CPU, {gpu}");
            }
        }
    }
}

#[test]
fn a_fit_says_how_many_iterations_it_made_and_what_ended_it() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (options, said) in [
        ("--layers 3 --sweeps 5 --tol 0", "layer 1 5 of 5\n"),
        ("--layers 3 --sweeps 0", "layer 1 0 of 0\n"),
        ("--model pgnmf --layers 3 --sweeps 4 --tol 0", "layer 1 4 of 4\n"),
        ("--layers 5,3 --pretrain 4 --sweeps 6 --tol 0", "layer 1 4 of 4, layer 2 4 of 4, fine-tuning 6 of 6\n"),
        ("--layers 3 --target-error 0.9", " of 40 (--target-error 0.9)\n"),
        ("--layers 3 --sweeps 400 --tol 0.5", " of 400 (--tol 5e-1)\n"),
    ] {
        let run = folder.ok(&format!("fit x.npy {options} --device cpu"));
        let line = run.stdout.split_inclusive('\n').find(|line| line.starts_with("iterations"));
        assert!(line.is_some_and(|line| line.ends_with(said)), "{options}: {}", run.stdout);
    }
    let run = folder.ok("fit x.npy --layers 3 --sweeps 7 --tol 0 --device cpu -v");
    let done = run.stderr.lines().filter(|line| line.contains("of at most") || line.contains(": "));
    assert!(!done.clone().any(|line| line.contains("1/1,") || line.contains("1 of at most 1")), "{}", run.stderr);
}

//! Samples that are streamed from their file, because memory has no room or because it was asked for.

use super::fixtures::*;

/// A model file without what differs from run to run: its tensors.
fn tensors(folder: &Folder, name: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(folder.path(name)).expect("written");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a model");
    let mut all: Vec<_> = file.iter().map(|(name, tensor)| (name.to_string(), tensor.data().to_vec())).collect();
    all.sort();
    all
}

/// An archive with 90 samples of 36 features in three classes, not compressed.
fn archive(folder: &Folder) {
    let labels: Vec<f32> = (0..90).map(|i| (i % 3) as f32).collect();
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("x.npy", npy("(90, 36)", &samples(90, 36))), ("y.npy", npy("(90,)", &labels))] {
        file.start_file(name, stored).expect("started");
        std::io::Write::write_all(&mut file, &bytes).expect("written");
    }
    folder.write("x.npz", file.finish().expect("finished").into_inner());
}

#[test]
fn little_memory_streams_and_makes_the_same_model() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for options in
        ["--layers 6,3", "--layers 4 --scale max", "--layers 5,3 --scale none --image-shape 6x6 --resize 3x3"]
    {
        let fit = |rest: &str| folder.ok(&format!("fit x.npy {options} --device cpu -v {rest}"));
        let held = fit("--out held.safetensors --memory 1G");
        let size = if options.contains("resize") { "9 features take 2.11 KiB" } else { "36 features take 8.44 KiB" };
        assert!(held.stderr.contains(&format!("samples are held in memory: 60 samples × {size}")), "{}", held.stderr);
        assert!(held.stderr.contains("at most 1.00 GiB (--memory)"), "{}", held.stderr);
        let streamed = fit("--out streamed.safetensors --memory 8K");
        let said = format!("x.npy: samples are streamed from the file: 60 samples × {size} in memory");
        assert!(streamed.stderr.contains(&said), "{}", streamed.stderr);
        assert!(streamed.stderr.contains("at most 8.00 KiB (--memory)"), "{}", streamed.stderr);
        assert!(streamed.stdout.contains("streamed "), "{}", streamed.stdout);
        assert_eq!(tensors(&folder, "held.safetensors"), tensors(&folder, "streamed.safetensors"), "{options}");
    }
    let json = folder.ok("fit x.npy --layers 3 --stream yes --device cpu --json").json();
    let passes = json["history"]["pretrain"][0].as_array().map_or(0, Vec::len) as u64;
    assert!(json["streamed"]["samples"].as_u64().is_some_and(|read| read >= 60 * passes), "{json}");
    assert!(json["streamed"]["bytes"].as_u64().is_some_and(|read| read >= 4 * 36 * 60 * passes), "{json}");
    assert!(json["streamed"]["waited"].as_f64().is_some_and(|waited| waited > 0.0), "{json}");
    let json = folder.ok("fit x.npy --layers 3 --device cpu --json").json();
    assert_eq!(json["streamed"], serde_json::Value::Null);
    // A graph of neighbours needs all samples at once.
    let gnmf = "fit x.npy --model gnmf --layers 3 --device cpu";
    let parts = ["gnmf couples all samples", "8.44 KiB in memory", "needed besides", "at most 8.00 KiB (--memory)"];
    folder.refused(&format!("{gnmf} --memory 8K"), 2, &parts);
    folder.refused(&format!("{gnmf} --stream yes"), 2, &["gnmf couples all samples"]);
    folder.refused("fit x.npy --layers 3 --stream no --memory 8K", 2, &["needs 8.44 KiB of memory", "--memory SIZE"]);
    // Images are decoded in every pass.
    faces(&folder);
    folder.ok("fit faces --layers 2 --device cpu --out held.safetensors");
    for options in ["--memory 3K", "--stream yes"] {
        let run = folder.ok(&format!("fit faces --layers 2 --device cpu {options} --out streamed.safetensors --json"));
        assert!(run.json()["streamed"]["samples"].as_u64().is_some_and(|read| read > 0), "{options}: {}", run.stderr);
        assert_eq!(tensors(&folder, "held.safetensors"), tensors(&folder, "streamed.safetensors"), "{options}");
    }
    folder.write("x.csv", "a,b\n1,2\n2,1\n3,1\n");
    folder.refused("fit x.csv --layers 1 --stream yes", 2, &["x.csv: the samples cannot be streamed", "deepnmf pack"]);
    folder.refused("fit x.csv --layers 1 --memory 64", 2, &["x.csv", "deepnmf pack"]);
}

/// All that is done with a model: with samples in memory, and in their file.
#[test]
fn every_command_streams() {
    let folder = Folder::new();
    archive(&folder);
    for options in ["--layers 6,3", "--layers 4 --train-per-class 12 --split-seed 5"] {
        folder.ok(&format!("fit x.npz {options} --device cpu --out held.safetensors"));
        let fitted =
            folder.ok(&format!("fit x.npz {options} --device cpu --stream yes --out model.safetensors --json"));
        assert_eq!(tensors(&folder, "held.safetensors"), tensors(&folder, "model.safetensors"), "{options}");
        assert_eq!(fitted.json()["labels"]["classes"], 3);
        for command in
            ["transform model.safetensors x.npz --out h.npy", "transform model.safetensors x.npz --layer 1 --out h.npy"]
        {
            let held = folder.ok(&format!("{command} --device cpu --json")).json();
            let h = std::fs::read(folder.path("h.npy")).expect("written");
            let streamed = folder.ok(&format!("{command} --device cpu --stream yes --json")).json();
            assert_eq!((&held["streamed"], &streamed["streamed"]), (&false.into(), &true.into()));
            assert_eq!(h, std::fs::read(folder.path("h.npy")).expect("written"));
            let error = |json: &serde_json::Value| json["relative_error"].as_f64().expect("a number");
            assert!((error(&held) - error(&streamed)).abs() < 1e-6, "{held} {streamed}");
        }
        let evaluate = "evaluate model.safetensors x.npz --layer all --device cpu --json";
        let (held, streamed) = (folder.ok(evaluate).json(), folder.ok(&format!("{evaluate} --stream yes")).json());
        assert_eq!(held["results"].as_array().map(Vec::len), Some(2));
        for (held, streamed) in
            held["results"].as_array().into_iter().flatten().zip(streamed["results"].as_array().into_iter().flatten())
        {
            assert_eq!(
                (&held["nmi"], &held["samples"], &held["n_samples"]),
                (&streamed["nmi"], &streamed["samples"], &streamed["n_samples"])
            );
        }
        let report = "report model.safetensors x.npz --image-shape 6x6 --device cpu --json";
        let streamed = folder.ok(&format!("{report} --stream yes")).json();
        assert_eq!(streamed["coefficients"], folder.ok(report).json()["coefficients"]);
        let page = std::fs::read_to_string(folder.path("report.html")).expect("written");
        assert!(page.contains("econstruction"), "no samples");
    }
    let mut file = hdf5_pure::FileBuilder::new();
    file.create_dataset("x")
        .with_f32_data(&samples(90, 36))
        .with_shape(&[90, 36])
        .with_chunks(&[11, 9])
        .with_deflate(3);
    folder.write("x.h5", file.finish().expect("a file"));
    folder.write("x.npy", npy("(90, 36)", &samples(90, 36)));
    folder.ok("fit x.npy --layers 3 --device cpu --out held.safetensors");
    for stream in ["no", "yes"] {
        let run = folder.ok(&format!("fit x.h5 --layers 3 --device cpu --stream {stream} --json"));
        assert_eq!(run.json()["streamed"].is_null(), stream == "no");
        assert_eq!(tensors(&folder, "held.safetensors"), tensors(&folder, "model.safetensors"), "{stream}");
    }
    let igo = "fit x.npy --features igo --model deep-semi-nmf --layers 3 --image-shape 6x6 --device cpu";
    folder.ok(&format!("{igo} --out held.safetensors"));
    folder.ok(&format!("{igo} --stream yes"));
    assert_eq!(tensors(&folder, "held.safetensors"), tensors(&folder, "model.safetensors"));
}

#[test]
fn what_is_wrong_with_a_streamed_file_is_one_message() {
    let folder = Folder::new();
    let mut values = samples(60, 36);
    values[7 * 36 + 3] = -1.0;
    folder.write("x.npy", npy("(60, 36)", &values));
    let fit = "fit x.npy --layers 3 --device cpu --stream yes";
    folder.refused(
        fit,
        1,
        &["x.npy: 1 value is negative, the first -1 in sample 8, feature 4", "--clip-negative makes them 0"],
    );
    let run = folder.ok(&format!("{fit} --clip-negative"));
    assert!(run.stderr.contains("x.npy: 1 negative value was made 0, the lowest -1"), "{}", run.stderr);
    values[7 * 36 + 3] = f32::NAN;
    folder.write("x.npy", npy("(60, 36)", &values));
    folder.refused(fit, 1, &["x.npy: 1 value is not finite, the first NaN in sample 8, feature 4"]);
    values[7 * 36..8 * 36].fill(0.0);
    folder.write("x.npy", npy("(60, 36)", &values));
    let run = folder.ok(fit);
    assert!(run.stderr.contains("x.npy: 1 of 60 samples are all zero (the first: 7); they are kept"), "{}", run.stderr);
}

//! What commands say of the data that they read, and what `transform` makes of models of before.

use super::commands::read_npy;
use super::fixtures::*;

/// The same 60 samples of 16 features: a square number is no reason to put features in another order.
#[test]
fn a_model_of_a_mat_file_fits_the_same_numbers_in_other_files() {
    let folder = Folder::new();
    let x = samples(60, 16);
    folder.write("x.npy", npy("(60, 16)", &x));
    folder.write("x.mat", mat(60, 16, &x));
    let lines = x.chunks(16).map(|row| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(",") + "\n");
    folder.write("x.csv", lines.collect::<String>());
    let run = folder.ok("fit x.mat --layers 3 --model dnmf --device cpu --json");
    let json = run.json();
    assert_eq!(json["image_shape"]["pixel_order"], "columns");
    assert!(run.stderr.contains("x.mat: the 60 rows are taken as samples"), "{}", run.stderr);
    assert!(json["notes"][0].as_str().is_some_and(|n| n.contains("--samples columns")), "{json}");
    let error = |file: &str, options: &str| {
        let command = format!("transform model.safetensors {file} {options} --out h.npy --device cpu --json");
        folder.ok(&command).json()["relative_error"].as_f64().expect("a number")
    };
    let of_mat = error("x.mat", "");
    for file in ["x.npy", "x.csv"] {
        assert!((error(file, "") - of_mat).abs() < 1e-6, "{file}");
    }
    // Files that say another order of pixels are put in the model's, which is said.
    assert!(error("x.mat", "--pixel-order rows") > 2.0 * of_mat);
    let run = folder.ok("transform model.safetensors x.mat --pixel-order rows --out h.npy --device cpu");
    assert!(
        run.stderr.contains("pixels that lie by rows are put in the order of the model, by columns"),
        "{}",
        run.stderr
    );
}

/// A model file from before features kept their order says no order of pixels: they lie row by row there.
#[test]
fn a_model_of_before_gets_pixels_row_by_row() {
    let folder = Folder::new();
    let x = samples(60, 16);
    // As it was read then: the pixels of every sample transposed.
    let turned: Vec<f32> = x.chunks(16).flat_map(|s| (0..16).map(move |i| s[i % 4 * 4 + i / 4])).collect();
    folder.write("turned.npy", npy("(60, 16)", &turned));
    folder.write("x.mat", mat(60, 16, &x));
    let fitted = folder.ok("fit turned.npy --image-shape 4x4 --layers 3 --model dnmf --device cpu --json").json();
    let bytes = std::fs::read(folder.path("model.safetensors")).expect("written");
    let at = |text: &[u8]| bytes.windows(text.len()).position(|w| w == text).expect("in the header");
    // Without the order, and blanks in its place.
    let order: &[u8] = br#",\"pixel_order\":\"rows\""#;
    let place = at(order);
    let mut old = bytes.clone();
    old[place..place + order.len()].fill(b' ');
    folder.write("old.safetensors", old);
    let run = folder.ok("transform old.safetensors x.mat --out h.npy --device cpu --json");
    let (before, now) = (fitted["relative_error"].as_f64(), run.json()["relative_error"].as_f64());
    assert!(now.zip(before).is_some_and(|(now, before)| now < 1.01 * before), "{now:?} {before:?}");
    assert!(
        run.stderr.contains("pixels that lie by columns are put in the order of the model, by rows"),
        "{}",
        run.stderr
    );
}

#[test]
fn transform_writes_the_names_of_the_rows() {
    let folder = Folder::new();
    faces(&folder);
    folder.ok("fit faces --layers 3 --device cpu -q");
    let json = folder.ok("transform model.safetensors faces --out H.npy --device cpu --json").json();
    assert_eq!(json["names"], "H.names.txt");
    let names = std::fs::read_to_string(folder.path("H.names.txt")).expect("written");
    let expected: Vec<_> = (0..3).flat_map(|c| (0..6).map(move |i| format!("s{c}/{i}.pgm"))).collect();
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);
    assert_eq!(read_npy(&folder, "H.npy").0, [18, 3]);
    let run = folder.ok("transform model.safetensors faces --out H.npy --device cpu");
    assert!(run.stdout.contains("H.names.txt") && run.stdout.contains("a name for every row"), "{}", run.stdout);
    // Samples without names have none written, and those of before are not theirs.
    folder.write("x.npy", npy("(18, 48)", &samples(18, 48)));
    let run = folder.ok("transform model.safetensors x.npy --out other.npy --device cpu --json");
    assert_eq!(run.json()["names"], serde_json::Value::Null);
    assert!(!folder.path("other.names.txt").exists());
    let run = folder.ok("transform model.safetensors x.npy --out H.npy --device cpu -q");
    assert!(run.stderr.contains("warning: H.names.txt: these are not the names"), "{}", run.stderr);
}

#[test]
#[cfg(unix)]
fn names_of_files_and_classes_do_not_command_the_terminal() {
    let folder = Folder::new();
    for (class, shade) in [("a\u{1b}[2Jb", 40), ("line\nbreak", 90), ("=1+1", 140)] {
        for i in 0..4 {
            folder.write(&format!("faces/{class}/{i}\u{9b}.pgm"), pgm(8, 6, shade + i));
        }
    }
    let plain = |text: &str| assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
    let run = folder.ok("fit faces --layers 3 --device cpu");
    plain(&run.stdout);
    plain(&run.stderr);
    let run = folder.ok("transform model.safetensors faces --out H.npy --device cpu --json");
    plain(&run.stdout);
    let names = std::fs::read_to_string(folder.path("H.names.txt")).expect("written");
    assert_eq!(names.lines().count(), 12, "{names}");
    assert!(names.contains(r"a\u{1b}[2Jb/0\u{9b}.pgm") && names.contains(r"line\nbreak/0\u{9b}.pgm"), "{names}");
    folder.write("faces/a\u{1b}[2Jb/odd\u{7}.pgm", pgm(9, 6, 3));
    folder.refused("fit faces --layers 3 --device cpu", 1, &[r"odd\u{7}.pgm"]);
    let run = folder.run("fit faces --layers 3 --device cpu");
    plain(&run.stderr);
    folder.write("l.csv", "p0,p1,la\u{1b}bel\n1,2,x\n2,1,y\n3,1,x\n");
    let run = folder.run("fit l.csv --layers 1 --y-key nose --device cpu");
    plain(&run.stderr);
    assert!(run.stderr.contains(r"la\u{1b}bel"), "{}", run.stderr);
}

#[test]
fn memory_is_a_budget_that_is_said() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    faces(&folder);
    let fit = |rest: &str| format!("fit {rest} --layers 3 --device cpu");
    folder.refused(
        &fit("x.npy --memory 8K --stream no"),
        2,
        &["x.npy: an array of 60×36 F32 numbers needs 8.44 KiB", "at most 8.00 KiB", "--memory SIZE"],
    );
    folder.refused(&fit("x.npy --memory lots"), 2, &["as in 512M or 8G"]);
    folder.refused(
        &fit("faces --resize 1000000x1000000"),
        2,
        &["resizing to 1000000×1000000 pixels needs", "expected at most"],
    );
    folder.refused(&fit("faces --resize 9223372036854775807x2"), 2, &["needs"]);
    let run = folder.ok(&(fit("x.npy --memory 1G") + " -v"));
    assert!(run.stderr.contains("memory: at most 1.00 GiB (--memory)"), "{}", run.stderr);
    for command in [
        "transform model.safetensors x.npy --out h.npy --stream no",
        "evaluate model.safetensors x.npy --stream no",
        "report model.safetensors x.npy --stream no",
        "reproduce gz-fig8 --data x.npy",
    ] {
        folder.refused(&format!("{command} --memory 1K --device cpu"), 2, &["--memory SIZE"]);
    }
}

#[test]
fn noise_below_zero_can_be_clipped_and_flat_images_are_said() {
    let folder = Folder::new();
    let mut values = samples(60, 36);
    values[7] = -1e-9;
    folder.write("x.npy", npy("(60, 36)", &values));
    folder.refused("fit x.npy --layers 3 --device cpu", 1, &["1 value is negative", "--clip-negative makes them 0"]);
    let run = folder.ok("fit x.npy --layers 3 --clip-negative --device cpu");
    assert!(run.stderr.contains("1 negative value was made 0"), "{}", run.stderr);
    for i in 0..6 {
        folder.write(&format!("flat/{i}.pgm"), [b"P5\n4 4\n255\n".to_vec(), vec![10 * i + 9; 16]].concat());
    }
    let igo = "--features igo --model deep-semi-nmf --layers 2 --device cpu";
    folder.refused(&format!("fit flat {igo}"), 1, &["found only images of one shade", "--features values"]);
    for i in 6..12 {
        folder.write(&format!("flat/{i}.pgm"), pgm(4, 4, 20 * i));
    }
    let run = folder.ok(&format!("fit flat {igo}"));
    assert!(run.stderr.contains("warning: flat: 6 of 12 images are of one shade"), "{}", run.stderr);
}

//! What bad input gets: a message with the file, what was expected and what was found; the right exit code; no panic
//! and no half-written file.

use super::fixtures::*;

const LAYERS: &str = "--layers 4,2 --device cpu";

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (arguments, part) in [
        ("--layers 0", "layers must be positive numbers, found [0]"),
        ("--layers 4,0", "found [4, 0]"),
        ("--layers -4", "-4"),
        ("--layers four", "four"),
        ("--layers", "--layers"),
        ("--layers 99999999999999999999", "too large"),
        ("--layers 4 --mu -1", "mu: expected a number of at least 0, found -1"),
        ("--layers 4 --mu nan", "found NaN"),
        ("--layers 4,2 --mu 1,2,3", "expected one value or one for each of the 2 layers, found 3"),
        ("--layers 4 --inner 0", "at least 1"),
        ("--layers 4 --tol -0.5", "found -0.5"),
        ("--layers 4 --target-error 1.5", "found 1.5"),
        ("--layers 4 --model pca", "no model is called `pca`; there are dnmf, sdnmf-l"),
        ("--layers 4 --init zeros", "nndsvd"),
        ("--layers 4 --metric round", "diagonal"),
        ("--layers 4 --penalties odd", "scale-free"),
        ("--layers 4 --balance odd", "layers"),
        ("--layers 4 --activation root", "activation root: expected at least two layers to stand between, found one"),
        ("--layers 4,2 --activation cube", "no activation is called `cube`; there are root, tanh"),
        ("--layers 4,2 --activation root --activate some", "hidden, all"),
        ("--layers 4,2 --activate all", "--activation"),
        ("--layers 4 --scale odd", "unit, max, none"),
        ("--layers 4 --resize 64", "as in 64x48"),
        ("--layers 4 --image-shape 6x6x2", "as in 48x64 or 48x64x3"),
        ("--layers 4 --split-seed 3", "--train-per-class"),
        ("--layers 4 --frobnicate", "--frobnicate"),
        ("", "--layers"),
    ] {
        folder.refused(&format!("fit x.npy {arguments}"), 2, &[part]);
    }
    folder.refused("frobnicate", 2, &["frobnicate"]);
    folder.refused("fit x.npy --layers 4 -q -v", 2, &["--verbose"]);
    folder.refused("transform m.safetensors x.npy", 2, &["--out"]);
}

#[test]
fn no_command_shows_the_help() {
    let run = Folder::new().run("");
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains("Usage: deepnmf"), "{}", run.stderr);
}

#[test]
fn a_place_where_nothing_can_be_written_is_refused_before_the_data_is_read() {
    let folder = Folder::new();
    folder.write("x.npy", "not even an npy file");
    folder.refused(&format!("fit x.npy {LAYERS} --out no/m.safetensors"), 1, &["no/m.safetensors: expected a file in"]);
    folder.refused(&format!("fit x.npy {LAYERS} --out ."), 1, &["found a folder"]);
    folder.refused("transform m.safetensors x.npy --out no/h.npy", 1, &["no/h.npy: expected a file in"]);
}

#[test]
fn files_that_are_not_there_or_not_data_are_named() {
    let folder = Folder::new();
    folder.refused(&format!("fit missing.mat {LAYERS}"), 1, &["missing.mat: "]);
    std::fs::create_dir(folder.path("empty")).expect("made");
    folder.refused(&format!("fit empty {LAYERS}"), 1, &["empty: expected images", "found none"]);
    folder.write("text.txt", "dear diary");
    folder.refused(&format!("fit text.txt {LAYERS}"), 1, &["text.txt: unknown format"]);
    folder.write("nothing.npy", "");
    folder.refused(&format!("fit nothing.npy {LAYERS}"), 1, &["nothing.npy: the file is empty"]);
}

#[test]
fn images_of_mixed_sizes_are_refused_until_they_are_resized() {
    let folder = Folder::new();
    faces(&folder);
    folder.write("faces/s1/odd.pgm", pgm(9, 6, 3));
    folder.refused(&format!("fit faces {LAYERS}"), 1, &["odd.pgm", "9×6", "expected 8×6", "--resize WxH"]);
    let run = folder.ok(&format!("fit faces {LAYERS} --resize 8x6 --json"));
    assert_eq!(run.json()["n_samples"], 19);
    folder.write("faces/s2/cut.pgm", &pgm(8, 6, 3)[..20]);
    folder.refused(&format!("fit faces {LAYERS} --resize 8x6"), 1, &["cut.pgm"]);
}

#[test]
fn headers_that_lie_are_not_believed() {
    let folder = Folder::new();
    folder.write("cut.npy", npy("(60, 36)", &[1.0; 100]));
    folder.refused(&format!("fit cut.npy {LAYERS}"), 1, &["cut.npy: the header claims 60×36", "expected 8640 bytes"]);
    folder.write("huge.npy", npy("(1048576, 1048576)", &[1.0; 100]));
    folder.refused(&format!("fit huge.npy {LAYERS}"), 1, &["huge.npy: the header claims"]);
    folder.write("beyond.npy", npy("(18446744073709551615, 18446744073709551615)", &[1.0]));
    folder.refused(&format!("fit beyond.npy {LAYERS}"), 1, &["beyond.npy: "]);
    folder.write("cut.idx", idx(100, 28, 28, 1000));
    folder.refused(&format!("fit cut.idx {LAYERS}"), 1, &["cut.idx: the header claims 100×28×28", "found 1000 bytes"]);
    folder.write("huge.idx", idx(1 << 30, 1 << 10, 1, 1000));
    folder.refused(&format!("fit huge.idx {LAYERS}"), 1, &["huge.idx: the header claims"]);
}

#[test]
fn values_that_a_nonnegative_model_cannot_take_are_counted_and_located() {
    let folder = Folder::new();
    let mut values = samples(60, 36);
    values[2 * 36 + 5] = -1.5;
    values[40 * 36] = -2.0;
    folder.write("negative.npy", npy("(60, 36)", &values));
    folder.refused(
        &format!("fit negative.npy {LAYERS}"),
        1,
        &["negative.npy: 2 values are negative", "sample 3, feature 6"],
    );
    values[3] = f32::NAN;
    folder.write("nan.npy", npy("(60, 36)", &values));
    folder.refused(&format!("fit nan.npy {LAYERS}"), 1, &["nan.npy: 1 value is not finite", "sample 1, feature 4"]);
    folder.write("zero.npy", npy("(60, 36)", &[0.0; 60 * 36]));
    folder.refused(&format!("fit zero.npy {LAYERS}"), 1, &["zero.npy: all 60 samples are zero"]);
}

#[test]
fn a_layer_larger_than_the_data_allows_is_refused() {
    let folder = Folder::new();
    folder.write("x.npy", npy("(4, 36)", &samples(4, 36)));
    folder.refused("fit x.npy --layers 30 --device cpu", 2, &["layer 1 of size 30 is larger than the data allows"]);
    folder.ok("fit x.npy --layers 30 --init random --device cpu");
}

#[test]
fn zero_samples_are_kept_with_a_warning() {
    let folder = Folder::new();
    let mut values = samples(60, 36);
    values[36..3 * 36].fill(0.0);
    folder.write("x.npy", npy("(60, 36)", &values));
    let run = folder.ok(&format!("fit x.npy {LAYERS} --json -q"));
    assert!(run.stderr.contains("warning: x.npy: 2 of 60 samples are all zero"), "{}", run.stderr);
    let json = run.json();
    assert_eq!((&json["n_samples"], &json["zero_samples"]), (&60.into(), &2.into()));
}

#[test]
fn a_split_needs_labels_and_enough_of_them() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    folder.refused(&format!("fit x.npy {LAYERS} --train-per-class 2"), 1, &["x.npy: ", "expected labels"]);
    faces(&folder);
    folder.refused(
        &format!("fit faces {LAYERS} --train-per-class 7"),
        1,
        &["at least 7 samples of class `s0`", "found 6"],
    );
    folder.refused(&format!("fit faces {LAYERS} --train-per-class 0"), 2, &["at least 1"]);
}

#[test]
fn a_device_that_is_not_there_is_refused_with_those_that_are() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for device in ["no-such-device", "4711"] {
        folder.refused(&format!("fit x.npy --layers 4 --device {device}"), 1, &[device, "cpu"]);
        folder.refused(&format!("verify --device {device}"), 1, &[device, "cpu"]);
    }
    let run = folder.command("fit x.npy --layers 4").env("DEEPNMF_DEVICE", "no-such-device").output().expect("started");
    assert_eq!(run.status.code(), Some(1));
}

#[test]
fn a_model_file_that_is_none_is_refused() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let transform = |model: &str| format!("transform {model} x.npy --out h.npy --device cpu");
    folder.refused(&transform("missing.safetensors"), 1, &["missing.safetensors: "]);
    folder.refused(&transform("x.npy"), 1, &["x.npy: expected a safetensors file"]);
    folder.refused(&transform("."), 1, &[".: "]);
    folder.ok(&format!("fit x.npy {LAYERS} --out m.safetensors"));
    let bytes = std::fs::read(folder.path("m.safetensors")).expect("read");
    folder.write("cut.safetensors", &bytes[..bytes.len() - 4]);
    folder.refused(&transform("cut.safetensors"), 1, &["cut.safetensors: expected a safetensors file"]);
}

#[test]
fn data_of_another_shape_than_the_model_is_refused() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    folder.write("narrow.npy", npy("(60, 35)", &samples(60, 35)));
    folder.ok(&format!("fit x.npy {LAYERS} --out m.safetensors"));
    let expected = ["narrow.npy: expected samples of 36 features as in m.safetensors, found 35 features"];
    folder.refused("transform m.safetensors narrow.npy --out h.npy --device cpu", 1, &expected);
    folder.refused("transform m.safetensors x.npy --out h.npy --layer 3", 2, &["expected 1 to 2", "found 3"]);
    folder.refused("transform m.safetensors x.npy --out h.npy --layer 0", 2, &["found 0"]);

    faces(&folder);
    folder.ok(&format!("fit faces {LAYERS} --out f.safetensors"));
    // As many pixels, but lying otherwise.
    folder.write("tall/a.pgm", pgm(6, 8, 3));
    let expected =
        ["tall: expected samples of 48 features (6×8) as in f.safetensors, found 48 features (8×6)", "--resize 8x6"];
    folder.refused("transform f.safetensors tall --out h.npy --device cpu", 1, &expected);
    folder.ok("transform f.safetensors tall --resize 8x6 --out h.npy --device cpu");
}

#[test]
fn values_and_places_that_cannot_be_are_said_in_words() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (more, said) in [
        ("--layers a", "expected a whole number"),
        ("--layers 3 --threads 0", "expected a whole number from 1 on"),
        ("--layers 3 --seed 1.5", "expected a whole number"),
        ("--layers 3 --mu much", "expected a number"),
    ] {
        folder.refused(&format!("fit x.npy {more}"), 2, &["invalid value", said]);
    }
    let fit = "fit x.npy --layers 3 --device CPU -q";
    folder.refused(&format!("{fit} --out models/"), 1, &["models/: expected a file to write, found a folder"]);
    #[cfg(unix)]
    folder.refused(
        &format!("{fit} --out /dev/stdout"),
        1,
        &["/dev/stdout: expected a file to write, found a device, a pipe"],
    );
    folder.ok(&format!("{fit} --out m.safetensors"));
    let run = folder.ok("transform m.safetensors x.npy --device cpu --out h.npy -v");
    assert!(run.stderr.contains("projection: 21/21"), "{}", run.stderr);
}

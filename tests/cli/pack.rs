//! `pack`: the array and its sidecar are read as the data that they were made of, and a pack that was stopped goes on.

use serde_json::{Value, json};

use super::fixtures::*;

fn bytes(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The tensors of a model, without what its file says of where the data came from.
fn tensors(folder: &Folder, name: &str) -> Vec<u8> {
    let bytes = bytes(folder, name);
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("a length"));
    bytes[8 + header as usize..].to_vec()
}

/// Fits the data and what it was packed to, held and streamed; all models and labels are the same.
fn fits_alike(folder: &Folder, data: &str, packed: &str) {
    let options = "--layers 3 --device cpu --sweeps 3 --json -q";
    let of_data = folder.ok(&format!("fit {data} --out d.safetensors {options}")).json();
    for stream in ["no", "yes"] {
        let of_packed = folder.ok(&format!("fit {packed} --out p.safetensors {options} --stream {stream}")).json();
        for key in ["labels", "image_shape", "n_samples", "n_features", "relative_error"] {
            assert_eq!(of_packed[key], of_data[key], "{key} of {packed}");
        }
        assert_eq!(tensors(folder, "p.safetensors"), tensors(folder, "d.safetensors"), "{packed}, streamed: {stream}");
    }
}

#[test]
fn a_packed_folder_is_read_as_the_folder() {
    let folder = Folder::new();
    faces(&folder);
    let json = folder.ok("pack faces --out x.npy --json").json();
    assert_eq!((&json["n_samples"], &json["n_features"], &json["dtype"]), (&json!(18), &json!(48), &json!("u8")));
    assert_eq!((&json["classes"], &json["resumed"], &json["rounded"]), (&json!(3), &json!(0), &json!(0)));
    // The pixels of the images, one after the other in natural order.
    let pixels: Vec<u8> = (0..3u8)
        .flat_map(|class| (0..6u8).map(move |i| pgm(8, 6, 40 * class + 11 * i)))
        .flat_map(|image| image[image.len() - 48..].to_vec())
        .collect();
    let array = bytes(&folder, "x.npy");
    assert!(array.starts_with(b"\x93NUMPY\x01\x00") && array[128..] == pixels, "{} bytes", array.len());
    fits_alike(&folder, "faces", "x.npy");
    assert_eq!(folder.names(), ["d.safetensors", "faces", "p.safetensors", "x.json", "x.npy"]);
    let run = folder.ok("fit x.npy --layers 3 --device cpu --out p.safetensors");
    for part in ["labels and the shape of images from x.json, packed from faces", "3 classes from sub-folders", "(6×8)"]
    {
        assert!((run.stderr.clone() + &run.stdout).contains(part), "{part}: {}{}", run.stderr, run.stdout);
    }
    // Names, labels and pictures.
    for data in ["faces", "x.npy"] {
        folder.ok(&format!("transform d.safetensors {data} --out {data}.h.npy --device cpu -q"));
    }
    assert_eq!(bytes(&folder, "faces.h.npy"), bytes(&folder, "x.npy.h.npy"));
    assert_eq!(bytes(&folder, "faces.h.names.txt"), bytes(&folder, "x.npy.h.names.txt"));
    let clusters = |data: &str| folder.ok(&format!("evaluate d.safetensors {data} --device cpu --json")).json();
    let (of_folder, of_array) = (clusters("faces"), clusters("x.npy"));
    assert!(of_folder["results"][0]["nmi"]["mean"].is_number(), "{of_folder}");
    assert_eq!((&of_folder["results"], &of_folder["labels"]), (&of_array["results"], &of_array["labels"]));
    folder.ok("report d.safetensors x.npy --out r.html --device cpu -q");
    // What a model of the folder needs done to images is done to those of the array.
    folder.ok("fit faces --resize 4x3 --layers 3 --device cpu --out small.safetensors -q");
    for data in ["faces", "x.npy"] {
        folder.ok(&format!("transform small.safetensors {data} --out {data}.s.npy --device cpu -q"));
    }
    assert_eq!(bytes(&folder, "faces.s.npy"), bytes(&folder, "x.npy.s.npy"));
}

#[test]
fn resized_images_are_rounded_to_bytes_or_kept() {
    let folder = Folder::new();
    faces(&folder);
    let json = folder.ok("pack faces --out x.npy --resize 5x3 --json").json();
    assert_eq!((&json["dtype"], &json["rounded"]), (&json!("u8"), &json!(18)));
    assert_eq!(json["image_shape"]["width"], 5);
    let run = folder.ok("pack faces --out x.npy --resize 5x3");
    assert!(run.stderr.contains("18 of 18 samples had values between whole numbers"), "{}", run.stderr);
    let json = folder.ok("pack faces --out f.npy --resize 5x3 --dtype f32 --json").json();
    assert_eq!((&json["dtype"], &json["rounded"]), (&json!("f32"), &json!(0)));
    let array = bytes(&folder, "f.npy");
    let floats: Vec<f32> = array[128..].as_chunks::<4>().0.iter().map(|v| f32::from_le_bytes(*v)).collect();
    let rounded: Vec<u8> = floats.iter().map(|v| v.round() as u8).collect();
    assert_eq!(bytes(&folder, "x.npy")[128..], rounded);
    folder.ok("fit faces --resize 5x3 --layers 3 --device cpu -q --out d.safetensors");
    folder.ok("fit f.npy --layers 3 --device cpu -q --out p.safetensors");
    assert_eq!(tensors(&folder, "p.safetensors"), tensors(&folder, "d.safetensors"));
}

#[test]
fn colours_are_kept_and_asked_for() {
    let folder = Folder::new();
    for i in 0..12u8 {
        let pixels: Vec<u8> = (0..60).map(|at: u8| at.wrapping_mul(31).wrapping_add(17 * i)).collect();
        folder.write(&format!("photos/{i}.ppm"), [b"P6\n5 4\n255\n".to_vec(), pixels].concat());
    }
    let json = folder.ok("pack photos --out x.npy --colour --json").json();
    assert_eq!((&json["n_features"], &json["image_shape"]["channels"]), (&json!(60), &json!(3)));
    let fit = "--layers 3 --device cpu --sweeps 3 -q --colour";
    folder.ok(&format!("fit photos {fit} --out d.safetensors"));
    for stream in ["no", "yes"] {
        folder.ok(&format!("fit x.npy {fit} --out p.safetensors --stream {stream}"));
        assert_eq!(tensors(&folder, "p.safetensors"), tensors(&folder, "d.safetensors"));
    }
    let run = folder.ok("fit x.npy --layers 3 --device cpu --sweeps 3");
    assert!(run.stderr.contains("its images in colour become grey; --colour keeps the colours"), "{}", run.stderr);
    assert!(run.stderr.contains("12 samples × 20 features (4×5)") || run.stdout.contains("(4×5)"), "{}", run.stderr);
    let run = folder.ok("pack photos --out grey.npy --json");
    assert_eq!((&run.json()["n_features"], &run.json()["rounded"]), (&json!(20), &json!(0)));
}

#[test]
fn every_format_is_packed() {
    let folder = Folder::new();
    let table: String = samples(20, 4).chunks(4).enumerate().fold("name,a,b,class,c,d\n".into(), |text, (i, v)| {
        text + &format!("n{i},{},{},{},{},{}\n", v[0], v[1], ["x", "y", ""][i % 3], v[2], v[3])
    });
    folder.write("t.csv", table);
    let whole: String = (0..1500).map(|i| format!("{},{},{}\n", i % 256, i * 7 % 256, 255)).collect();
    folder.write("w.csv", whole);
    folder.write("m.mat", mat(20, 9, &samples(20, 9)));
    folder.write("a-images-idx3-ubyte", idx(20, 4, 4, 320));
    let labels = [vec![0, 0, 8, 1, 0, 0, 0, 20], (0..20u8).map(|i| i % 3).collect()].concat();
    folder.write("a-labels-idx1-ubyte", labels);
    folder.write("x.npy", x_npy());
    for (data, dtype) in
        [("t.csv", "f32"), ("w.csv", "u8"), ("m.mat", "f32"), ("a-images-idx3-ubyte", "u8"), ("x.npy", "f32")]
    {
        assert_eq!(folder.ok(&format!("pack {data} --out p.npy --json")).json()["dtype"], dtype, "{data}");
        fits_alike(&folder, data, "p.npy");
    }
    // What an array was packed from is passed on when it is packed again.
    folder.ok("pack a-images-idx3-ubyte --out p.npy -q");
    folder.ok("pack p.npy --out q.npy -q");
    fits_alike(&folder, "a-images-idx3-ubyte", "q.npy");
    folder.ok("pack t.csv --out p.npy -q");
    folder.ok("pack t.csv --out small.npy --memory 20K -q");
    assert_eq!(bytes(&folder, "small.npy"), bytes(&folder, "p.npy"));
    folder.refused(
        "pack t.csv --out p.npy --y-key nothing",
        1,
        &["t.csv: expected a column `nothing`, found: name, a, b, class, c, d"],
    );
}

#[test]
fn values_that_bytes_cannot_hold_are_refused() {
    let folder = Folder::new();
    folder.write("t.csv", "a,b\n1,2\n3,300.5\n");
    let parts =
        ["t.csv: expected values from 0 to 255", "found 300.5 in sample 2 (`1`), feature 2", "--dtype f32 holds it"];
    folder.refused("pack t.csv --out x.npy --dtype u8", 1, &parts);
    folder.write("n.csv", "a,b\n1,2\n3,-4\n");
    folder.refused("pack n.csv --out x.npy --dtype u8", 1, &["found -4 in sample 2"]);
    let json = folder.ok("pack n.csv --out x.npy --dtype u8 --clip-negative --json").json();
    assert_eq!(json["dtype"], "u8");
    assert_eq!(bytes(&folder, "x.npy")[128..], [1, 2, 3, 0]);
}

#[test]
fn a_table_whose_samples_are_columns_is_packed_turned() {
    let folder = Folder::new();
    folder.write("genes.csv", "gene,c1,c2,c3\nActb,1,2,3\nGapdh,4,5,6\n");
    folder.ok("pack genes.csv --samples columns --dtype u8 --out x.npy -q");
    assert_eq!(bytes(&folder, "x.npy")[128..], [1, 4, 2, 5, 3, 6]);
}

#[test]
fn values_that_no_model_takes_are_not_packed() {
    let folder = Folder::new();
    folder.write("x.npy", npy("(2, 2)", &[1.0, 2.5, f32::NAN, 4.0]));
    let parts = ["x.npy: expected finite values", "found NaN in sample 2 (`1`), feature 1"];
    folder.refused("pack x.npy --out p.npy", 1, &parts);
    assert!(!folder.path("p.npy").exists());
}

/// 1,100 images of 6×4 pixels: three blocks.
fn many(folder: &Folder) {
    for i in 0..1100u32 {
        folder.write(&format!("many/{i}.pgm"), pgm(6, 4, (i % 90) as u8));
    }
}

#[test]
fn a_broken_image_stops_and_a_whole_one_goes_on() {
    let folder = Folder::new();
    many(&folder);
    folder.ok("pack many --out whole.npy -q");
    folder.write("many/700.pgm", "P5\n6 4\n255\nnot as much");
    let run = folder.run("pack many --out x.npy");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("700.pgm: expected an image, but it does not decode"), "{}", run.stderr);
    assert!(folder.path("x.npy.part").exists() && !folder.path("x.npy").exists(), "{:?}", folder.names());
    // The blocks before it count; what comes later may change.
    folder.write("many/700.pgm", pgm(6, 4, (700 % 90) as u8));
    for (options, part) in
        [("--resize 3x3", "`resize` was null, is [3,3]"), ("--dtype f32", "`dtype` was \"u8\", is \"f32\"")]
    {
        folder.refused(&format!("pack many --out x.npy {options}"), 1, &["512 samples", part, "--restart"]);
    }
    let first = bytes(&folder, "many/17.pgm");
    folder.write("many/17.pgm", [first.clone(), vec![0]].concat());
    folder.refused("pack many --out x.npy", 1, &["one of the 512 files `0.pgm` to `511.pgm` was another then"]);
    std::fs::remove_file(folder.path("x.npy.part.json")).expect("removed");
    folder.refused("pack many --out x.npy", 1, &["x.npy.part: found what an earlier run left, but", "--restart"]);
    folder.write("many/17.pgm", first);
    assert_eq!(folder.ok("pack many --out x.npy --restart --json").json()["resumed"], 0);
    assert_eq!(bytes(&folder, "x.npy"), bytes(&folder, "whole.npy"));
    assert_eq!(folder.names(), ["many", "whole.json", "whole.npy", "x.json", "x.npy"]);
    // An image of another size, in the first block: nothing is left.
    folder.write("many/3.pgm", pgm(4, 6, 1));
    folder.refused("pack many --out y.npy", 1, &["`3.pgm` is 4×6 pixels, expected 6×4 as in `0.pgm`", "--resize WxH"]);
}

/// Packs until a link to a pipe among the images makes it wait, ends it by a signal, puts an image in its place and goes on. What
/// is itself a pipe is no image.
#[cfg(unix)]
#[test]
fn a_killed_pack_goes_on() {
    use std::process::{Command, Stdio};
    for (signal, code) in [("-KILL", None), ("-TERM", Some(143)), ("-INT", Some(130))] {
        let folder = Folder::new();
        many(&folder);
        let pipe = folder.path("many/0pipe.pgm");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("started").success());
        folder.ok("pack many --out whole.npy -q");
        let link = folder.path("many/900.pgm");
        let image = std::fs::read(&link).expect("read");
        std::fs::remove_file(&link).expect("removed");
        std::os::unix::fs::symlink(&pipe, &link).expect("linked");
        let child = folder.command("pack many --out x.npy").stderr(Stdio::piped()).spawn().expect("started");
        let journal = folder.path("x.npy.part.json");
        let noted = || std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("[512,"));
        let start = std::time::Instant::now();
        while !noted() {
            assert!(start.elapsed().as_secs() < 60, "nothing is packed");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        if code.is_none() {
            // While it lives, another one does not write to the same file.
            let run = folder.run("pack many --out x.npy");
            assert!(
                run.code == Some(1) && run.stderr.contains("x.npy.part: another process is writing"),
                "{}",
                run.stderr
            );
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().expect("started").success());
        let output = child.wait_with_output().expect("ended");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), code, "{stderr}");
        if code.is_some() {
            assert!(stderr.contains("the same command goes on"), "{stderr}");
        }
        assert!(!folder.path("x.npy").exists() && folder.path("x.npy.part").exists());
        std::fs::remove_file(&link).expect("removed");
        std::fs::write(&link, image).expect("written");
        let run = folder.ok("pack many --out x.npy");
        assert!(run.stderr.contains("going on after 512 of 1100 samples"), "{}", run.stderr);
        assert_eq!(bytes(&folder, "x.npy"), bytes(&folder, "whole.npy"));
        let sidecar = |name: &str| serde_json::from_slice::<Value>(&bytes(&folder, name)).expect("JSON");
        assert_eq!(sidecar("x.json"), sidecar("whole.json"));
        assert_eq!(folder.names(), ["many", "whole.json", "whole.npy", "x.json", "x.npy"]);
    }
}

#[test]
fn outputs_that_cannot_be_are_refused() {
    let folder = Folder::new();
    faces(&folder);
    folder.write("x.npy", x_npy());
    folder.write("other.json", "[1, 2, 3]");
    for (arguments, code, part) in [
        ("pack faces --out x", 2, "expected a name that ends in .npy, found x"),
        ("pack faces --out faces/x.npy", 2, "a file that is not in faces"),
        ("pack faces --out faces/s1/x.npy", 2, "a file that is not in faces"),
        ("pack x.npy --out x.npy", 2, "another file than those that are read"),
        ("pack x.npy --out ./faces/../x.npy", 2, "another file than those that are read"),
        ("pack faces --out other.npy", 2, "other.json, found a file of another kind"),
        ("pack faces --out nowhere/x.npy", 1, "found no folder nowhere"),
        ("pack faces --out faces", 2, "ends in .npy"),
        ("pack nothing --out y.npy", 1, "nothing: "),
        ("pack faces --out y.npy --dtype u16", 2, "u16"),
        ("pack faces --out y.npy --image-shape 6x8", 2, "images say their own shape"),
        ("pack faces --out y.npy --memory 100", 2, "0.pgm: decoding 8×6 pixels needs"),
    ] {
        folder.refused(arguments, code, &[part]);
    }
}

#[cfg(unix)]
#[test]
fn a_disk_without_room_is_noticed_at_the_beginning() {
    let folder = Folder::new();
    folder.write("x.npy", npy("(4000, 100)", &samples(4000, 100)));
    let command = format!("ulimit -f 100; exec {} pack x.npy --out y.npy", env!("CARGO_BIN_EXE_deepnmf"));
    let output = std::process::Command::new("sh").args(["-c", &command]).current_dir(folder.path(".")).output();
    let output = output.expect("started");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.code() == Some(1) && stderr.contains("y.npy: expected room for 1600128 bytes"), "{stderr}");
    assert_eq!(folder.names(), ["x.npy"]);
}

#[test]
fn a_sidecar_that_does_not_fit_says_so() {
    let folder = Folder::new();
    faces(&folder);
    folder.ok("pack faces --out x.npy -q");
    let text = String::from_utf8(bytes(&folder, "x.json")).expect("text");
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    let change = |key: &str, value: Value| {
        let mut changed = whole.clone();
        changed["deepnmf"][key] = value;
        changed.to_string()
    };
    for (sidecar, parts) in [
        (change("samples", json!(17)), ["an array of 18×48, as in x.npy, found that of 17×48", "remove the file"]),
        (change("labels", json!([0, 1])), ["expected 18 labels, one for every sample of x.npy, found 2", "pack again"]),
        (change("labels", json!(vec![3; 18])), ["expected labels below 3", "found 3"]),
        (change("names", json!(["a"])), ["expected 18 names", "found 1"]),
        (
            change("image_shape", json!({"height": 5, "width": 8, "channels": 1})),
            ["height·width·channels = 48", "5×8×1"],
        ),
        (change("format", json!(2)), ["expected a sidecar of format 1", "found format 2"]),
        (change("ends", json!("0")), ["found that of another array", "of the same shape"]),
        (text[..text.len() / 2].to_string(), ["expected a sidecar of format 1, but it does not read", "pack again"]),
    ] {
        folder.write("x.json", sidecar);
        for stream in ["yes", "no"] {
            let fit = format!("fit x.npy --layers 3 --device cpu --stream {stream}");
            folder.refused(&fit, 1, &["error: x.json: ", parts[0], parts[1]]);
        }
    }
    // As a user may have formatted it.
    folder.write("x.json", serde_json::to_string_pretty(&whole).expect("JSON"));
    let run = folder.ok("fit x.npy --layers 3 --device cpu");
    assert!(run.stdout.contains("3 classes from sub-folders"), "{}", run.stdout);
    folder.refused("fit x.npy --layers 3 --device cpu --samples columns", 2, &["its samples are rows"]);
    // Not an output of another command.
    folder.refused("transform model.safetensors x.npy --out x.json", 2, &["--out: "]);
    folder.write("x.json", "{\"mine\": 1}");
    let run = folder.ok("fit x.npy --layers 3 --device cpu");
    assert!(run.stderr.contains("x.json is no sidecar of `deepnmf pack` and is not read"), "{}", run.stderr);
}

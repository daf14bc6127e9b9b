//! What is written: never over an input, never by half, and nothing else is left behind.

use std::path::Path;

use super::fixtures::*;

fn bytes(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.path(name)).expect("read")
}

#[cfg(unix)]
fn link(folder: &Folder, to: &str, name: &str) {
    std::os::unix::fs::symlink(to, folder.path(name)).expect("linked");
}

#[cfg(unix)]
#[test]
fn no_output_takes_the_place_of_an_input() {
    let folder = Folder::new();
    faces(&folder);
    folder.write("x.npy", x_npy());
    folder.write("a-images-idx3-ubyte", idx(20, 4, 4, 320));
    let mut labels = vec![0, 0, 8, 1, 0, 0, 0, 20];
    labels.extend((0..20u8).map(|i| i % 3));
    folder.write("a-labels-idx1-ubyte", labels);
    link(&folder, "x.npy", "soft.npy");
    link(&folder, "soft.npy", "softer.npy");
    std::fs::hard_link(folder.path("x.npy"), folder.path("hard.npy")).expect("linked");
    link(&folder, "faces/s1/3.pgm", "portrait.safetensors");
    link(&folder, "faces", "folks");
    folder.ok("fit x.npy --layers 3 --device cpu --out m.safetensors -q");
    folder.ok("fit faces --layers 3 --device cpu --out f.safetensors -q");
    let (x, model) = (bytes(&folder, "x.npy"), bytes(&folder, "m.safetensors"));
    let other = "expected another file than those that are read, found";
    for arguments in [
        "fit x.npy --layers 3 --out x.npy",
        "fit x.npy --layers 3 --out ./faces/../x.npy",
        "fit x.npy --layers 3 --out soft.npy",
        "fit softer.npy --layers 3 --out x.npy",
        "fit x.npy --layers 3 --out hard.npy",
        "fit a-images-idx3-ubyte --layers 3 --out a-labels-idx1-ubyte",
        "fit faces --layers 3 --out faces/s1/3.pgm",
        "fit faces --layers 3 --out faces/s1/new.png",
        "fit faces --layers 3 --out folks/s2/new.TIFF",
        "fit faces --layers 3 --out portrait.safetensors",
        "transform m.safetensors x.npy --out x.npy",
        "transform m.safetensors softer.npy --out x.npy",
        "transform m.safetensors x.npy --out m.safetensors",
        "report m.safetensors x.npy --out x.npy",
        "report m.safetensors --out m.safetensors",
        "report f.safetensors faces --out faces/s0/0.pgm",
    ] {
        folder.refused(&format!("{arguments} --device cpu"), 2, &["--out: ", other]);
    }
    for arguments in ["fit x.npy --layers 3", "report m.safetensors"] {
        folder.refused(
            &format!("{arguments} --out - --device cpu"),
            2,
            &["--out: expected the name of a file, found -"],
        );
    }
    // Folders that results are written to.
    std::fs::create_dir(folder.path("out")).expect("made");
    folder.write("out/gz-fig8.csv", "class\na\nb\n");
    for (arguments, part) in [
        ("--data faces --out faces", "found faces"),
        ("--data faces --out faces/s1/new/newer", "found faces/s1/new/newer"),
        ("--data folks --out faces/results", "not in the folder of the images"),
        ("--data faces --labels out/gz-fig8.csv --out out", other),
        ("--data out/gz-fig8.csv --out out", other),
    ] {
        folder.refused(&format!("reproduce gz-fig8 {arguments} --device cpu"), 2, &["--out: ", part]);
    }
    assert_eq!((bytes(&folder, "x.npy"), bytes(&folder, "m.safetensors")), (x, model));
    // What is in the folder of the images and no image is no image.
    folder.ok("fit faces --layers 3 --out faces/model.safetensors --device cpu -q");
    folder.ok("report faces/model.safetensors faces --out faces/report.html --device cpu -q");
}

#[cfg(unix)]
#[test]
fn what_is_replaced_keeps_its_mode_and_its_link() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    folder.write("private", "old");
    std::fs::set_permissions(folder.path("private"), PermissionsExt::from_mode(0o600)).expect("set");
    link(&folder, "private", "m.safetensors");
    folder.ok("fit x.npy --layers 3 --device cpu --out m.safetensors -q");
    assert!(folder.path("m.safetensors").is_symlink());
    let mode = std::fs::metadata(folder.path("private")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    folder.ok("report m.safetensors --device cpu -q");
}

#[cfg(unix)]
mod stopped {
    use super::*;
    use std::process::{Child, ChildStderr, Stdio};

    type Lines = std::io::Lines<std::io::BufReader<ChildStderr>>;

    /// A fit that goes on until it is stopped, after it has begun its file and read its data; with what it says.
    fn endless(folder: &Folder) -> (Child, Lines) {
        folder.write("x.npy", npy("(400, 100)", &samples(400, 100)));
        let fit =
            format!("fit x.npy --layers 8 --model nmf-mu --tol 0 --sweeps {} --device cpu --no-checkpoint", u64::MAX);
        let mut child = folder.command(&fit).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("a pipe")));
        assert!(lines.any(|line| line.expect("text").starts_with("400 samples")), "it has not begun");
        (child, lines)
    }

    fn kill(child: &Child, signal: &str) {
        let command = format!("kill {signal} {}", child.id());
        assert!(std::process::Command::new("sh").args(["-c", &command]).status().expect("started").success());
    }

    #[test]
    fn a_signal_ends_it_with_a_line_and_leaves_nothing() {
        for (signal, name, code) in [("-INT", "SIGINT", 130), ("-TERM", "SIGTERM", 143)] {
            let folder = Folder::new();
            folder.write("model.safetensors", "old");
            let (mut child, lines) = endless(&folder);
            kill(&child, signal);
            let stderr = lines.map(|line| line.expect("text") + "\n").collect::<String>();
            assert_eq!(child.wait().expect("ended").code(), Some(code));
            assert!(stderr.contains(&format!("stopped by {name}: ")), "{stderr}");
            assert_eq!(folder.names(), ["model.safetensors", "x.npy"]);
            assert_eq!(bytes(&folder, "model.safetensors"), b"old");
        }
    }

    #[test]
    fn a_killed_process_leaves_nothing_or_what_the_next_removes_and_a_living_one_keeps_its_own() {
        let folder = Folder::new();
        // Where the system has files without a name there is none of these.
        let begun = |folder: &Folder| folder.names().iter().filter(|name| name.starts_with(".deepnmf-")).count();
        let (mut child, _lines) = endless(&folder);
        let each = begun(&folder);
        kill(&child, "-KILL");
        child.wait().expect("ended");
        assert_eq!(begun(&folder), each);
        let (mut alive, _lines) = endless(&folder);
        assert_eq!(begun(&folder), each);
        folder.ok("fit x.npy --layers 2 --device cpu --out m.safetensors -q");
        assert_eq!(begun(&folder), each);
        kill(&alive, "-TERM");
        alive.wait().expect("ended");
        assert_eq!(folder.names(), ["m.safetensors", "x.npy"]);
    }

    #[test]
    fn a_disk_without_room_is_noticed_before_the_training() {
        let folder = Folder::new();
        folder.write("x.npy", npy("(4000, 100)", &samples(4000, 100)));
        let program = env!("CARGO_BIN_EXE_deepnmf");
        // In blocks of 512 bytes. A training that was begun would not end.
        let run = |arguments: &str| {
            let command = format!("ulimit -f 100; exec {program} {arguments} --device cpu");
            let output = std::process::Command::new("sh").args(["-c", &command]).current_dir(folder.path(".")).output();
            let output = output.expect("started");
            (output.status.code(), String::from_utf8(output.stderr).expect("text"))
        };
        let (code, stderr) = run(&format!("fit x.npy --layers 8 --tol 0 --sweeps {}", u64::MAX));
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stderr.contains("error: model.safetensors: expected room for ") && !stderr.contains("init of"),
            "{stderr}"
        );
        assert_eq!(folder.names(), ["x.npy"]);
        folder.ok("fit x.npy --layers 8 --device cpu -q");
        let (code, stderr) = run("transform model.safetensors x.npy --out h.npy");
        assert!(code == Some(1) && stderr.contains("error: h.npy: expected room for 128"), "{stderr}");
        assert_eq!(folder.names(), ["model.safetensors", "x.npy"]);
    }

    /// The folder goes while the model is trained.
    #[test]
    fn a_model_that_cannot_be_written_where_it_should_is_written_elsewhere() {
        let folder = Folder::new();
        folder.write("x.npy", npy("(4000, 100)", &samples(4000, 100)));
        std::fs::create_dir(folder.path("gone")).expect("made");
        let fit = "fit x.npy --layers 30 --tol 0 --sweeps 300 --device cpu --out gone/m.safetensors -v";
        let mut child = folder.command(fit).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("a pipe")));
        assert!(lines.any(|line| line.expect("text").starts_with("pre-training")));
        std::fs::remove_dir_all(folder.path("gone")).expect("removed");
        let error = lines.map(|line| line.expect("text")).find(|line| line.starts_with("error: ")).expect("an error");
        assert_eq!(child.wait().expect("ended").code(), Some(1));
        let (_, place) = error.split_once("; the model is in ").expect("where it is");
        let place = place.strip_suffix(" instead").expect("the end");
        folder.ok(&format!("report {place} x.npy --device cpu -q"));
    }
}

/// The last line of `fit` is a command.
#[cfg(unix)]
#[test]
fn the_next_step_can_be_pasted() {
    let folder = Folder::new();
    for (i, size) in [(0, (8, 6)), (1, (9, 7)), (2, (12, 12)), (3, (8, 6)), (4, (7, 7))] {
        folder.write(&format!("my faces; it's/s{}/{i}.pgm", i % 2), pgm(size.0, size.1, 40 * i));
    }
    let shape: Vec<f32> = samples(20, 36);
    folder.write("-x y.npy", npy("(36, 20)", &shape));
    for (data, options) in [
        ("my faces; it's", "--resize 6x6 --layers 2"),
        ("./-x y.npy", "--samples columns --image-shape 6x6 --layers 2"),
        ("./-x y.npy", "--samples columns --image-shape 6x6 --resize 3x3 --layers 2"),
    ] {
        let mut fit = folder.command("fit");
        fit.arg(data).args(options.split(' ')).args(["--device", "cpu", "--out", "a $model.safetensors"]);
        let output = fit.output().expect("started");
        let stdout = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let next = stdout.lines().find_map(|line| line.strip_prefix("next       ")).expect("a next step");
        let path = Path::new(env!("CARGO_BIN_EXE_deepnmf")).parent().expect("a folder");
        let shell = format!("PATH={}:$PATH; {next} --json --device cpu", path.display());
        let output = std::process::Command::new("sh").args(["-c", &shell]).current_dir(folder.path(".")).output();
        let output = output.expect("started");
        assert!(output.status.success(), "{next}: {}", String::from_utf8_lossy(&output.stderr));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(json["coefficients"], "stored", "{next}: these are the model's own samples");
    }
}

#[test]
fn data_are_read_as_those_of_the_model_were_unless_it_is_said_otherwise() {
    let folder = Folder::new();
    faces(&folder);
    folder.write("more/a.pgm", pgm(16, 12, 3));
    folder.write("x.npy", npy("(10, 12)", &samples(10, 12)));
    let json = folder.ok("fit faces --layers 3 --resize 4x3 --device cpu --json").json();
    assert_eq!(json["reading"]["resize"], serde_json::json!([4, 3]));
    let transform = |more: &str| folder.ok(&format!("transform model.safetensors {more} --out h.npy --device cpu"));
    let said = "reading as the data of the model were read: --resize 4x3";
    for data in ["faces", "more"] {
        let run = transform(data);
        assert!(run.stderr.contains(said) && run.stdout.contains("12 features"), "{}{}", run.stderr, run.stdout);
    }
    // Numbers of the final size are taken as they are.
    assert!(!transform("x.npy").stderr.contains("--resize"));
    let evaluate = folder.ok("evaluate model.safetensors faces --kmeans-seeds 2 --device cpu");
    assert!(evaluate.stderr.contains(said) && evaluate.stdout.contains("training (18)"), "{}", evaluate.stdout);
    let part = "not as the data of the model were read: --resize 4x3";
    let run = folder.run("transform model.safetensors faces --resize 8x6 --out h.npy --device cpu");
    assert!(run.code == Some(1) && run.stderr.contains(part), "{}", run.stderr);
    // Colour and the sides of a matrix are remembered, too.
    folder.ok("fit faces --layers 3 --colour --device cpu --out c.safetensors -q");
    folder.ok("transform c.safetensors faces --out h.npy --device cpu -q");
    folder.write("turned.npy", npy("(36, 60)", &samples(36, 60)));
    folder.ok("fit turned.npy --layers 3 --samples columns --device cpu --out t.safetensors -q");
    let json = folder.ok("transform t.safetensors turned.npy --out h.npy --device cpu --json").json();
    assert_eq!(json["n_samples"], 60);
    let rows = "transform t.safetensors turned.npy --samples rows --out h.npy --device cpu";
    folder.refused(rows, 1, &["not as the data of the model were read: --samples columns", "found 60 features"]);
}

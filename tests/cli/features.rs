//! Names of features: from the header of a table to the model, to new samples and to what is written for other programs.

use super::commands::read_npy;
use super::fixtures::*;

/// A table of 60 samples with these columns, of which each has values of its own, and a class.
fn table(columns: &[&str]) -> String {
    let value = |i: usize, name: &str| {
        let j = name.bytes().map(usize::from).sum::<usize>();
        ((i * 7 + j * 5) % 11) as f32 + ((i * j) % 3) as f32 / 4.0
    };
    let line = |i: usize| {
        let cells: String = columns.iter().map(|name| format!("{},", value(i, name))).collect();
        format!("cell {i},{cells}{}\n", ["a", "b"][i % 2])
    };
    format!("name,{},class\n", columns.join(",")) + &(0..60).map(line).collect::<String>()
}

#[test]
fn columns_are_known_by_their_names() {
    let folder = Folder::new();
    folder.write("x.csv", table(&["actb", "cd4", "cd8", "gapdh"]));
    folder.ok("fit x.csv --layers 3,2 --device cpu --out m.safetensors -q");
    let h = |data: &str| {
        let run = folder.ok(&format!("transform m.safetensors {data} --device cpu --out h.npy"));
        (read_npy(&folder, "h.npy").1, run.stderr)
    };
    let (own, said) = h("x.csv");
    assert!(!said.contains("columns"), "{said}");
    folder.write("turned.csv", table(&["gapdh", "cd8", "actb", "cd4"]));
    let (turned, said) = h("turned.csv");
    assert_eq!(turned, own);
    assert!(said.contains("turned.csv: its columns are put in the order of the model"), "{said}");
    folder.write("more.csv", table(&["age", "actb", "cd4", "cd8", "gapdh", "length"]));
    let (more, said) = h("more.csv");
    assert_eq!(more, own);
    assert!(said.contains("more.csv: 2 columns that the model does not know are left out"), "{said}");
    folder.write("fewer.csv", table(&["actb", "cd4", "gapdh", "other"]));
    let missing = ["fewer.csv", "1 of 4 features are missing, the first `cd8`", "without a header line"];
    folder.refused("transform m.safetensors fewer.csv --device cpu --out h.npy", 1, &missing);
    folder.refused("evaluate m.safetensors fewer.csv --device cpu", 1, &missing);

    // Names go along with a packed table, whose samples may stay in their file.
    folder.ok("pack x.csv --out packed.npy");
    folder.ok("fit packed.npy --layers 3,2 --device cpu --out p.safetensors --stream yes -q");
    folder.ok("transform p.safetensors turned.csv --device cpu --out h.npy");
    folder.ok("transform p.safetensors packed.npy --device cpu --out own.npy --stream yes");
    assert_eq!(read_npy(&folder, "h.npy").1, read_npy(&folder, "own.npy").1);
    folder.ok("pack turned.csv --out turned.npy");
    folder.refused("transform p.safetensors turned.npy --device cpu --out h.npy --stream yes", 2, &["--stream no"]);

    folder.ok("export p.safetensors --out parts");
    let text = std::fs::read_to_string(folder.path("parts/components-1.csv")).expect("a table");
    assert!(text.starts_with("name,actb,cd4,cd8,gapdh\n0,"), "{text}");
    let cells = text.lines().skip(1).flat_map(|line| line.split(',').skip(1));
    let cells: Vec<f32> = cells.map(|cell| cell.parse().expect("a number")).collect();
    assert_eq!(read_npy(&folder, "parts/components-1.npy").1, cells);
    assert!(!folder.path("parts/components-1.png").exists());
    folder.ok("report p.safetensors x.csv --device cpu --out r.html");
    assert!(std::fs::read_to_string(folder.path("r.html")).expect("a page").contains("</span>gapdh</li>"));
}

#[test]
fn components_of_images_are_exported_as_pictures() {
    let folder = Folder::new();
    faces(&folder);
    folder.ok("fit faces --layers 4,3 --device cpu --out m.safetensors -q");
    let json = folder.ok("export m.safetensors --out parts --json").json();
    for name in ["components-1.npy", "components-2.png", "components-2", "coefficients.npy"] {
        assert!(
            json["written"].as_array().expect("a list").iter().any(|f| f.as_str() == Some(&format!("parts/{name}")))
        );
    }
    let size = |name: &str| image::image_dimensions(folder.path(name)).expect("a picture");
    let (shape, values) = read_npy(&folder, "parts/components-1.npy");
    let (width, height) = size("parts/components-1/003.png");
    assert_eq!(shape, [4, (width * height) as usize]);
    // White where the component is largest.
    let picture = image::open(folder.path("parts/components-1/003.png")).expect("a picture").into_luma8();
    let own = &values[3 * shape[1]..];
    let (at, top) = own.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("values");
    assert_eq!(picture.as_raw()[at], if *top > 0.0 { 255 } else { 0 });
    assert!(!folder.path("parts/components-1/004.png").exists() && !folder.path("parts/components-1.csv").exists());
    // Nothing of another model is left beside what is written.
    folder.write("parts/components-1/mine.txt", "kept");
    folder.ok("fit faces --layers 2 --device cpu --out small.safetensors -q");
    folder.ok("export small.safetensors --out parts -q");
    assert_eq!(list(&folder.path("parts/components-1")), ["000.png", "001.png", "mine.txt"]);
    let names = || list(&folder.path("parts"));
    assert_eq!(names(), ["coefficients.npy", "components-1", "components-1.npy", "components-1.png"]);
    folder.refused("export m.safetensors --out parts --layer 3", 2, &["--layer: expected 1 to 2"]);
    folder.refused(
        "export m.safetensors --out m.safetensors",
        2,
        &["--out: expected a folder, found the file m.safetensors"],
    );
    folder.refused("demo --out m.safetensors/sub", 2, &["--out: expected a folder, found the file m.safetensors"]);
    // Of one layer: none of the other layers of another model stay either.
    folder.ok("export m.safetensors --out parts -q");
    folder.ok("export small.safetensors --out parts --layer 1 -q");
    assert_eq!(names(), ["coefficients.npy", "components-1", "components-1.npy", "components-1.png"]);
    // Tables in the place of pictures.
    folder.write("x.npy", x_npy());
    folder.ok("fit x.npy --layers 3 --device cpu --out x.safetensors -q");
    std::fs::remove_file(folder.path("parts/components-1/mine.txt")).expect("removed");
    folder.ok("export x.safetensors --out parts -q");
    assert_eq!(names(), ["coefficients.npy", "components-1.csv", "components-1.npy"]);
    // Where it cannot be written whole, that of before stays.
    folder.write("parts/components-2.npy/in the way", "kept");
    let before = std::fs::read(folder.path("parts/components-1.npy")).expect("there");
    let all = names();
    folder.refused("export m.safetensors --out parts", 1, &["components-2.npy: --out: expected none"]);
    assert_eq!(names(), all);
    assert_eq!(std::fs::read(folder.path("parts/components-1.npy")).expect("there"), before);
}

#[test]
fn data_come_by_standard_input() {
    use std::process::Stdio;
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    folder.write("x.csv", table(&["a", "b", "c"]));
    let piped = |file: &str, arguments: &str| {
        let input = std::fs::File::open(folder.path(file)).expect("open");
        let temporary = folder.path("temporary");
        std::fs::create_dir_all(&temporary).expect("made");
        let mut command = folder.command(arguments);
        let run = command.env("TMPDIR", &temporary).stdin(Stdio::from(input)).output().expect("started");
        assert_eq!(std::fs::read_dir(&temporary).expect("there").count(), 0, "something is left behind");
        run
    };
    let wide: Vec<_> = (0..200).map(|i| format!("gene{i}")).collect();
    folder.write("wide.csv", table(&wide.iter().map(String::as_str).collect::<Vec<_>>()));
    for file in ["x.npy", "x.csv", "wide.csv"] {
        folder.ok(&format!("fit {file} --layers 3 --device cpu --out named.safetensors -q"));
        let run = piped(file, "fit - --layers 3 --device cpu --out piped.safetensors -q");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        for model in ["named", "piped"] {
            folder.ok(&format!("transform {model}.safetensors {file} --device cpu --out {model}.npy"));
        }
        assert_eq!(read_npy(&folder, "named.npy"), read_npy(&folder, "piped.npy"));
    }
    let run = piped("named.safetensors", "fit - --layers 3 --device cpu");
    assert_eq!(run.status.code(), Some(1));
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(said.contains("error: standard input: "), "{said}");
    // A TIFF of two pages, as it is by its first bytes.
    let mut pages = std::io::Cursor::new(Vec::new());
    let mut tiff = tiff::encoder::TiffEncoder::new(&mut pages).expect("a file");
    for page in [[1_u8, 2, 3, 4], [9, 7, 5, 3]] {
        tiff.write_image::<tiff::encoder::colortype::Gray8>(2, 2, &page).expect("written");
    }
    folder.write("pages.tif", pages.into_inner());
    let run = piped("pages.tif", "fit - --layers 1 --device cpu --json");
    let json: serde_json::Value = serde_json::from_slice(&run.stdout).expect("JSON");
    assert_eq!((&json["n_samples"], &json["n_features"]), (&2.into(), &4.into()));
}

#[test]
fn a_column_to_leave_out_has_to_be_there() {
    let folder = Folder::new();
    folder.write("x.csv", table(&["a", "b", "c"]));
    let no = ["x.csv: --leave-out: there is no column `nope` to leave out"];
    folder.refused("fit x.csv --layers 2 --leave-out a --leave-out nope --device cpu", 1, &no);
    folder.ok("fit x.csv --layers 2 --leave-out a --device cpu --out m.safetensors -q");
    // The model's own is left out where it is.
    folder.write("y.csv", table(&["b", "c"]));
    folder.ok("transform m.safetensors y.csv --device cpu --out h.npy");
    folder.refused(
        "transform m.safetensors y.csv --leave-out nope --device cpu --out h2.npy",
        1,
        &["no column `nope`"],
    );
}

#[test]
fn broken_images_can_be_left_out_and_the_next_command_does_so_too() {
    let folder = Folder::new();
    faces(&folder);
    folder.write("faces/s1/broken.png", "no picture");
    let says = ["faces/s1/broken.png", "does not decode", "--skip-broken leaves out images that do not"];
    folder.refused("fit faces --layers 2 --device cpu", 1, &says);
    let run = folder.ok("fit faces --layers 2 --skip-broken --device cpu --out m.safetensors");
    let next = run.stdout.lines().find_map(|line| line.strip_prefix("next")).expect("a command").trim().to_string();
    assert_eq!(next, "deepnmf report m.safetensors faces --skip-broken");
    folder.ok(&format!("{} --device cpu", next.trim_start_matches("deepnmf ")));
    folder.refused("evaluate m.safetensors faces --device cpu", 1, &says);
}

//! What `bench` measures, and what `fit` says of the device's memory.

use super::fixtures::*;

use serde_json::Value;

const ROWS: [&str; 18] = [
    "copy",
    "product XΨ",
    "product XᵀH",
    "product HᵀH",
    "product HG",
    "product PIE XW",
    "product PIE WW",
    "product square",
    "product XΨ u8",
    "product XᵀH u8",
    "product XΨ f16",
    "product XᵀH f16",
    "H block",
    "W block",
    "fit",
    "sweep n",
    "sweep 10n",
    "sweep 100n",
];

/// A software adapter; where there is none, only `DEEPNMF_GPU=auto` or `off` let the test pass.
fn software(folder: &Folder) -> bool {
    let wish = std::env::var("DEEPNMF_GPU").unwrap_or_else(|_| "require".into());
    let there = folder.ok("devices --json").json()["adapters"]
        .as_array()
        .is_some_and(|all| all.iter().any(|a| a["backend"] == "vulkan" && a["problem"].is_null()));
    assert!(there || wish != "require", "no usable vulkan adapter");
    there && wish != "off"
}

/// Every row is there, and was measured, or says why not.
fn complete(device: &Value) {
    let rows = device["rows"].as_array().expect("rows");
    let names: Vec<_> = rows.iter().map(|r| r["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ROWS);
    for row in rows {
        assert!(row["shape"].as_str().is_some_and(|s| s.contains('×')), "{row}");
        let measured = row["seconds"].as_f64().is_some_and(|s| s > 0.0 && s.is_finite());
        let left_out = row["note"].as_str().is_some_and(|n| n.starts_with("left out"));
        let optional = |n: &str| n.ends_with("0n") || n.ends_with("u8") || n.ends_with("f16");
        assert!(measured || (left_out && row["name"].as_str().is_some_and(optional)), "{row}");
        let product = measured && row["unit"] == "GFLOP/s";
        assert_eq!(row["of_best"].as_f64().is_some_and(|part| part > 0.0 && part <= 1.0), product, "{row}");
    }
    let fit = &rows[14];
    let number = |key: &str| fit[key].as_f64().expect(key);
    assert!(number("relative_error") <= number("target_error"), "{fit}");
    assert!(number("iterations") > 0.0);
}

#[test]
fn bench_measures_everything_in_the_time_it_has() {
    let folder = Folder::new();
    let begin = std::time::Instant::now();
    let run = folder.ok("bench --seconds 1.5 --device cpu --json");
    // Others may be at work on the machine.
    assert!(begin.elapsed().as_secs_f64() < 30.0, "{:?}", begin.elapsed());
    let json = run.json();
    let devices = json["devices"].as_array().expect("devices");
    assert_eq!(devices.len(), 1);
    assert_eq!((&devices[0]["backend"], &devices[0]["adapter"]), (&"cpu".into(), &Value::Null));
    complete(&devices[0]);
    assert!(run.stderr.contains("cpu 18/18: sweep 100n "), "{}", run.stderr);
    if cfg!(unix) {
        assert!(devices[0]["rows"].as_array().is_some_and(|rows| rows[7]["cpu_per_wall"].as_f64() > Some(0.0)));
    }
    assert!(folder.names().is_empty());
}

#[test]
fn bench_has_the_cpu_beside_an_adapter() {
    let folder = Folder::new();
    if !software(&folder) {
        return;
    }
    let json = folder.ok("bench --seconds 3 --device vulkan --json --quiet").json();
    let devices = json["devices"].as_array().expect("devices");
    let backends: Vec<_> = devices.iter().map(|d| &d["backend"]).collect();
    assert_eq!(backends, ["gpu", "cpu"]);
    devices.iter().for_each(complete);
    assert_eq!(devices[0]["adapter"]["backend"], "vulkan");
    let product = &devices[0]["rows"][1];
    assert!(product["host_seconds"].as_f64().is_some_and(|host| host < product["seconds"].as_f64().expect("seconds")));
    let timed = devices[0]["adapter"]["features"].as_array().is_some_and(|f| f.contains(&"timestamps".into()));
    assert_eq!(product["device_seconds"].as_f64().is_some_and(|s| s > 0.0), timed);
}

#[test]
fn bench_of_all_verifies_first() {
    let folder = Folder::new();
    let json = folder.ok("bench --all --seconds 0.5 --device cpu --json --quiet").json();
    let verify = &json["devices"][0]["verify"];
    assert!(verify["checks"].as_u64().unwrap() > 1000 && verify["failed"].as_array().unwrap().is_empty(), "{verify}");
    // The CPU has one way for every product.
    assert!(json["devices"][0]["tuned"].as_object().unwrap().is_empty());
}

#[test]
fn bench_prints_a_table() {
    let folder = Folder::new();
    let run = folder.ok("bench --seconds 0.5 --device cpu --quiet");
    assert_eq!(run.stderr, "");
    for name in ROWS {
        assert!(run.stdout.lines().any(|l| l.starts_with(name)), "{name}: {}", run.stdout);
    }
    assert!(run.stdout.contains("reached an error of 5.50 %") && run.stdout.contains("GFLOP/s"), "{}", run.stdout);
    folder.refused("bench --seconds 0", 2, &["seconds"]);
    folder.refused("bench --quick --seconds 3", 2, &["--quick"]);
}

#[test]
fn fit_tells_the_memory_of_the_device() {
    let folder = Folder::new();
    if !software(&folder) {
        return;
    }
    folder.write("x.npy", x_npy());
    let fit = "fit x.npy --layers 5,3 --sweeps 2 --pretrain 2 --device vulkan";
    let run = folder.ok(&format!("-v {fit}"));
    for part in ["expected device memory 35.", "peak device memory 35."] {
        assert!(run.stderr.contains(part), "expected `{part}` in: {}", run.stderr);
    }
    let memory = &folder.ok(&format!("{fit} --json")).json()["device_memory"];
    assert!(memory["peak_bytes"].as_u64().is_some_and(|bytes| bytes > 35 << 20), "{memory}");
    assert_eq!(memory["peak_bytes"], memory["expected_bytes"]);
    let memory = &folder.ok(&format!("{fit} --activation root --json")).json()["device_memory"];
    assert!(memory["peak_bytes"].is_u64() && memory["peak_bytes"] == memory["expected_bytes"], "{memory}");
}

#[test]
fn ranks_are_measured_where_there_are_several() {
    Folder::new().refused("bench --ranks", 2, &["found one", "mpirun -n 4 deepnmf bench --ranks"]);
}

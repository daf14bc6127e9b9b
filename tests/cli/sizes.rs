//! Numbers that no machine has room or time for.

use super::fixtures::*;

#[test]
fn layers_that_need_more_memory_than_there_is_are_refused() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    for (model, layers) in [
        ("sdnmf-l", "9223372036854775807"),
        ("sdnmf-l", "18446744073709551615,2"),
        ("dnmf", "4,1000000000000"),
        ("nmf-mu", "100000000000"),
        ("gnmf", "100000000000"),
        ("deep-semi-nmf", "100000000000,3"),
    ] {
        let parts = [&format!("layers {layers} of 60 samples × 36 features need"), "are available"];
        for init in ["nndsvd", "random"] {
            folder.refused(
                &format!("fit x.npy --model {model} --layers {layers} --init {init} --device cpu"),
                2,
                &parts,
            );
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_limit_of_the_process_counts() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    let program = env!("CARGO_BIN_EXE_deepnmf");
    // In KiB: the program itself takes some hundred MB of addresses.
    let command = format!("ulimit -v 4000000; exec {program} fit x.npy --layers 5000000 --init random --device cpu");
    let run = std::process::Command::new("sh").args(["-c", &command]).current_dir(folder.path(".")).output();
    let run = run.expect("started");
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("are available"), "{stderr}");
}

/// Huge numbers of what is done until it is done, or is too much of what there is.
#[test]
fn huge_numbers_are_taken_or_refused() {
    let folder = Folder::new();
    faces(&folder);
    folder.write("x.npy", x_npy());
    let most = usize::MAX;
    for option in ["--sweeps", "--pretrain"] {
        let run = folder.ok(&format!("fit x.npy --layers 4,2 {option} {most} --tol 0.5 --device cpu -q"));
        assert_eq!(run.stderr, "");
    }
    folder.ok(&format!("fit x.npy --layers 3 --seed {} --init random --device cpu -q", u64::MAX));
    // More neighbours than there are samples: all of them.
    folder.ok(&format!("fit x.npy --layers 3 --model gnmf --neighbors {most} --device cpu -q"));
    for (arguments, code, part) in [
        (format!("fit faces --layers 3 --train-per-class {most}"), 1, "at least 18446744073709551615 samples of class"),
        (format!("fit x.npy --layers 3 --image-shape {most}x{most}"), 1, "image shape"),
        (format!("report m.safetensors faces --clusters {most}"), 2, "--clusters: expected at most 18, one per sample"),
        (format!("evaluate m.safetensors faces --clusters {most}"), 1, "clusters"),
        (format!("transform m.safetensors faces --layer {most} --out h.npy"), 2, "expected 1 to 1"),
        ("bench --seconds 1e300".into(), 2, "at most 1e7"),
    ] {
        if arguments.contains("m.safetensors") && !folder.names().contains(&"m.safetensors".to_string()) {
            folder.ok("fit faces --layers 3 --device cpu --out m.safetensors -q");
        }
        folder.refused(&format!("{arguments} --device cpu"), code, &[part]);
    }
}

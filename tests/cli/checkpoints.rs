//! Fits that are stopped, and go on to the same model.

use super::fixtures::*;
use deepnmf::store::Model;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// All stages; without more, in some seconds.
const FIT: &str = "fit x.npy --layers 12,6 --model sdnmf-rl2 --tol 0";

/// Longer than the time that it is given.
const LONG: &str = "--pretrain 3000 --sweeps 3000";

fn data(folder: &Folder) {
    folder.write("x.npy", npy("(500, 60)", &samples(500, 60)));
}

fn start(folder: &Folder, arguments: &str) -> Child {
    folder.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
}

/// What is the same of two models that were trained alike, as bits.
fn bits(folder: &Folder, name: &str) -> Vec<u64> {
    let Model { factors, metadata } = Model::load(&folder.path(name)).expect("a model");
    let numbers = factors.w.iter().chain([&factors.h]).flatten().map(|v| f64::from(*v));
    let history = metadata.history.pretrain.into_iter().flatten().chain(metadata.history.finetune);
    numbers.chain(history).chain([metadata.objective, metadata.relative_error]).map(f64::to_bits).collect()
}

/// Waits until there is a checkpoint.
fn until_written(folder: &Folder) {
    let since = Instant::now();
    while !folder.path("m.safetensors.checkpoint").exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
fn kill(child: &Child, signal: &str) {
    let command = format!("kill {signal} {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &command]).status().expect("started").success());
}

/// Kills the fit at that many moments, each of them anywhere in the time that it takes, and goes on from what is there. In the
/// environment, `DEEPNMF_KILLS` is how many, for a longer trial than that of every day.
fn killed(device: &str, iterations: u64, kills: u64) {
    let kills = std::env::var("DEEPNMF_KILLS").map_or(kills, |n| n.parse().expect("a number"));
    let folder = Folder::new();
    data(&folder);
    let iterations = format!("--pretrain {iterations} --sweeps {iterations}");
    let fit = format!("{FIT} {iterations} --device {device} --no-tune --checkpoint-every 0 -q");
    let begin = Instant::now();
    folder.ok(&format!("{fit} --out whole.safetensors"));
    let takes = begin.elapsed();
    let whole = bits(&folder, "whole.safetensors");
    assert_eq!(folder.names(), ["whole.safetensors", "x.npy"], "a fit that is done leaves no checkpoint");
    let (mut state, mut went_on) = (7_u64, 0);
    for i in 0..kills {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = takes.mul_f64((state >> 11) as f64 / (1_u64 << 53) as f64);
        let mut child = start(&folder, &format!("{fit} --out m.safetensors"));
        // Every other one as soon as there is a checkpoint, or a little later: it takes a while until there is one.
        while i % 2 == 1
            && !folder.path("m.safetensors.checkpoint").exists()
            && child.try_wait().expect("asked").is_none()
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(if i % 2 == 1 { at / 10 } else { at });
        let _ = child.kill();
        child.wait().expect("ended");
        let has_model = folder.path("m.safetensors").exists();
        if has_model {
            assert!(bits(&folder, "m.safetensors") == whole, "{i}: a model that is there is whole");
        }
        let rest =
            if folder.path("m.safetensors.checkpoint").exists() { "--resume m.safetensors.checkpoint" } else { "" };
        went_on += u64::from(folder.path("m.safetensors.checkpoint").exists());
        folder.ok(&format!("{fit} --out m.safetensors {rest}"));
        assert!(bits(&folder, "m.safetensors") == whole, "killed after {at:?}, number {i}: another model");
        assert_eq!(folder.names(), ["m.safetensors", "whole.safetensors", "x.npy"], "{i}: files are left");
        std::fs::remove_file(folder.path("m.safetensors")).expect("removed");
    }
    println!("{went_on} of {kills} went on from a checkpoint");
    assert!(went_on > 0, "none of {kills} had a checkpoint");
}

#[test]
fn a_killed_fit_goes_on_to_the_same_bits() {
    killed("cpu", 60, 4);
}

#[test]
fn a_killed_fit_goes_on_to_the_same_bits_on_a_gpu() {
    if std::env::var("DEEPNMF_GPU").is_ok_and(|gpu| gpu == "off") {
        return;
    }
    killed("gpu", 20, 2);
}

/// Whether SIGHUP is ignored by this process, and so by those that it starts.
#[cfg(unix)]
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// `nohup` is heeded: the fit goes on after a SIGHUP.
#[cfg(target_os = "linux")]
#[test]
fn a_hangup_that_is_ignored_stays_so() {
    let folder = Folder::new();
    data(&folder);
    let fit = format!("{FIT} --device cpu --out m.safetensors --checkpoint-every 0 -q");
    let program = folder.command("").get_program().to_owned();
    let mut child = std::process::Command::new("nohup")
        .arg(program)
        .args(fit.split(' '))
        .current_dir(folder.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    until_written(&folder);
    kill(&child, "-HUP");
    assert!(child.wait().expect("ended").success());
    assert!(folder.path("m.safetensors").exists());
}

#[cfg(unix)]
#[test]
fn a_signal_finishes_the_iteration_and_says_how_to_go_on() {
    let folder = Folder::new();
    data(&folder);
    folder.ok(&format!("{FIT} --device cpu --out whole.safetensors -q"));
    let fit = format!("{FIT} --device cpu --out m.safetensors --checkpoint-every 0");
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        if signal == "-HUP" && ignores_hangups() {
            // Who ignores it, as `nohup` does, has it ignored.
            continue;
        }
        let child = start(&folder, &format!("{fit} --json"));
        until_written(&folder);
        kill(&child, signal);
        let output = child.wait_with_output().expect("ended");
        assert_eq!(output.status.code(), Some(code));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(&format!("SIG{}: ends after this iteration", &signal[1..])), "{stderr}");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&said["interrupted"], &said["checkpoint"]), (&true.into(), &"m.safetensors.checkpoint".into()));
        let command = said["resume"].as_str().expect("a command");
        assert!(stderr.contains(command) && command.ends_with("--json --resume m.safetensors.checkpoint"), "{command}");
        assert_eq!(folder.names(), ["m.safetensors.checkpoint", "whole.safetensors", "x.npy"]);
        let words = shlex::split(command).expect("words");
        folder.ok(&words[1..].join(" "));
        assert!(bits(&folder, "m.safetensors") == bits(&folder, "whole.safetensors"));
        std::fs::remove_file(folder.path("m.safetensors")).expect("removed");
    }
}

#[test]
fn a_fit_that_ran_out_of_time_can_go_on() {
    let folder = Folder::new();
    data(&folder);
    folder.ok(&format!("{FIT} {LONG} --device cpu --out whole.safetensors -q"));
    let run = folder.ok(&format!("{FIT} {LONG} --device cpu --out m.safetensors --time-limit 0.2s"));
    let at = "m.safetensors.checkpoint";
    assert!(
        run.stderr.contains("it goes on with:") && run.stderr.contains(&format!("--resume {at}")),
        "{}",
        run.stderr
    );
    folder.ok(&format!("{FIT} {LONG} --device cpu --out m.safetensors --resume {at}"));
    assert!(bits(&folder, "m.safetensors") == bits(&folder, "whole.safetensors"));
    assert_eq!(folder.names(), ["m.safetensors", "whole.safetensors", "x.npy"]);
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let folder = Folder::new();
    data(&folder);
    let fit = format!("{FIT} {LONG} --device cpu --out m.safetensors");
    folder.ok(&format!("{fit} --time-limit 0.2 -q"));
    std::fs::remove_file(folder.path("m.safetensors")).expect("removed");
    let at = "m.safetensors.checkpoint";
    folder.refused(
        &format!("{fit} --resume {at} --scale max"),
        2,
        &[at, "of another fit", "scale: expected \"unit\", found \"max\""],
    );
    folder.refused(&format!("{fit} --resume {at} --seed 3"), 2, &["seed: expected 0, found 3"]);
    folder.refused(&format!("{fit} --resume nothing"), 1, &["nothing: "]);
    folder.refused(&format!("{fit} --resume x.npy"), 1, &["x.npy: expected a checkpoint of deepnmf, found"]);
    folder.refused(&format!("{fit} --resume {at} --no-checkpoint"), 2, &["cannot be used with"]);
    folder.refused(&fit, 2, &[at, "is there already", "--resume", "to begin anew"]);
    folder.refused(&format!("{fit} --checkpoint x.npy"), 2, &["x.npy is there already"]);
    folder.refused(&format!("{fit} --checkpoint m.safetensors"), 2, &["another file than the model"]);
    // Fewer sweeps than were made are refused with the number of those.
    let one = "fit x.npy --layers 12 --tol 0 --device cpu --out one.safetensors";
    folder.ok(&format!("{one} --sweeps 1000000 --time-limit 0.3 -q"));
    let run = folder.run(&format!("{one} --sweeps 1 --resume one.safetensors.checkpoint"));
    let least =
        run.stderr.split("sweeps: expected ").nth(1).and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    assert!(run.code == Some(2) && least.is_some_and(|least| (2..1_000_000).contains(&least)), "{}", run.stderr);
    folder.write("x.npy", npy("(500, 60)", &samples(501, 60)[60..]));
    folder.refused(&format!("{fit} --resume {at}"), 2, &["checksum of samples"]);
}

/// A fit removes the checkpoint that it wrote, and no other.
#[cfg(unix)]
#[test]
fn a_fit_that_is_done_leaves_the_checkpoint_of_another_one() {
    let folder = Folder::new();
    data(&folder);
    let at = "m.safetensors.checkpoint";
    // It writes none of its own, and ends after the other one has written its first.
    let mut second = start(&folder, &format!("{FIT} {LONG} --device cpu --out m.safetensors --checkpoint-every 1h"));
    let mut first = start(
        &folder,
        &format!("{FIT} --pretrain 9000 --sweeps 9000 --device cpu --out m.safetensors --checkpoint-every 0"),
    );
    until_written(&folder);
    first.kill().expect("killed");
    first.wait().expect("ended");
    let written = std::fs::read(folder.path(at)).expect("a checkpoint");
    assert!(second.wait().expect("ended").success());
    assert!(
        std::fs::read(folder.path(at)).is_ok_and(|left| left == written),
        "the checkpoint of the other fit is gone"
    );
}

#[test]
fn a_copy_of_a_checkpoint_stays() {
    let folder = Folder::new();
    data(&folder);
    let fit = format!("{FIT} {LONG} --device cpu");
    folder.ok(&format!("{fit} --out m.safetensors --time-limit 0.2 -q"));
    std::fs::rename(folder.path("m.safetensors.checkpoint"), folder.path("backup")).expect("moved");
    let run = folder.ok(&format!("{fit} --out other.safetensors --resume backup"));
    assert!(run.stderr.contains("backup stays"), "{}", run.stderr);
    assert_eq!(folder.names(), ["backup", "m.safetensors", "other.safetensors", "x.npy"]);
}

/// Why a stage ended is said of each, and only of layers that had no training that they had none.
#[test]
fn a_fit_that_ran_out_of_time_says_where() {
    let folder = Folder::new();
    data(&folder);
    let of = |more: &str| folder.ok(&format!("fit x.npy --device cpu --out m.safetensors --no-checkpoint {more}"));
    let run = of("--layers 12 --tol 0 --sweeps 1000000 --time-limit 0.2");
    assert!(run.stderr.contains("warning: stopped in the pre-training of layer 1, as asked"), "{}", run.stderr);
    assert!(!run.stderr.contains("random start"), "{}", run.stderr);
    let iterations = |run: &Run| run.stdout.lines().find(|l| l.starts_with("iterations")).expect("a line").to_string();
    assert!(iterations(&run).ends_with(" of 1000000 (it was stopped)"), "{}", run.stdout);
    let run = of("--layers 12,6 --pretrain 1000000 --tol 0 --time-limit 0.2");
    assert!(run.stderr.contains("; the last layer had one only, from a random start"), "{}", run.stderr);
    let stages = iterations(&run);
    assert_eq!(stages.matches("(it was stopped)").count(), 3, "{stages}");
    assert!(!stages.contains("nothing changed"), "{stages}");
    let run = of("--layers 12,6 --pretrain 3 --sweeps 1000000 --tol 0 --time-limit 0.3");
    assert!(
        run.stderr.contains("stopped in the fine-tuning") && !run.stderr.contains("random start"),
        "{}",
        run.stderr
    );
    assert!(iterations(&run).contains("layer 1 3 of 3, layer 2 3 of 3, fine-tuning"), "{}", run.stdout);
    let run = of("--layers 6 --online --batch 50 --sweeps 4 --tol 0");
    assert!(iterations(&run).ends_with("fine-tuning 4 of 4"), "{}", run.stdout);
}

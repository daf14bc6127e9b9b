//! Options that a command would not look at are refused.

use super::fixtures::*;

#[test]
fn every_option_of_a_fit_is_used_or_refused() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    // An option with a value, and for each: a fit that uses it, and one that would not.
    for (option, used, unused, why) in [
        ("--mu 0.1", "sdnmf-l --layers 3", "dnmf --layers 3", "the model dnmf"),
        ("--mu 0.1", "sdnmf-rl2 --layers 3", "semi-nmf --layers 3", "the model semi-nmf"),
        ("--mu 0.1,0.2", "sdnmf-rl1 --layers 4,3", "nenmf --layers 3", "the model nenmf"),
        ("--lambda 0.1", "sdnmf-r --layers 3", "dnmf --layers 3", "the model dnmf"),
        ("--lambda 0,0.1", "sdnmf-rl1 --layers 4,3", "gnmf --layers 3", "the model gnmf"),
        ("--penalties absolute", "sdnmf-r --layers 3", "dnmf --layers 3", "the model dnmf"),
        ("--theta 0.2", "nsnmf --layers 3", "nmf-mu --layers 3", "the model nmf-mu"),
        ("--neighbors 3", "gnmf --layers 3", "dnmf --layers 3", "the model dnmf"),
        ("--graph binary", "gnmf --layers 3", "semi-nmf --layers 3", "the model semi-nmf"),
        ("--graph-lambda 1", "gnmf --layers 3", "pgnmf --layers 3", "the model pgnmf"),
        ("--solver cd", "semi-nmf --layers 3", "pgnmf --layers 3", "the model pgnmf"),
        ("--inner 3", "dnmf --solver nesterov --layers 3", "dnmf --solver cd --layers 3", "--solver cd"),
        ("--inner 3", "nenmf --layers 3", "deep-semi-nmf --layers 4,3", "the model deep-semi-nmf"),
        ("--metric plain", "dnmf --solver nesterov --layers 3", "dnmf --layers 3", "--solver cd"),
        ("--restart", "nenmf --layers 3", "nmf-mu --layers 3", "the model nmf-mu"),
        ("--power-iterations 3", "nenmf --layers 3", "sdnmf-l --layers 4,3", "--solver cd"),
        ("--passes 3", "dnmf --layers 3", "nenmf --layers 3", "--solver nesterov"),
        ("--passes 3", "semi-nmf --solver cd --layers 3", "semi-nmf --layers 3", "--solver nesterov"),
        ("--extrapolate none", "dnmf --layers 3", "dnmf --solver nesterov --layers 3", "--solver nesterov"),
        ("--extrapolate none", "sdnmf-l --layers 4,3", "semi-nmf --solver cd --layers 3", "the model semi-nmf"),
        ("--balance none", "dnmf --layers 4,3", "multilayer-nmf --layers 4,3", "the model multilayer-nmf"),
        ("--pretrain 3", "dnmf --layers 4,3", "dnmf --layers 3", "whose iterations are --sweeps"),
        ("--pretrain-samples 9", "multilayer-nmf --layers 4,3", "dnmf --layers 3", "a model of one layer"),
        ("--online", "nenmf --layers 3", "semi-nmf --layers 3", "the model semi-nmf"),
        ("--pretrain 3", "dnmf --layers 3 --online", "nenmf --layers 3", "whose iterations are --sweeps"),
        ("--pretrain-samples 9", "dnmf --layers 3 --online", "dnmf --layers 3", "a model of one layer"),
        ("--pretrain-samples all", "dnmf --layers 4,3", "gnmf --layers 3", "a model of one layer"),
        ("--sweeps 3", "multilayer-nmf --layers 3", "multilayer-nmf --layers 4,3", "more than one layer of the model"),
        ("--target-error 0.5", "dnmf --layers 4,3", "multilayer-nmf --layers 4,3", "more than one layer of the model"),
        ("--hidden", "dnmf --layers 4,3", "dnmf --layers 3", "a model of one layer"),
    ] {
        folder.ok(&format!("fit x.npy --model {used} {option} --device cpu -q"));
        let name = option.split(' ').next().expect("a name");
        let message = format!("error: {name} means nothing for ");
        folder.refused(&format!("fit x.npy --model {unused} {option} --device cpu"), 2, &[&message, why]);
    }
    // One pair of constants for all sparse models: said, not refused.
    for (model, option) in [("sdnmf-l", "--lambda"), ("sdnmf-r", "--mu")] {
        let fit =
            format!("fit x.npy --model {model} --layers 3 --mu 0.1 --lambda 0.1 --device cpu --out both.safetensors");
        let run = folder.ok(&fit);
        let said = format!("warning: {option} means nothing for the model {model}, and is left out");
        assert!(run.stderr.contains(&said), "{}", run.stderr);
    }
    let part = "--lambda 0.2 means nothing for layer 1 of the model sdnmf-rl1; expected 0 there";
    folder.refused("fit x.npy --model sdnmf-rl1 --layers 4,3 --lambda 0.2,0.1 --device cpu", 2, &[part]);
    // An option that repeats the default was given, too.
    folder.refused("fit x.npy --model dnmf --layers 3 --penalties scale-free --device cpu", 2, &["--penalties means"]);
}

#[test]
fn options_of_what_is_not_read_or_not_made_are_refused() {
    let folder = Folder::new();
    faces(&folder);
    folder.write("x.npy", x_npy());
    folder.ok("fit faces --layers 3 --device cpu --out m.safetensors -q");
    for (arguments, code, part) in [
        ("report m.safetensors --image-shape 8x6", 2, "<DATA>"),
        ("report m.safetensors --resize 8x6", 2, "<DATA>"),
        ("report m.safetensors --colour", 2, "<DATA>"),
        ("report m.safetensors --clusters 0 --seed 3", 2, "--seed means nothing for --clusters 0"),
        ("fit x.npy --layers 3 --colour", 1, "x.npy: --colour: expected images in colour"),
        ("fit x.npy --layers 3 --image-shape 6x6 --colour", 1, "x.npy: --colour: expected images in colour"),
        ("fit faces --layers 3 --samples columns", 2, "faces: samples in rows or columns mean nothing for a folder"),
        ("fit faces --layers 3 --x-key fea", 2, "--x-key fea means nothing for a folder of images"),
        ("reproduce convergence --data faces --splits 2", 2, "--splits means nothing for convergence"),
        ("reproduce tr-fig5 --data faces --runs 2", 2, "--splits means nothing for tr-fig5"),
        ("reproduce tr-table2 --data faces --fits 2", 2, "--fits means nothing for tr-table2"),
        ("reproduce gz-fig8 --data faces --kmeans-seeds 2", 2, "--kmeans-seeds means nothing for gz-fig8"),
    ] {
        folder.refused(&format!("{arguments} --device cpu"), code, &[part]);
    }
}

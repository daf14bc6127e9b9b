//! Scores against independent implementations, and k-means.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common/mod.rs"]
mod common;

use deepnmf::evaluate::{Clustering, Contingency, KMeans, Statistic, score};
use deepnmf::{DeviceRequest, Engine, Error};
use ndarray::{Array2, array};

fn indices(v: &serde_json::Value) -> Vec<usize> {
    common::numbers(v).iter().map(|v| *v as usize).collect()
}

#[test]
fn scores_of_the_oracle() {
    let golden = common::golden("metrics");
    let cases = golden.as_array().unwrap();
    assert!(cases.len() >= 7);
    for (i, case) in cases.iter().enumerate() {
        let found = Contingency::new(&indices(&case["y"]), &indices(&case["c"])).unwrap().scores();
        for (name, found) in
            [("NMI", found.nmi), ("NP", found.np), ("AC", found.ac), ("PUR", found.purity), ("ERF", found.er)]
        {
            let expected = case[name].as_f64().unwrap();
            assert!(
                (found - expected).abs() <= 1e-12 * expected.max(1.0),
                "case {i}, {name}: {expected}, found {found}"
            );
        }
    }
}

/// scores.py made the same pairs and had scikit-learn and SciPy score them.
#[test]
fn scores_of_scikit_learn() {
    let mut state = 1u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 32) % n as u64) as usize
    };
    let expected = include_str!("scores.csv").lines().skip(1);
    let mut count = 0;
    for (i, line) in expected.enumerate() {
        let (nmi, ac) = line.split_once(',').unwrap();
        let (nmi, ac): (f64, f64) = (nmi.parse().unwrap(), ac.parse().unwrap());
        let (n, classes, clusters, agreement) = (1 + below(200), 1 + below(12), 1 + below(15), below(11));
        let (mut y, mut c) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let (label, other) = (below(classes), below(clusters));
            y.push(label);
            c.push(if below(10) < agreement { label } else { other });
        }
        let found = Contingency::new(&y, &c).unwrap().scores();
        assert!((found.nmi - nmi).abs() <= 1e-12, "pair {i}: NMI {nmi}, found {}", found.nmi);
        assert!((found.ac - ac).abs() <= 1e-12, "pair {i}: AC {ac}, found {}", found.ac);
        count += 1;
    }
    assert_eq!(count, 1000);
}

/// The CPU backend, and what the tests have for a GPU.
fn engines() -> Vec<Engine> {
    let mut requests = vec![DeviceRequest::Cpu];
    if common::gpu("vulkan", Default::default()).is_some() {
        requests.push(DeviceRequest::Gpu);
    }
    requests.iter().map(|request| Engine::open(request).unwrap()).collect()
}

/// `groups` clouds of `each` points around the corners of a cube, a tenth of an edge wide.
fn clouds(groups: usize, each: usize) -> (Array2<f32>, Vec<usize>) {
    let noise = |i: usize| ((i as f32 * 12.9898).sin() * 43_758.547).rem_euclid(1.0) - 0.5;
    let x = Array2::from_shape_fn((groups * each, 5), |(s, i)| {
        let corner = ((s % groups) >> i & 1) as f32;
        corner + 0.2 * noise(5 * s + i)
    });
    (x, (0..groups * each).map(|s| s % groups).collect())
}

#[test]
fn clouds_are_found_on_every_device() {
    let (x, of) = clouds(20, 15);
    let how = KMeans::new(20);
    let mut all: Vec<Vec<Clustering>> = Vec::new();
    for mut engine in engines() {
        let runs = engine.kmeans(x.view(), &how).unwrap();
        assert_eq!(runs.len(), 10);
        let best = runs.iter().min_by(|a, b| a.inertia.total_cmp(&b.inertia)).unwrap();
        assert_eq!(Contingency::new(&of, &best.of).unwrap().accuracy(), 1.0, "{}", engine.device_name());
        // Within clouds: 300 samples × 5 coordinates × variance of a uniform number of width 0.2.
        assert!((best.inertia - 5.0).abs() < 0.5, "{}", best.inertia);
        let nmi = Statistic::of(score(&runs, &of).unwrap().iter().map(|s| s.nmi));
        assert!(nmi.mean > 0.95 && nmi.sd < 0.05, "{nmi:?}");
        assert_eq!(engine.kmeans(x.view(), &how).unwrap(), runs, "the same seeds, the same clusters");
        assert_ne!(engine.kmeans(x.view(), &KMeans { seed: 100, ..how }).unwrap(), runs);
        all.push(runs);
    }
    for other in &all[1..] {
        for (a, b) in all[0].iter().zip(other) {
            assert_eq!(a.of, b.of, "the device does not matter where nothing is close");
        }
    }
}

/// A feature far from 0, as of coefficients that all samples share, is none that f32 loses the others in.
#[test]
fn where_the_origin_is_does_not_matter() {
    for offset in [[1e4; 5], [-1e4, 1e4, 0.0, 3e3, 7.0], [2e4, 0.0, 0.0, 0.0, -1e4]] {
        let (x, of) = clouds(20, 15);
        let far = Array2::from_shape_fn(x.dim(), |(s, i)| x[[s, i]] + offset[i]);
        for mut engine in engines() {
            let [near, far] = [&x, &far].map(|x| {
                let runs = engine.kmeans(x.view(), &KMeans::new(20)).unwrap();
                Statistic::of(score(&runs, &of).unwrap().iter().map(|s| s.nmi)).mean
            });
            assert!((near - far).abs() < 0.02, "{}, {offset:?}: {far} instead of {near}", engine.device_name());
        }
    }
}

/// Each run ends where Lloyd's iteration would not move: every sample at its nearest centre.
#[test]
fn a_run_ends_at_a_fixed_point() {
    let (x, _) = clouds(16, 12);
    for run in engines()[0].kmeans(x.view(), &KMeans { tol: 0.0, ..KMeans::new(7) }).unwrap() {
        let mut centers = Array2::<f64>::zeros((7, 5));
        let mut counts = [0.0; 7];
        for (f, &j) in x.rows().into_iter().zip(&run.of) {
            centers.row_mut(j).scaled_add(1.0, &f.mapv(f64::from));
            counts[j] += 1.0;
        }
        centers.rows_mut().into_iter().zip(counts).for_each(|(mut c, n)| c /= n);
        let distance = |s: usize, j: usize| (&x.row(s).mapv(f64::from) - &centers.row(j)).mapv(|d| d * d).sum();
        let mut inertia = 0.0;
        for (s, &j) in run.of.iter().enumerate() {
            inertia += distance(s, j);
            assert!((0..7).all(|other| distance(s, other) >= distance(s, j) - 1e-6), "sample {s}");
        }
        assert!((run.inertia - inertia).abs() < 1e-4 * inertia);
    }
}

/// More clusters than there are different samples: some stay empty or hold copies, and it ends.
#[test]
fn empty_clusters_do_no_harm() {
    let x = array![[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [5.0, 5.0], [5.0, 5.0], [9.0, 0.0]];
    for mut engine in engines() {
        for run in engine.kmeans(x.view(), &KMeans::new(5)).unwrap() {
            assert!(run.inertia < 1e-9 && run.of.iter().all(|&j| j < 5), "{run:?}");
        }
        // As many clusters as samples, all different: each its own.
        let different = Array2::from_shape_fn((6, 2), |(s, i)| (s * s + i) as f32);
        let run = &engine.kmeans(different.view(), &KMeans::new(6)).unwrap()[0];
        assert_eq!(Contingency::new(&[0, 1, 2, 3, 4, 5], &run.of).unwrap().accuracy(), 1.0);
    }
}

#[test]
fn what_cannot_be_clustered_is_said() {
    let x = Array2::<f32>::zeros((3, 2));
    let mut engine = Engine::open(&DeviceRequest::Cpu).unwrap();
    let error = engine.kmeans(x.view(), &KMeans::new(4)).unwrap_err();
    assert!(matches!(error, Error::Data(_)) && error.to_string().contains("(4), found 3"), "{error}");
    for bad in [KMeans::new(0), KMeans { runs: 0, ..KMeans::new(2) }, KMeans { iterations: 0, ..KMeans::new(2) }] {
        assert!(matches!(engine.kmeans(x.view(), &bad), Err(Error::Config(_))));
    }
}

"""How well the features of held-out faces cluster: fits on 36 images of every subject of PIE, projects the other 6, and
compares k-means on the features with the subjects. Needs numpy, scipy, scikit-learn and safetensors.

    cargo build --release && python3 tests/clustering.py target/release/deepnmf PIE_pose27.mat [FIT ARGUMENTS...]
"""
import json, os, subprocess, sys, tempfile
import numpy as np
from safetensors.numpy import load_file
from scipy.io import loadmat
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

command, data, *arguments = sys.argv[1:]
arguments = arguments or ["--model", "sdnmf-l", "--layers", "600,160"]
pie = loadmat(data)
x, y = pie["fea"].astype(np.float32), pie["gnd"].ravel().astype(np.int64)


def run(*words):
    return json.loads(subprocess.run([command, *words, "--device", "cpu", "--json", "-q"], check=True, stdout=subprocess.PIPE).stdout)


for split in range(6):
    order = np.random.default_rng(split).permutation(len(y))
    test = np.zeros(len(y), bool)
    for subject in np.unique(y):
        test[[i for i in order if y[i] == subject][:6]] = True
    with tempfile.TemporaryDirectory() as folder:
        file = lambda name: os.path.join(folder, name)
        np.save(file("train.npy"), x[~test])
        np.save(file("test.npy"), x[test])
        fitted = run("fit", file("train.npy"), *arguments, "--out", file("m.safetensors"))
        projected = run("transform", file("m.safetensors"), file("test.npy"), "--out", file("h.npy"))
        h, factors = np.load(file("h.npy")), load_file(file("m.safetensors"))
    psi = np.linalg.multi_dot([*(factors[f"W_{l + 1}"] for l in range(len(fitted["layers"]))), np.eye(h.shape[1])])
    features = h * np.linalg.norm(psi, axis=0)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    nmi, naive = [], []
    for seed in range(10):
        found = KMeans(68, n_init=1, random_state=seed).fit(features).labels_
        nmi.append(normalized_mutual_info_score(y[test], found))
        naive.append(np.mean([np.bincount(found[y[test] == s]).max() / (y[test] == s).sum() for s in np.unique(y)]))
    print(f"split {split}: relative error {fitted['relative_error']:.4f} (test {projected['relative_error']:.4f}), "
          f"NMI {np.mean(nmi):.4f} ± {np.std(nmi):.4f}, NP {np.mean(naive):.4f}, fit {fitted['seconds']['total']:.1f} s")

#!/usr/bin/env python3
"""Relative error over time: deepnmf online and by sweeps beside scikit-learn's MiniBatchNMF, alternating in one run.

    pip install numpy scipy scikit-learn
    cargo build --release
    python3 benches/peers/online.py train-images-idx3-ubyte.gz:25 --plot online.svg

An argument is FILE:COMPONENTS, the file a .mat with the samples in `fea`, IDX images or .npy. Samples are scaled to norm 1. All
compute in f32 and begin with the data in memory; finding a start counts, reading and writing do not. A row of the table is a fit
from the start to so many looks at all samples; of several rounds it has the fastest. Errors are of the factors that are returned,
from the residual itself, in f64.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from sklearn.decomposition import MiniBatchNMF

from run import load, relative_error, timed


def read(path):
    if not path.endswith(".npy"):
        return load(path)
    x = np.load(path).astype(np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)


def scikit_learn(x, k, looks):
    model = MiniBatchNMF(n_components=k, init="nndsvda", max_iter=looks, tol=0, max_no_improvement=None, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        h, seconds, _ = timed(lambda: model.fit_transform(x))
    return seconds, relative_error(x, h, model.components_.T)


def deepnmf(binary, device, path, k, looks, options):
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "fit", path, "--model", "dnmf", "--layers", str(k), "--tol", "0", "--sweeps", str(looks),
                   "--device", device, "--out", f"{folder}/m.safetensors", "--json", "--quiet", *options]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    result = json.loads(done.stdout)
    return result["seconds"]["fit"], result["relative_error"]


def plot(curves, title):
    """Error over seconds, both axes logarithmic, as SVG."""
    points = [p for points in curves.values() for p in points]
    low, high = np.log([np.min(points, 0), np.max(points, 0)])
    at = lambda p: (60 + 470 * (np.log(p) - low)[0] / (high - low)[0], 300 - 260 * (np.log(p) - low)[1] / (high - low)[1])
    text = lambda x, y, what, how="": f'<text x="{x:.0f}" y="{y:.0f}" {how}>{what}</text>'
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="760" height="340" font-family="sans-serif" font-size="12">',
           '<rect width="760" height="340" fill="white"/>', text(60, 20, title),
           '<path d="M60 30V300H540" fill="none" stroke="black"/>', text(540, 330, "seconds", 'text-anchor="end"')]
    for s in np.exp(np.linspace(low[0], high[0], 5)):
        out.append(text(at((s, np.exp(low[1])))[0], 315, f"{s:.3g}", 'text-anchor="middle"'))
    for e in np.exp(np.linspace(low[1], high[1], 5)):
        out.append(text(55, at((np.exp(low[0]), e))[1] + 4, f"{100 * e:.2f} %", 'text-anchor="end"'))
    for i, (name, points) in enumerate(curves.items()):
        colour, places = ["#0072b2", "#e69f00", "#d55e00"][i], [at(p) for p in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        out.append(text(560, 50 + 20 * i, name, f'fill="{colour}"'))
    return "\n".join(out + ["</svg>\n"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="FILE:COMPONENTS")
    parser.add_argument("--deepnmf", default="target/release/deepnmf", help="the binary")
    parser.add_argument("--device", default="cpu", help="the device of deepnmf")
    parser.add_argument("--looks", default="1,2,4,8,16", help="looks at all samples")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, in turns")
    parser.add_argument("--online", default="", help="further options of the online fit, as one text")
    parser.add_argument("--plot", metavar="FILE", help="an SVG")
    args = parser.parse_args()

    path, k = args.data.rsplit(":", 1)
    k, x = int(k), read(path)
    online = ["--online", *args.online.split()]
    peers = {
        "deepnmf --online": lambda looks: deepnmf(args.deepnmf, args.device, path, k, looks, online),
        "deepnmf": lambda looks: deepnmf(args.deepnmf, args.device, path, k, looks, []),
        "scikit-learn MiniBatchNMF": lambda looks: scikit_learn(x, k, looks),
    }
    title = f"{x.shape[0]} × {x.shape[1]}, k = {k}"
    print(f"{title}\n{'':<26} {'looks':>5} {'seconds':>8} {'error':>9}")
    curves = {name: [] for name in peers}
    for looks in map(int, args.looks.split(",")):
        runs = [(name, run(looks)) for _ in range(args.rounds) for name, run in peers.items()]
        for name in peers:
            best = min(run for of, run in runs if of == name)
            curves[name].append(best)
            print(f"{name:<26} {looks:>5} {best[0]:>8.2f} {100 * best[1]:>7.3f} %", flush=True)
    if args.plot:
        with open(args.plot, "w") as file:
            file.write(plot(curves, title))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Time to the same relative error: deepnmf beside what one would use instead, alternating in one run.

    pip install numpy scipy scikit-learn nmf-rs     # and torch on a CUDA machine
    pip install . && cargo build --release          # the package and the command; without one of them it is left out
    python3 benches/peers/run.py PIE_pose27.mat:160:.0510 train-images-idx3-ubyte.gz:100:.2760

An argument is FILE:COMPONENTS:ERROR, the file a .mat with the samples in `fea`, .npy or IDX images. Samples are scaled to norm
1. All but nmf-rs, which knows f64 only, compute in f32, and all begin with the data in memory; finding a start (NNDSVD) counts, reading and
writing do not. "deepnmf NMF" is the class of the Python package, from a NumPy array to NumPy arrays, ended by a callback of scikit-learn's.
scikit-learn and nmf-rs cannot stop at an error: how many iterations they take there is found beforehand, and only a run of as many is
timed. PyTorch, where it sees a GPU, runs the algorithm that deepnmf runs there: Nesterov's method in the diagonal metric, 30
steps a block, from its own truncated SVD, TF32 off and on.

Beside every time stands CPU time / wall time: below the number of threads others were at work on the machine.
"""

import argparse
import gzip
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import scipy
import sklearn
from scipy.io import loadmat
from sklearn.decomposition import non_negative_factorization
from sklearn.exceptions import ConvergenceWarning

warnings.simplefilter("ignore", ConvergenceWarning)

try:
    import torch
except ImportError:
    torch = None
try:
    import deepnmf
except ImportError:
    deepnmf = None
try:
    import nmf_rs
except ImportError:
    nmf_rs = None


def load(path):
    if path.endswith(".mat"):
        x = loadmat(path)["fea"]
    elif path.endswith(".npy"):
        x = np.load(path)
        x = x.reshape(len(x), -1)
    else:
        raw = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
        dims = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
        x = np.frombuffer(raw, np.uint8, offset=4 + 4 * len(dims)).reshape(dims[0], -1)
    x = x.astype(np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)


def relative_error(x, h, w):
    """‖X − H Wᵀ‖/‖X‖ with w: features × k, in f64 from the residual itself, some rows at a time."""
    total = 0.0
    for i in range(0, len(x), 4096):
        total += float(np.sum(np.square(x[i : i + 4096] - h[i : i + 4096] @ w.T, dtype=np.float64)))
    return (total / float(np.sum(np.square(x, dtype=np.float64)))) ** 0.5


def timed(f):
    cpu, wall = time.process_time(), time.perf_counter()
    value = f()
    wall = time.perf_counter() - wall
    return value, wall, (time.process_time() - cpu) / wall


class Sklearn:
    def __init__(self, solver):
        self.name = f"scikit-learn {solver}"
        self.solver = solver
        self.iterations = {}

    def factorize(self, x, k, iterations, start=None):
        w, h = (None, None) if start is None else start
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            w, h, _ = non_negative_factorization(
                x, W=w, H=h, n_components=k, init="nndsvda" if start is None else "custom", solver=self.solver,
                max_iter=iterations, tol=0, random_state=0,
            )
        return w, h

    def prepare(self, key, x, k, target, limit):
        """How many iterations reach the target: by fives, with the clock off."""
        start, done, begin = None, 0, time.perf_counter()
        while True:
            start = self.factorize(x, k, 5, start)
            done += 5
            error = relative_error(x, start[0], start[1].T)
            if error <= target or time.perf_counter() - begin > limit:
                break
        self.iterations[key] = done

    def run(self, key, x, k, target):
        (h, w), wall, busy = timed(lambda: self.factorize(x, k, self.iterations[key]))
        return wall, busy, relative_error(x, h, w.T), self.iterations[key]


class Deepnmf:
    def __init__(self, binary, device):
        self.binary, self.device = binary, device
        self.name = f"deepnmf {device}"

    def prepare(self, *_):
        pass

    def run(self, key, x, k, target):
        with tempfile.TemporaryDirectory() as folder:
            command = [
                self.binary, "fit", key, "--model", "dnmf", "--layers", str(k), "--target-error", str(target), "--tol", "0",
                "--sweeps", "1000", "--device", self.device, "--out", f"{folder}/m.safetensors", "--json", "--quiet",
            ]
            before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            wall = time.perf_counter() - wall
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode != 0:
                sys.exit(f"{' '.join(command)}\n{done.stderr}")
            result = json.loads(done.stdout)
            busy = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / wall
            iterations = sum(len(course) - 1 for course in result["history"]["pretrain"])
            return result["seconds"]["fit"], busy, result["relative_error"], iterations


class Until:
    """Ends a fit at an error, as a callback of scikit-learn's."""

    def __init__(self, target):
        self.target = target

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        return metadata is not None and metadata["relative_error"] <= self.target


class Package:
    def __init__(self, device):
        self.device = device
        self.name = f"deepnmf NMF {device}"

    def prepare(self, key, x, k, target, limit):
        # A device is opened once.
        self.run(key, x[: 2 * k], k, 0.9)

    def run(self, key, x, k, target):
        def fit():
            model = deepnmf.NMF(k, init="nndsvd", max_iter=1000, tol=0, random_state=0, device=self.device)
            return model.set_callbacks(Until(target)).fit(x)

        model, wall, busy = timed(fit)
        return wall, busy, relative_error(x, model.coefficients_, model.components_.T), model.n_iter_


class NmfRs:
    name = "nmf-rs ehals"

    def __init__(self):
        self.iterations = {}

    def factorize(self, x, k, iterations):
        w, h = nmf_rs.nndsvd_init(x, k)
        found = nmf_rs.nmf(x, k, "ehals", W0=w, H0=h, max_iter=iterations)
        return found.W, found.H

    def prepare(self, key, x, k, target, limit):
        """How many iterations reach the target, to a fifth of them: every trial begins anew."""
        done, begin = 10, time.perf_counter()
        while True:
            w, h = self.factorize(x.astype(np.float64), k, done)
            if relative_error(x, w, h.T) <= target or time.perf_counter() - begin > limit:
                break
            done = done * 6 // 5
        self.iterations[key] = done

    def run(self, key, x, k, target):
        x = x.astype(np.float64)
        (w, h), wall, busy = timed(lambda: self.factorize(x, k, self.iterations[key]))
        return wall, busy, relative_error(x, w, h.T), self.iterations[key]


class Torch:
    def __init__(self, tf32):
        self.tf32 = tf32
        self.name = f"PyTorch {torch.cuda.get_device_name()}{', TF32' if tf32 else ''}"

    def prepare(self, key, x, k, target, limit):
        self.run(key, x, k, target)

    def run(self, key, x, k, target):
        torch.backends.cuda.matmul.allow_tf32 = self.tf32
        x = torch.from_numpy(x).cuda()
        torch.cuda.synchronize()
        (h, w, iterations), wall, busy = timed(lambda: self.fit(x, k, target))
        return wall, busy, relative_error(x.cpu().numpy(), h.cpu().numpy(), w.cpu().numpy()), iterations

    def fit(self, x, k, target):
        torch.manual_seed(0)
        w, h = self.nndsvd(x, k)
        xx = torch.sum(torch.square(x.double()))
        for iteration in range(1, 1001):
            gram, rhs = w.T @ w, x @ w
            h = self.block(h, gram, rhs)
            s, c = h.T @ h, x.T @ h
            w = self.block(w, s, c)
            residual = xx - 2 * torch.sum((c * w).double()) + torch.sum((s * (w.T @ w)).double())
            # Every fourth iteration the host looks, as deepnmf does.
            if iteration % 4 == 0 and float(torch.sqrt(residual / xx)) <= target:
                break
        torch.cuda.synchronize()
        return h, w, iteration

    @staticmethod
    def block(f, gram, rhs):
        d = torch.diagonal(gram).clone()
        v = torch.ones_like(d)
        scaled = gram / d.clamp_min(1e-30)[:, None]
        for _ in range(12):
            v = scaled @ v
            v = (v / v.max()).clamp_min(1e-6)
        step = 1 / (d * ((scaled @ v) / v).max() * (1 + 1e-5)).clamp_min(1e-30)
        y, alpha = f, 1.0
        for _ in range(30):
            after = (1 + (4 * alpha * alpha + 1) ** 0.5) / 2
            new = torch.clamp_min(y - (y @ gram - rhs) * step, 0)
            y, f, alpha = new + (alpha - 1) / after * (new - f), new, after
        return f

    @staticmethod
    def nndsvd(x, k):
        u, s, v = torch.svd_lowrank(x, q=k + 12, niter=3)
        u, s, v = u[:, :k], s[:k], v[:, :k]
        up, un, vp, vn = u.clamp_min(0), (-u).clamp_min(0), v.clamp_min(0), (-v).clamp_min(0)
        plus, minus = up.norm(dim=0) * vp.norm(dim=0), un.norm(dim=0) * vn.norm(dim=0)
        first = plus >= minus
        a, b, t = torch.where(first, up, un), torch.where(first, vp, vn), torch.where(first, plus, minus)
        root = torch.sqrt(s * t)
        return b / b.norm(dim=0) * root, a / a.norm(dim=0) * root


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="FILE:COMPONENTS:ERROR")
    parser.add_argument("--deepnmf", default="target/release/deepnmf", help="the binary")
    parser.add_argument("--device", action="append", help="devices of deepnmf, default cpu; may be given again")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turns")
    parser.add_argument("--limit", type=float, default=120, help="seconds that a peer may look for the error")
    parser.add_argument("--skip", action="append", default=[], metavar="NAME", help="peers to leave out, as the table names them")
    parser.add_argument("--json", metavar="FILE", help="every run, for machines")
    args = parser.parse_args()

    devices, has_command = args.device or ["cpu"], os.path.exists(args.deepnmf)
    peers = [Deepnmf(args.deepnmf, device) for device in devices] if has_command else []
    peers += [Package(device) for device in devices] if deepnmf is not None else []
    peers += [Sklearn("cd"), Sklearn("mu")] + ([NmfRs()] if nmf_rs is not None else [])
    if torch is not None and torch.cuda.is_available():
        peers += [Torch(False), Torch(True)]
    peers = [p for p in peers if p.name not in args.skip]
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor())
    version = subprocess.run([args.deepnmf, "--version"], capture_output=True, text=True).stdout.strip() if has_command else ""
    versions = [version or f"deepnmf {deepnmf.__version__}", f"scikit-learn {sklearn.__version__}", f"NumPy {np.__version__}", f"SciPy {scipy.__version__}"]
    versions += [f"PyTorch {torch.__version__}"] if torch is not None else []
    print(f"{cpu}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; {', '.join(versions)}; Python {platform.python_version()}")

    runs = []
    for text in args.data:
        path, k, target = text.rsplit(":", 2)
        k, target, x = int(k), float(target), load(path)
        print(f"\n{os.path.basename(path)}: {x.shape[0]} × {x.shape[1]}, k = {k}, to relative error {target}")
        for peer in peers:
            peer.prepare(path, x, k, target, args.limit)
        for turn in range(args.rounds):
            for peer in peers:
                seconds, busy, error, iterations = peer.run(path, x, k, target)
                runs.append(dict(data=path, k=k, target=target, peer=peer.name, round=turn, seconds=seconds,
                                 cpu_per_wall=busy, relative_error=error, iterations=iterations))
        of = {p.name: [r for r in runs if r["peer"] == p.name and r["data"] == path] for p in peers}
        reference = statistics.median(r["seconds"] for r in of["scikit-learn cd"])
        print(f"{'':<24} {'seconds':>8} {'from':>7} {'to':>7} {'÷ cd':>6} {'iterations':>10} {'error':>7} {'CPU/wall':>8}")
        for peer in peers:
            seconds = sorted(r["seconds"] for r in of[peer.name])
            last, median = of[peer.name][-1], statistics.median(seconds)
            busy = statistics.median(r["cpu_per_wall"] for r in of[peer.name])
            missed = "" if last["relative_error"] <= target * 1.0005 else "  does not get there"
            print(f"{peer.name:<24} {median:>8.2f} {seconds[0]:>7.2f} {seconds[-1]:>7.2f} {median / reference:>6.3f} "
                  f"{last['iterations']:>10} {last['relative_error']:>7.4f} {busy:>8.2f}{missed}", flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(dict(cpu=cpu, versions=versions, runs=runs), file, indent=1)


if __name__ == "__main__":
    main()

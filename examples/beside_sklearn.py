"""The same factorization by scikit-learn and by deepnmf, from the same array.

    python examples/beside_sklearn.py [IMAGES] [--components 100] [--out beside.png]

IMAGES as in parts.py, such as train-images-idx3-ubyte.gz with the 60,000 images of Fashion-MNIST; by default 2,000 of them. One import
differs. The error over time is drawn, and the components of both.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import sklearn.decomposition
from matplotlib.ticker import LogLocator, NullFormatter
from parts import ASSETS, read
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import Normalizer

import deepnmf
from deepnmf import plot

warnings.simplefilter("ignore", ConvergenceWarning)


def fit(module: type, x: np.ndarray, k: int, iterations: int) -> tuple[float, float, np.ndarray]:
    """Seconds, relative error and components after so many iterations at most."""
    model = module(n_components=k, init="nndsvda", max_iter=iterations, tol=0, random_state=0)
    begin = time.perf_counter()
    model.fit(x)
    seconds = time.perf_counter() - begin
    return seconds, model.reconstruction_err_ / np.linalg.norm(x), model.components_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="?", type=Path, default=ASSETS / "fashion-mnist-2000-images-idx3-ubyte.gz")
    parser.add_argument("--components", type=int, default=100)
    parser.add_argument("--iterations", default="5,10,20,40", help="where both are looked at")
    parser.add_argument("--shape", default="28x28")
    parser.add_argument("--out", type=Path, default=Path("beside.png"))
    args = parser.parse_args()
    shape = tuple(int(side) for side in args.shape.split("x"))

    x = Normalizer().fit_transform(read(args.images))
    # A device is opened once.
    deepnmf.NMF(1).fit(x[:10])
    figure, (ours, theirs, errors) = plt.subplots(1, 3, figsize=(15, 5), layout="constrained")
    for module, ax in [(deepnmf.NMF, ours), (sklearn.decomposition.NMF, theirs)]:
        name = module.__module__.split(".")[0]
        course = []
        for iterations in args.iterations.split(","):
            seconds, error, components = fit(module, x, args.components, int(iterations))
            course.append((seconds, 100 * error))
            print(f"{name:<8} {iterations:>4} iterations {seconds:7.2f} s  error {100 * error:.2f} %")
        errors.plot(*np.array(course).T, marker="o", label=name)
        shown = deepnmf.NMF()
        shown.weights_ = [components.T]
        plot.components(shown, shape, ax=ax)
        ax.set_title(name)
    errors.set(xscale="log", xlabel="seconds, the start included", ylabel="‖X − W H‖ / ‖X‖ in %")
    errors.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    errors.xaxis.set_major_formatter("{x:g}")
    errors.xaxis.set_minor_formatter(NullFormatter())
    errors.legend()
    figure.savefig(args.out, dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    main()

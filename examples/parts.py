"""Parts and their hierarchy: what images are made of, layer by layer.

    python examples/parts.py [IMAGES] [--layers 100,25] [--shape 28x28] [--out pictures]

IMAGES is any set that the command reads: a folder, IDX, .npy, .mat such as PIE_pose27.mat (faces: --layers 160,40 --shape 32x32). By
default it is the 2,000 images of clothes of this repository. Writes parts.png, garments.png, hierarchy.png, course.png and report.html.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

import deepnmf
from deepnmf import DeepNMF, metrics, plot

ASSETS = Path(__file__).resolve().parent.parent / "assets"


def read(path: Path) -> np.ndarray:
    """Images as rows: of IDX, .npy, or the `fea` of a .mat file."""
    if path.suffix == ".npy":
        x = np.load(path)
    elif path.suffix == ".mat":
        from scipy.io import loadmat

        # Pixels lie column by column there.
        x = loadmat(path)["fea"]
        side = int(round(x.shape[1] ** 0.5))
        x = x.reshape(-1, side, side).swapaxes(1, 2)
    else:
        raw = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
        sizes = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
        x = np.frombuffer(raw, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)
    return x.reshape(len(x), -1).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="?", type=Path, default=ASSETS / "fashion-mnist-2000-images-idx3-ubyte.gz")
    parser.add_argument("--layers", default="100,25")
    parser.add_argument("--shape", default="28x28")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    args = parser.parse_args()
    layers = [int(k) for k in args.layers.split(",")]
    shape = tuple(int(side) for side in args.shape.split("x"))
    args.out.mkdir(parents=True, exist_ok=True)

    x = Normalizer().fit_transform(read(args.images))
    model = DeepNMF(layers, random_state=0, device=args.device)
    h = model.fit_transform(x)
    print(f"{x.shape[0]} images × {x.shape[1]} pixels, layers {layers}, on {model.device_}")
    print(f"error {100 * model.relative_error_:.2f} %, zeros in H {100 * np.mean(h == 0):.0f} %, in W_1 {100 * np.mean(model.weights_[0] == 0):.0f} %")

    for name, layer in [("parts", 1), ("garments", len(layers))]:
        figure, ax = plt.subplots(figsize=(6, 6))
        plot.components(model, shape, layer, ax=ax)
        figure.savefig(args.out / f"{name}.png", dpi=120, bbox_inches="tight")
    plot.hierarchy(model, shape).savefig(args.out / "hierarchy.png", dpi=120, bbox_inches="tight")
    figure, ax = plt.subplots(figsize=(6, 4))
    plot.course(model, ax=ax)
    figure.savefig(args.out / "course.png", dpi=120, bbox_inches="tight")

    labels = None
    if args.images.parent == ASSETS:
        # Row i is of class i % 10.
        labels = np.arange(len(x)) % 10
        from sklearn.cluster import KMeans

        clusters = make_pipeline(Normalizer(), KMeans(10, n_init=10, random_state=0)).fit_predict(h)
        print("clusters", {name: round(value, 3) for name, value in metrics.scores(labels, clusters).items()})
    missing = deepnmf.report(model, x, args.out / "report.html", labels=labels, image_shape=shape)
    print("pictures and report.html are in", args.out, f"(not shown: {', '.join(missing)})" if missing else "")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""How many known parts scikit-learn's NMF finds in the data that `deepnmf reproduce swimmer` or `planted` made.

    deepnmf reproduce swimmer --out parts
    python3 benches/peers/recovery.py parts/swimmer

Reads parts/swimmer-0-x.npy, swimmer-0-parts1.npy and so on for all seeds, and scores as deepnmf does: components are matched with
the parts one to one so that the sum of cosines is the largest; found is a part whose cosine is at least .95.
"""

import sys
from itertools import count
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import NMF

ITERATIONS, TOL = 500, 1e-6
SETTINGS = {
    "cd": {"solver": "cd"},
    "mu": {"solver": "mu"},
    "cd, NNDSVD": {"solver": "cd", "init": "nndsvd"},
}


def matched(components: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """The cosine of every column of `parts` with its column of `components`."""

    def unit(a: np.ndarray) -> np.ndarray:
        return a / np.maximum(np.linalg.norm(a, axis=0), 1e-30)

    cosines = unit(parts).T @ unit(components)
    return cosines[linear_sum_assignment(-cosines)]


def main(start: str) -> None:
    rows: dict[tuple[str, int, int], list[tuple[float, float, float]]] = {}
    for seed in count():
        file = Path(f"{start}-{seed}-x.npy")
        if not file.exists():
            break
        x = np.load(file).astype(np.float64)
        for layer in (1, 2):
            file = Path(f"{start}-{seed}-parts{layer}.npy")
            if not file.exists():
                continue
            parts = np.load(file)
            for name, settings in SETTINGS.items():
                model = NMF(parts.shape[1], **{"init": "random", **settings}, random_state=seed, max_iter=ITERATIONS, tol=TOL)
                h = model.fit_transform(x)
                cosines = matched(model.components_.T, parts)
                error = np.linalg.norm(x - h @ model.components_) / np.linalg.norm(x)
                row = rows.setdefault((name, layer, parts.shape[1]), [])
                row.append(((cosines >= 0.95).mean(), cosines.mean(), error))
    if not rows:
        sys.exit(f"expected {start}-0-x.npy and {start}-0-parts1.npy, found none")
    print("| scikit-learn's NMF | parts of | parts | found | mean cosine | error |\n|---|---|---|---|---|---|")
    for (name, layer, k), values in rows.items():
        (found, cosine, error), ddof = np.array(values).T, min(1, len(values) - 1)
        spread = f"{100 * found.mean():.1f} ± {100 * found.std(ddof=ddof):.1f} %"
        print(f"| {name} | layer {layer} | {k} | {spread} | {cosine.mean():.3f} ± {cosine.std(ddof=ddof):.3f} | {100 * error.mean():.2f} % |")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

"""Data that the tests share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    """120 × 36, of 6 nonnegative parts and some noise; float32, samples of length near 1."""
    rng = np.random.default_rng(0)
    h, w = rng.random((120, 6)) ** 3, rng.random((36, 6)) ** 4
    x = h @ w.T + 0.01 * rng.random((120, 36))
    return (x / np.linalg.norm(x, axis=1).mean()).astype(np.float32)

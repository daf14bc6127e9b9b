"""Sparse deep nonnegative matrix factorization, on the GPU or on the CPU.

Every sample (a row of X) is approximated by a nonnegative sum of parts, and the parts of a layer by sums of those of the layer below:
``X ≈ H (W_1 W_2 … W_L)ᵀ``.

>>> from deepnmf import DeepNMF
>>> model = DeepNMF([40, 10], random_state=0)
>>> H = model.fit_transform(X)          # n × 10
>>> parts = model.components(1)         # 40 × features
"""

from . import metrics, plot
from ._deep import DeepNMF
from ._device import Device, devices, models
from ._engine import __version__
from ._nmf import NMF
from ._report import annotate, report
from ._store import load, save

__all__ = ["NMF", "DeepNMF", "Device", "__version__", "annotate", "devices", "load", "metrics", "models", "plot", "report", "save"]

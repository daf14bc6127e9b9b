"""Uses all of the package; mypy reads it, nobody runs it."""

from typing import Any

import numpy as np

import deepnmf
from deepnmf import NMF, DeepNMF, metrics, plot

x = np.random.default_rng(0).random((100, 20), dtype=np.float32)
model: DeepNMF = DeepNMF([8, 3], model="sdnmf-rl2", mu=[1e-3, 1e-3], device="cpu", random_state=0).fit(x)
h = model.transform(x)
again = model.inverse_transform(h)
model = model.partial_fit(x)
share: float = model.score(x)
parts = model.components(1)
lower = model.transform_layer(x, 1, ridge=0.0)
shapes: list[tuple[int, ...]] = [w.shape for w in model.weights_]
deepnmf.save(model, "model.safetensors")
loaded: DeepNMF = deepnmf.load("model.safetensors")
names: list[str] = [device.name for device in deepnmf.devices()]
known: list[str] = deepnmf.models()
missing: dict[str, str] = deepnmf.report(model, x, "report.html", clusters=3, image_shape=(4, 5))
nmi: float = metrics.nmi([0, 0, 1], [1, 1, 0])
scores: dict[str, float] = metrics.scores([0, 0, 1], [1, 1, 0])
plot.components(model, (4, 5))
plot.hierarchy(model, (4, 5))
plot.course(model)


def single_cell(data: Any) -> None:
    deepnmf.annotate(data, model, key="parts")


version: str = deepnmf.__version__
shallow: NMF = NMF(5, alpha_W=0.01).fit(x)
shallow.components_ = 2 * shallow.components_
found = shallow.reconstruction_err_ + shallow.n_iter_

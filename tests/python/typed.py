"""Uses all of the package. mypy reads it, and it runs; a test says when something is missing."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deepnmf
from deepnmf import NMF, DeepNMF, Device, annotate, devices, load, metrics, models, plot, report, save

x = np.random.default_rng(0).random((100, 20), dtype=np.float32)
model: DeepNMF = DeepNMF(
    [8, 3],
    model="sdnmf-rl2",
    mu=[1e-3, 1e-3],
    lam=1e-4,
    max_iter=30,
    tol=1e-5,
    device="cpu",
    checkpoint=Path("fit.checkpoint"),
    random_state=0,
    options={"hidden": True},
)
h: NDArray[Any] = model.fit(x).fit_transform(x)
h = model.transform(x)
again: NDArray[Any] = model.inverse_transform(h)
share: float = model.score(x)
parts: NDArray[Any] = model.components(1)
lower: NDArray[Any] = model.transform_layer(x, 1, ridge=0.0)
shapes: list[tuple[int, ...]] = [w.shape for w in [*model.weights_, *model.hidden_, model.coefficients_, model.components_]]
course: list[NDArray[Any]] = [*model.history_["pretrain"], model.history_["finetune"]]
said: str = f"{model.n_iter_} iterations, {model.relative_error_ + model.reconstruction_err_} on {model.device_}, {model.n_features_in_}"
columns: list[str] = list(model.get_feature_names_out())

save(model, "model.safetensors")
loaded: DeepNMF = load("model.safetensors", device="cpu")
missing: dict[str, str] = report(model, x, Path("report.html"), labels=["a", "b"] * 50, clusters=3, image_shape=(4, 5))
model = model.partial_fit(x).set_output(transform="default")

found: list[Device] = devices()
of_device: list[Any] = [
    (device.index, device.name, device.backend, device.kind, device.driver, device.problem) for device in found
]
known: list[str] = models()
version: str = deepnmf.__version__

scores: dict[str, float] = metrics.scores([0, 0, 1], [1, 1, 0])
each: list[float] = [
    of([0, 0, 1], [1, 1, 0])
    for of in (metrics.nmi, metrics.accuracy, metrics.purity, metrics.naive_precision, metrics.error_rate)
]
plot.components(model, (4, 5), layer=1, columns=4)
plot.hierarchy(model, (4, 5), parts=3, top=2)
plot.course(model)

shallow: NMF = NMF(5, alpha_W=1e-5, alpha_H="same", l1_ratio=0.5, random_state=np.random.RandomState(0)).fit(x)
start: NDArray[Any] = NMF(5, init="custom").fit_transform(x, W=shallow.coefficients_, H=shallow.components_)
shallow.components_ = 2 * shallow.components_
count: int = shallow.n_components_


class Cells:
    """What `annotate` takes of AnnData."""

    def __init__(self) -> None:
        self.X, self.obsm, self.varm = x, dict[str, Any](), dict[str, Any]()


cells = Cells()
annotate(cells, shallow, key="parts")

"""Pictures of a model, by matplotlib (``pip install deepnmf[plot]``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._base import FactorModel, check_fitted
from ._settings import image_shape_of, whole

__all__ = ["components", "course", "hierarchy"]


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.gca()


def components(
    estimator: FactorModel, image_shape: tuple[int, ...], layer: int | None = None, *, columns: int | None = None, ax: Any = None
) -> Any:
    """Show the components of a layer as images, each by its own largest value.

    Parameters
    ----------
    estimator : DeepNMF or NMF
        A fitted one.
    image_shape : (height, width) or (height, width, channels)
        The shape of a sample.
    layer : int, default=None
        From 1; None for the last.
    columns : int, default=None
        Images in a row; None for about as many as rows.
    ax : matplotlib Axes, default=None
        Where to draw; None for the current one.

    Returns
    -------
    ax : matplotlib Axes
    """
    check_fitted(estimator)
    height, width, channels = image_shape_of(image_shape, estimator.weights_[0].shape[0])
    psi = estimator._components_of(estimator._layer(layer))
    k, per_row = len(psi), int(np.ceil(np.sqrt(len(psi)))) if columns is None else whole("columns", columns, 1)
    rows = -(-k // per_row)
    sheet = np.ones((rows * (height + 1) - 1, per_row * (width + 1) - 1, channels))
    largest = np.maximum(np.abs(psi).max(axis=1, keepdims=True), np.finfo(psi.dtype).tiny)
    # Of components with both signs 0 is in the middle.
    shown = psi / largest if psi.min() >= 0 else (psi / largest + 1) / 2
    for j, component in enumerate(shown):
        top, left = (j // per_row) * (height + 1), (j % per_row) * (width + 1)
        sheet[top : top + height, left : left + width] = component.reshape(height, width, channels)
    ax = _axes(ax)
    ax.imshow(sheet.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_axis_off()
    return ax


def hierarchy(
    estimator: FactorModel, image_shape: tuple[int, ...], layer: int | None = None, *, parts: int = 5, top: int = 6, figure: Any = None
) -> Any:
    """Show the strongest components of a layer, each beside the parts of the layer below that it is made of.

    Parameters
    ----------
    estimator : DeepNMF
        A fitted one of at least two layers.
    image_shape : (height, width) or (height, width, channels)
        The shape of a sample.
    layer : int, default=None
        From 2; None for the last.
    parts : int, default=5
        Parts of a component that are shown.
    top : int, default=6
        Components that are shown.
    figure : matplotlib Figure, default=None
        Where to draw; None for a new one.

    Returns
    -------
    figure : matplotlib Figure
    """
    import matplotlib.pyplot as plt

    check_fitted(estimator)
    shape = image_shape_of(image_shape, estimator.weights_[0].shape[0])
    layer = estimator._layer(layer)
    if layer < 2:
        raise ValueError(f"a component of layer {layer} is not made of parts; expected a layer from 2")
    above, below, w = estimator._components_of(layer), estimator._components_of(layer - 1), estimator.weights_[layer - 1]
    # A part weighs what it adds to the component.
    weight = np.abs(w) * np.linalg.norm(below, axis=1)[:, None]
    order = np.argsort(-np.linalg.norm(above, axis=1))[:top]
    figure = figure or plt.figure(figsize=(1.1 * (parts + 1), 1.2 * len(order)))
    grid = figure.subplots(len(order), parts + 1, squeeze=False)
    for row, j in zip(grid, order):
        shown = [(above[j], "")]
        total = max(float(weight[:, j].sum()), np.finfo(w.dtype).tiny)
        for i in np.argsort(-weight[:, j])[:parts]:
            shown.append((below[i], f"{100 * weight[i, j] / total:.0f} %"))
        for ax in row:
            ax.set_axis_off()
        for ax, (component, title) in zip(row, shown):
            ax.imshow(component.reshape(shape).squeeze(), cmap="gray", interpolation="nearest")
            ax.set_title(title, fontsize=8)
    return figure


def course(estimator: FactorModel, *, ax: Any = None) -> Any:
    """Show the objective over the iterations of every stage, each relative to its start.

    Parameters
    ----------
    estimator : DeepNMF or NMF
        A fitted one.
    ax : matplotlib Axes, default=None
        Where to draw; None for the current one.

    Returns
    -------
    ax : matplotlib Axes
    """
    check_fitted(estimator)
    ax = _axes(ax)
    stages = {f"layer {layer}": line for layer, line in enumerate(estimator.history_["pretrain"], 1)}
    stages["fine-tuning"] = estimator.history_["finetune"]
    for name, line in stages.items():
        if len(line):
            ax.semilogy(np.arange(len(line)), line / line[0], label=name)
    ax.set_xlabel("iterations")
    ax.set_ylabel("objective, relative to the start of the stage")
    ax.legend()
    return ax

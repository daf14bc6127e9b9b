"""The page about a model, and a model beside single-cell data."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import _engine
from ._base import FactorModel
from ._device import engine_for
from ._store import described, file_in_folder, single


def report(
    estimator: FactorModel,
    X: Any = None,
    path: str | os.PathLike[str] = "report.html",
    *,
    labels: Any = None,
    clusters: int | None = None,
    image_shape: tuple[int, ...] | None = None,
    random_state: int = 0,
) -> dict[str, str]:
    """Write a page about a model: its course, components, what they are made of, samples, clusters.

    Parameters
    ----------
    estimator : DeepNMF or NMF
        A fitted one.
    X : array-like of shape (n_samples, n_features), default=None
        Samples to show beside their reconstruction.
    path : path, default="report.html"
        The page, one file that opens offline.
    labels : array-like of shape (n_samples,), default=None
        The class of every sample.
    clusters : int, default=None
        Clusters by k-means; None for as many as there are classes, 0 for none.
    image_shape : (height, width) or (height, width, channels), default=None
        The shape of a sample that is an image.
    random_state : int, default=0
        The seed of k-means.

    Returns
    -------
    missing : dict
        The sections that the page does not have, and why.
    """
    check_is_fitted(estimator)
    weights, h, hidden = single(estimator)
    samples = None
    if X is not None:
        x = np.ascontiguousarray(X, dtype=np.float32)
        h = np.ascontiguousarray(estimator.transform(X), dtype=np.float32)
        samples = (x, h)
    classes: list[str] = []
    of: list[int | None] | None = None
    if labels is not None:
        names, numbers = np.unique(np.asarray(labels).ravel(), return_inverse=True)
        classes, of = [str(name) for name in names], [int(number) for number in numbers]
    wanted = len(classes) if clusters is None else clusters
    clustered = None
    if wanted > 1:
        features = _engine.features((weights, h, []), estimator._metadata)
        found = engine_for(estimator.device, "f32").kmeans(features, wanted, random_state)
        clustered = (found, of, classes)
    shape = None
    if image_shape is not None:
        height, width, *channels = image_shape
        if int(np.prod(image_shape)) != estimator.n_features_in_:
            raise ValueError(f"samples have {estimator.n_features_in_} features, got image_shape={image_shape}")
        shape = json.dumps({"height": height, "width": width, "channels": channels[0] if channels else 1})
    _, missing = _engine.report(
        file_in_folder(path), type(estimator).__name__, single(estimator), described(estimator), samples, clustered, shape
    )
    return dict(missing)


def annotate(adata: Any, estimator: FactorModel, key: str = "deepnmf") -> None:
    """Put a fitted model beside the data that it describes, in an AnnData object.

    Parameters
    ----------
    adata : anndata.AnnData
        ``adata.X`` (dense) has the samples in the order of the fit, or other samples.
    estimator : DeepNMF or NMF
        A fitted one.
    key : str, default="deepnmf"
        ``.obsm["X_" + key]`` becomes the coefficients (n_obs × n_components), ``.varm[key]`` the components (n_vars × n_components).
    """
    check_is_fitted(estimator)
    adata.obsm[f"X_{key}"] = estimator.transform(np.asarray(adata.X))
    adata.varm[key] = np.ascontiguousarray(estimator.components_.T)

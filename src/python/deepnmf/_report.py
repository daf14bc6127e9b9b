"""The page about a model, and a model beside single-cell data."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

import numpy as np
from scipy.sparse import issparse

from . import _engine
from ._base import FactorModel, check_fitted, is_path
from ._device import engine_for
from ._settings import file_in_folder, image_shape_of, seed_of, whole
from ._store import single
from .metrics import classes_of


def report(
    estimator: FactorModel,
    X: Any = None,
    path: str | os.PathLike[str] = "report.html",
    *,
    labels: Any = None,
    clusters: int | None = None,
    image_shape: tuple[int, ...] | None = None,
    random_state: Any = 0,
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
        The class of every sample; None or NaN for one without a class.
    clusters : int, default=None
        Clusters by k-means; None for as many as there are classes, 0 for none.
    image_shape : (height, width) or (height, width, channels), default=None
        The shape of a sample that is an image.
    random_state : int, RandomState or None, default=0
        The seed of k-means.

    Returns
    -------
    missing : dict
        The sections that the page does not have, and why.
    """
    check_fitted(estimator)
    path, (weights, h, hidden) = file_in_folder(path), single(estimator)
    samples = None
    if is_path(X):
        raise ValueError(f"X must be an array, got the path {os.fspath(X)!r}")
    if X is not None:
        h = np.ascontiguousarray(estimator._compute_transform(X), dtype=np.float32)
        samples = (np.ascontiguousarray(X, dtype=np.float32), h)
    classes: list[str] = []
    of: list[int | None] | None = None
    if labels is not None:
        classes, of = classes_of("labels", labels, missing=True)
        if len(of) != len(h):
            raise ValueError(f"labels must be one for each of {len(h)} samples, got {len(of)}")
    wanted = len(classes) if clusters is None else whole("clusters", clusters)
    clustered = None
    if wanted > 1:
        features = _engine.features((weights, h, []), estimator._metadata)
        found = engine_for(estimator.device, "f32").kmeans(features, wanted, seed_of(random_state))
        clustered = (found, of, classes)
    shape = None
    if image_shape is not None:
        height, width, channels = image_shape_of(image_shape, estimator.n_features_in_)
        shape = json.dumps({"height": height, "width": width, "channels": channels})
    _, missing = _engine.report(
        path, type(estimator).__name__, single(estimator), estimator._described(), samples, clustered, shape
    )
    return dict(missing)


def annotate(adata: Any, estimator: FactorModel, key: str = "deepnmf") -> None:
    """Put a fitted model beside the data that it describes, in an AnnData object.

    Parameters
    ----------
    adata : anndata.AnnData
        ``adata.X`` has the samples in the order of the fit, or other samples. A sparse one is made
        dense for that. Where the features of the model have names, its variables are taken by ``var_names``.
    estimator : DeepNMF or NMF
        A fitted one.
    key : str, default="deepnmf"
        ``.obsm["X_" + key]`` becomes the coefficients (n_obs × n_components), ``.varm[key]`` the components (n_vars × n_components), NaN
        for variables that the model does not know.

    Raises
    ------
    ValueError
        A feature of the model is not among the variables.
    """
    check_fitted(estimator)
    x = adata.X.toarray() if issparse(adata.X) else np.asarray(adata.X)
    parts = np.ascontiguousarray(estimator.components_.T)
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        place = {str(name): at for at, name in enumerate(adata.var_names)}
        missing = [name for name in names if str(name) not in place]
        if missing:
            raise ValueError(
                f"{len(missing)} of the {len(names)} features of the model are not in var_names, the first {str(missing[0])!r}"
            )
        order = [place[str(name)] for name in names]
        x, ordered = x[:, order], parts
        parts = np.full((len(place), parts.shape[1]), np.nan, dtype=parts.dtype)
        parts[order] = ordered
    with warnings.catch_warnings():
        # They were told by their names.
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        # An array, whatever set_output says.
        adata.obsm[f"X_{key}"] = estimator._compute_transform(x)
    adata.varm[key] = parts

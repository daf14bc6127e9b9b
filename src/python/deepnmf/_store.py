"""Model files: the same that the command writes and reads."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import _engine
from ._base import FactorModel
from ._deep import DeepNMF


def save(estimator: FactorModel, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to a file, in float32.

    Parameters
    ----------
    estimator : DeepNMF or NMF
        A fitted one.
    path : path
        The file (``.safetensors``); one that is there is replaced, as a whole.
    """
    check_is_fitted(estimator)
    _engine.save(file_in_folder(path), single(estimator), described(estimator))


def described(estimator: FactorModel) -> str:
    """The metadata of a model, with the names of its features."""
    known = json.loads(estimator._metadata)
    known["feature_names"] = [str(name) for name in getattr(estimator, "feature_names_in_", [])]
    return json.dumps(known)


def file_in_folder(path: str | os.PathLike[str]) -> str:
    """A path whose folder is there."""
    folder = os.path.dirname(os.fspath(path)) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder}")
    return os.fspath(path)


def single(estimator: FactorModel) -> Any:
    """All factors in float32."""
    form = [np.ascontiguousarray(m, dtype=np.float32) for m in [*estimator.weights_, estimator.coefficients_]]
    hidden = [np.ascontiguousarray(m, dtype=np.float32) for m in estimator.hidden_]
    return (form[:-1], form[-1], hidden)


def load(path: str | os.PathLike[str], *, device: Any = "auto") -> DeepNMF:
    """Read a model file that :func:`save` or the command wrote.

    Parameters
    ----------
    path : path
        The file.
    device : str or int, default="auto"
        Where the model transforms; see :class:`DeepNMF`.

    Returns
    -------
    model : DeepNMF
        A fitted one, with the settings of the file. Samples that it transforms are scaled as those of its training were.
    """
    arrays, metadata = _engine.load(os.fspath(path))
    known = json.loads(metadata)
    training = known["training"]
    model = DeepNMF(
        known["layers"],
        model=known["model"],
        activation=known["activation"],
        solver=training["solver"],
        init=training["init"],
        mu=training["mu"],
        lam=training["lambda"],
        max_iter=training["sweeps"],
        pretrain=training["pretrain"],
        tol=training["tol"],
        target_error=training["target_error"],
        random_state=training["seed"],
        device=device,
    )
    model._set_factors(arrays, metadata)
    if known.get("feature_names"):
        model.feature_names_in_ = np.asarray(known["feature_names"], dtype=object)
    model.reconstruction_err_ = float("nan")
    return model

"""Model files: the same that the command writes and reads."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from . import _engine
from ._base import FactorModel, check_fitted
from ._deep import DeepNMF
from ._device import row_of
from ._settings import OPTIONS, file_in_folder


def save(estimator: FactorModel, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to a file, in float32.

    Parameters
    ----------
    estimator : DeepNMF or NMF
        A fitted one.
    path : path
        The file (``.safetensors``); one that is there is replaced, as a whole.
    """
    check_fitted(estimator)
    _engine.save(file_in_folder(path), single(estimator), estimator._described())


def single(estimator: FactorModel) -> Any:
    """All factors in float32."""
    form = [np.ascontiguousarray(m, dtype=np.float32) for m in [*estimator.weights_, estimator.coefficients_]]
    hidden = [np.ascontiguousarray(m, dtype=np.float32) for m in estimator.hidden_]
    return (form[:-1], form[-1], hidden)


def load(path: str | os.PathLike[str], *, device: str | int = "auto") -> DeepNMF:
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
        A fitted one, with the settings of the file; those of an :class:`NMF`, with its penalties, are in `options`. Samples that it
        transforms are scaled as those of its training were. ``reconstruction_err_`` is NaN, as a file does not have ``‖X‖``;
        ``relative_error_`` is that of the fit.
    """
    arrays, metadata = _engine.load(os.fspath(path))
    known = json.loads(metadata)
    training, row = known["training"], row_of(known["model"])
    online = training.get("online")

    def asked(name: str) -> Any:
        """What is not the model's own; so a fit of the model that is loaded warns as that of the one that was saved."""
        return None if training[name] == row.get(name) else training[name]

    def penalty(name: str, of: str) -> Any:
        """The constants where they are not without meaning."""
        return training[of] if row.get(name, True) else None

    model = DeepNMF(
        known["layers"],
        model=known["model"],
        activation=known["activation"],
        solver=training["solver"],
        init=training["init"],
        mu=penalty("mu", "mu"),
        lam=penalty("lam", "lambda"),
        max_iter=asked("sweeps"),
        pretrain=asked("pretrain"),
        tol=asked("tol"),
        target_error=training["target_error"],
        online=online is not None,
        **({"batch_size": online["batch"], "forget": online["forget"]} if online else {}),
        random_state=training["seed"],
        device=device,
        options={name: of for name, of in {**known, **training}.items() if name in OPTIONS and of is not None},
    )
    model._set_factors(arrays, metadata)
    model._set_names()
    model.reconstruction_err_ = float("nan")
    return model

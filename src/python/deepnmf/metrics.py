"""How well clusters agree with classes, by the scores of the papers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from . import _engine

__all__ = ["accuracy", "error_rate", "naive_precision", "nmi", "purity", "scores"]


def scores(labels_true: Any, labels_pred: Any) -> dict[str, float]:
    """All scores of clusters against classes.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        The class of every sample: numbers or names.
    labels_pred : array-like of shape (n_samples,)
        Its cluster.

    Returns
    -------
    scores : dict
        "NMI", "NP" (naive precision), "ER" (error rate), "AC" (accuracy) and "purity".

    Raises
    ------
    ValueError
        Where the labels are no two lists of the same length, or one is missing.
    """
    both = {"labels_true": labels_true, "labels_pred": labels_pred}
    (_, classes), (_, clusters) = (classes_of(name, labels) for name, labels in both.items())
    return dict(_engine.scores(cast("list[int]", classes), cast("list[int]", clusters)))


def classes_of(name: str, labels: Any, missing: bool = False) -> tuple[list[str], list[int | None]]:
    """The names of the classes, and the number of that of every sample; None for one without, where `missing` allows it."""
    given = np.asarray(labels)
    if given.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got {given.ndim}")
    there = np.array([_is_there(label) for label in given], dtype=bool)
    if not missing and not there.all():
        raise ValueError(f"{name} must have a label for every sample, got NaN or None")
    try:
        names, numbers = np.unique(given[there], return_inverse=True)
    except TypeError:
        raise ValueError(f"{name} must be all numbers or all texts") from None
    found = iter(numbers.tolist())
    return [str(of) for of in names], [next(found) if is_there else None for is_there in there]


def _is_there(label: Any) -> bool:
    # NaN and NaT differ from themselves, and pandas' NA says neither.
    same = label == label
    return label is not None and isinstance(same, (bool, np.bool_)) and bool(same)


def nmi(labels_true: Any, labels_pred: Any) -> float:
    """Normalised mutual information ``2I/(H(classes) + H(clusters))``, from 0 to 1."""
    return scores(labels_true, labels_pred)["NMI"]


def naive_precision(labels_true: Any, labels_pred: Any) -> float:
    """Naive precision: the mean over classes of the largest share that is in one cluster."""
    return scores(labels_true, labels_pred)["NP"]


def error_rate(labels_true: Any, labels_pred: Any) -> float:
    """Error rate: the fourth root of twice the number of pairs that are together in the classes or the clusters only."""
    return scores(labels_true, labels_pred)["ER"]


def accuracy(labels_true: Any, labels_pred: Any) -> float:
    """Accuracy under the best assignment of clusters to classes."""
    return scores(labels_true, labels_pred)["AC"]


def purity(labels_true: Any, labels_pred: Any) -> float:
    """Purity: the share of samples whose class is the most frequent one of their cluster."""
    return scores(labels_true, labels_pred)["purity"]

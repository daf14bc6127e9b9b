"""How well clusters agree with classes, by the scores of the papers."""

from __future__ import annotations

from typing import Any

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
    """
    numbers = [np.unique(np.asarray(labels).ravel(), return_inverse=True)[1] for labels in (labels_true, labels_pred)]
    return dict(_engine.scores(numbers[0].tolist(), numbers[1].tolist()))


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

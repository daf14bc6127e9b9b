"""Devices: which there are, and those that are open."""

from __future__ import annotations

import functools
import json
import os
import sys
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _engine

# Vulkan and GL layers look for a display. Without this variable each of them prints errors that look like ours; with any value
# they find no display and are silent.
if sys.platform == "linux" and not os.environ.get("XDG_RUNTIME_DIR"):
    os.environ["XDG_RUNTIME_DIR"] = "/nonexistent"


@dataclass(frozen=True)
class Device:
    """An adapter of this machine.

    Attributes
    ----------
    index : int
        Its number, which ``device=str(index)`` names.
    name : str
        As its driver calls it.
    backend : str
        ``"vulkan"``, ``"metal"``, ``"dx12"`` or ``"gl"``.
    kind : str
        ``"discrete-gpu"``, ``"integrated-gpu"``, ``"virtual-gpu"``, ``"cpu"`` (a software adapter) or ``"other"``.
    driver : str
        The driver and its version.
    problem : str or None
        Why it cannot be used; None where it can.
    """

    index: int
    name: str
    backend: str
    kind: str
    driver: str
    problem: str | None


def devices() -> list[Device]:
    """List the adapters of this machine; the CPU itself, which is always there as ``device="cpu"``, is not among them.

    Returns
    -------
    list of Device
    """
    fields = Device.__dataclass_fields__
    return [Device(**{name: found[name] for name in fields}) for found in json.loads(_engine.devices())]


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(_engine.models())}


def models() -> list[str]:
    """List the models that :class:`DeepNMF` fits.

    Returns
    -------
    list of str
    """
    return list(_table())


def row_of(model: object) -> dict[str, Any]:
    """The row of the table of models; empty for a name that is not there, which the engine refuses."""
    return _table().get(model, {}) if isinstance(model, str) else {}


@functools.cache
def _has_gpu() -> bool:
    return any(device.problem is None and device.kind != "cpu" for device in devices())


_forked = False


def _mark_fork() -> None:
    global _forked
    _forked = bool(_opened.cache_info().currsize)


@functools.lru_cache(maxsize=8)
def _opened(device: str, precision: str) -> _engine.Engine:
    return _engine.Engine(device, precision)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_fork)


def engine_for(device: object, precision: str) -> _engine.Engine:
    """The engine on ``device`` in ``precision`` ("f16", "f32" or "f64"), which stays open.

    Raises
    ------
    TypeError
        Where the device is neither a text nor a number.
    ValueError
        Where there is no such device; the message lists those there are.
    RuntimeError
        In a process that was forked after a device was opened.
    """
    if isinstance(device, (int, np.integer)) and not isinstance(device, bool):
        device = str(device)
    if not isinstance(device, str):
        raise TypeError(f"device must be a str or an int, got {type(device).__name__}")
    if device.strip().lower() in ("auto", "gpu", "cpu"):
        device = device.strip().lower()
    if _forked:
        raise RuntimeError(
            "this process was forked from one that had opened a device, whose threads did not come along; start it by "
            "multiprocessing's method 'spawn' or 'forkserver', or use joblib's default 'loky'"
        )
    if precision == "f64" and device == "auto" and _has_gpu():
        warnings.warn(
            "X is float64, which is computed on the CPU although there is a GPU; pass float32, or precision='float32', for the GPU, or "
            "device='cpu' to keep it so",
            UserWarning,
            stacklevel=4,
        )
    if precision == "f64" and device not in ("auto", "cpu"):
        if device != "gpu":
            # Refuses one that there is not, and says which there are.
            _opened(device, "f32")
        raise ValueError(f"float64 is computed on the CPU only, got device={device!r}; pass float32, or precision='float32'")
    return _opened(device, precision)

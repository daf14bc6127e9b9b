"""Parameters of estimators: checked, and as the engine takes them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

#: Settings of the engine that are no parameters, and what they are.
OPTIONS: dict[str, tuple[str, tuple[type, ...]]] = {
    "activate": ("a str", (str,)),
    "penalty_scale": ("a str", (str,)),
    "theta": ("a number", (int, float)),
    "graph": ("a dict", (dict,)),
    "ridge": ("a number or None", (int, float, type(None))),
    "pretrain_samples": ("an int or None", (int, type(None))),
    "inner": ("an int", (int,)),
    "passes": ("an int or None", (int, type(None))),
    "extrapolate": ("a str", (str,)),
    "metric": ("a str", (str,)),
    "restart": ("a bool", (bool,)),
    "balance": ("a dict", (dict,)),
    "hidden": ("a bool", (bool,)),
    "power_iterations": ("an int", (int,)),
    "x_storage": ("a str", (str,)),
    "elastic_net": ("a dict", (dict,)),
}


def plain(value: Any) -> Any:
    """A value of Python's own types, without numpy's scalars and arrays."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(of) for key, of in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(of) for of in value]
    return value


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """A whole number from `least` to `most`."""
    wanted = f"an int of at least {least}" if most is None else f"an int from {least} to {most}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be {wanted}, got {value!r}")
    number = int(value)
    if not least <= number <= (sys.maxsize if most is None else most):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return number


def real(name: str, value: Any, interval: str = "[0, inf)") -> float:
    """A number of an interval, which is written as in mathematics."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    wanted = f"a number of at least {low:g}" if interval == "[0, inf)" else f"a number in {interval}"
    if not isinstance(value, (Real, np.floating)) or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {wanted}, got {value!r}")
    number = float(value)
    above = number >= low if interval[0] == "[" else number > low
    below = number <= high if interval[-1] == "]" else number < high
    if not (above and below):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return number


def word(name: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {value!r}")
    return value


def flag(name: str, value: Any, wanted: str = "True or False") -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {wanted}, got {value!r}")
    return bool(value)


def verbosity(value: Any) -> None:
    """Refuse what is no bool and no number."""
    if not isinstance(value, (Integral, np.bool_)):
        raise TypeError(f"verbose must be an int, got {value!r}")


def one_of(name: str, value: Any, known: Iterable[Any]) -> Any:
    """One of the values that are known."""
    names = list(known)
    if plain(value) not in names:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, names))}, got {value!r}")
    return value


def layers(value: Any) -> list[int]:
    """Components of every layer."""
    wanted = "layers must be an int or a sequence of ints of at least 1"
    given: Any = [value] if isinstance(value, Integral) else value
    given = plain(given) if isinstance(given, (list, tuple, range, np.ndarray)) else None
    sizes: list[int] | None = list(given) if isinstance(given, (list, range)) else None
    if sizes is None or any(not isinstance(k, int) or isinstance(k, bool) for k in sizes):
        raise TypeError(f"{wanted}, got {value!r}")
    if not sizes or any(not 1 <= k <= sys.maxsize for k in sizes):
        raise ValueError(f"{wanted}, got {value!r}")
    return sizes


def constants(name: str, value: Any, depth: int) -> list[float]:
    """One number, or one for every layer."""
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) == 1:
        if len(value) not in (1, depth):
            raise ValueError(f"{name} must be one number or one for each of {depth} layers, got {len(value)} of them")
        return [real(name, of) for of in value]
    return [real(name, plain(value))]


def path_of(name: str, value: Any) -> str:
    """A path."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, got {value!r}")
    path = os.fspath(value)
    if not isinstance(path, str):
        raise TypeError(f"{name} must be a path of text, got {value!r}")
    return path


def file_in_folder(path: Any, name: str = "path") -> str:
    """The path of a file to write, whose folder is there."""
    file = path_of(name, path)
    folder = os.path.dirname(file) or "."
    if not os.path.exists(folder):
        raise FileNotFoundError(f"{name}: there is no folder {folder}")
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"{name}: {folder} is no folder")
    if os.path.isdir(file):
        raise IsADirectoryError(f"{name}: {file} is a folder, expected a file")
    return file


def options_of(given: Any, parameters: Iterable[str]) -> dict[str, Any]:
    """Further settings, none of which is a parameter, too."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise TypeError(f"options must be a dict or None, got {given!r}")
    own = {name: name for name in parameters} | {"lambda": "lam", "sweeps": "max_iter", "seed": "random_state"}
    found: dict[str, Any] = plain(given)
    for name, value in found.items():
        if name in own:
            raise ValueError(f"options: {name!r} is set by the parameter {own[name]}")
        if name not in OPTIONS:
            raise ValueError(f"options: no setting is called {name!r}; there are {', '.join(OPTIONS)}")
        wanted, types = OPTIONS[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError(f"options: {name!r} must be {wanted}, got {value!r}")
        if isinstance(value, (int, float)) and not 0 <= value < sys.maxsize:
            raise ValueError(f"options: {name!r} must be finite and at least 0, got {value!r}")
    return found


def image_shape_of(shape: Any, features: int) -> tuple[int, int, int]:
    """Height, width and channels of samples with so many features."""
    given = tuple(shape) if isinstance(shape, (tuple, list, np.ndarray)) else ()
    if len(given) not in (2, 3):
        raise ValueError(f"image_shape must be (height, width) or (height, width, channels), got {shape!r}")
    height, width, channels = (whole("image_shape", side, 1) for side in (*given, 1)[:3])
    if height * width * channels != features:
        raise ValueError(f"samples have {features} features, got image_shape={shape}")
    return height, width, channels


def seed_of(random_state: Any) -> int:
    """A whole number as it is, so that it is the seed that the command takes; else one drawn from the generator."""
    if isinstance(random_state, Integral):
        return whole("random_state", random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def checkpoints_of(
    checkpoint: Any, checkpoint_every: Any, resume: Any, random_state: Any
) -> tuple[tuple[str, float, bool] | None, int | None]:
    """Where a fit is written down, how often, whether it goes on from there; and the seed of the one that it goes on from."""
    every, goes_on = real("checkpoint_every", checkpoint_every), flag("resume", resume)
    if checkpoint is None:
        if goes_on:
            raise ValueError("resume=True goes on from a checkpoint, got checkpoint=None")
        return None, None
    path = file_in_folder(checkpoint, "checkpoint")
    drawn = goes_on and not isinstance(random_state, Integral)
    return (path, every, goes_on), seed_of_checkpoint(path) if drawn else None


def seed_of_checkpoint(path: str) -> int | None:
    """The seed of the fit that a checkpoint is of; None for a file that says none, which the engine refuses."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, 1 << 28)))
        known = json.loads(header["__metadata__"]["deepnmf_checkpoint"])
        return int(known["identity"]["settings"]["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""The engine, written in Rust. What is public of it is in the other modules."""

import os
from collections.abc import Callable
from typing import Any, Union

from numpy.typing import NDArray

_Arrays = tuple[list[NDArray[Any]], NDArray[Any], list[NDArray[Any]]]
_Samples = Union[NDArray[Any], str, "os.PathLike[str]"]
_Progress = Callable[[str, int, int, int, float, float], object]

__version__: str

class Engine:
    def __new__(cls, device: str, precision: str) -> Engine: ...
    @property
    def name(self) -> str: ...
    @property
    def on_gpu(self) -> bool: ...
    def fit(
        self,
        x: _Samples,
        settings: str,
        stream: bool | None = None,
        keep: tuple[str, float, bool] | None = None,
        start: list[tuple[NDArray[Any], NDArray[Any]]] | None = None,
        progress: _Progress | None = None,
    ) -> tuple[_Arrays, str, float, list[tuple[str, str]], BaseException | None]: ...
    def transform(
        self,
        x: _Samples,
        model: _Arrays,
        metadata: str,
        layer: int,
        ridge: float | None,
        limits: tuple[int, float],
        progress: _Progress | None = None,
    ) -> NDArray[Any]: ...
    def learn(
        self,
        x: _Samples,
        model: _Arrays,
        metadata: str,
        settings: str,
        memory: tuple[NDArray[Any], NDArray[Any], float, float],
        progress: _Progress | None = None,
    ) -> tuple[_Arrays, tuple[NDArray[Any], NDArray[Any], float, float]]: ...
    def kmeans(self, features: NDArray[Any], clusters: int, seed: int) -> list[int]: ...

def models() -> str: ...
def devices() -> str: ...
def save(path: str, arrays: _Arrays, metadata: str) -> None: ...
def load(path: str) -> tuple[_Arrays, str]: ...
def reconstruct(
    model: _Arrays, metadata: str, x: _Samples | None = None
) -> tuple[NDArray[Any] | None, float | None]: ...
def zeros(shape: tuple[int, int], settings: str, double: bool, device: str) -> tuple[_Arrays, str]: ...
def scores(classes: list[int], clusters: list[int]) -> list[tuple[str, float]]: ...
def features(arrays: _Arrays, metadata: str) -> NDArray[Any]: ...
def report(
    path: str,
    name: str,
    arrays: _Arrays,
    metadata: str,
    samples: tuple[NDArray[Any], NDArray[Any]] | None = None,
    clustered: tuple[list[int], list[int | None] | None, list[str]] | None = None,
    image_shape: str | None = None,
) -> tuple[list[str], list[tuple[str, str]]]: ...

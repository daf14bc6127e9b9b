"""What the estimators have in common: samples in, factors out."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from functools import update_wrapper
from types import MethodType
from typing import Any, TypeVar, Union, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from . import _engine
from ._device import engine_for, row_of
from ._progress import Watch
from ._settings import plain, whole

try:
    from sklearn import callback as _callback
except ImportError:  # before scikit-learn 1.9
    _callback = None

# `object` cannot stand before other classes.
_Mixin: Any = type("_NoCallbacks", (), {}) if _callback is None else _callback.CallbackSupportMixin
_Method = TypeVar("_Method", bound=Callable[..., Any])


def with_callbacks(method: _Method) -> _Method:
    """A method that fits, which tears scikit-learn's callbacks down however it ends; where there are none, as it is."""
    return method if _callback is None else cast(_Method, _callback.with_callbacks(method))


class _IfOnline:
    """A method that is there where the model can be trained online, as scikit-learn's own estimators have methods by parameters."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        update_wrapper(cast(Any, self), method)

    def __get__(self, model: Any, owner: Any = None) -> Any:
        if model is None:
            return self._method
        if model.activation is not None:
            raise AttributeError(f"no partial_fit: activation={model.activation!r} cannot be trained online")
        if not row_of(model.model).get("online", True):
            raise AttributeError(f"no partial_fit: model={model.model!r} cannot be trained online")
        return MethodType(self._method, model)


def if_online(method: _Method) -> _Method:
    """A method that is there where the model can be trained online; else the reason is said."""
    return cast(_Method, _IfOnline(method))



Array = NDArray[Any]
#: An array (n × features) of float64, float32 or uint8, what becomes one, or the path of a file.
Samples = Union[Any, str, "os.PathLike[str]"]

_PRECISIONS = {"float16": "f16", "float32": "f32", "float64": "f64"}


def is_path(X: Any) -> bool:
    """Whether these samples are in a file."""
    return isinstance(X, (str, os.PathLike))


def check_fitted(estimator: Any) -> None:
    """Refuse what is no fitted estimator of this package."""
    if not isinstance(estimator, FactorModel):
        raise TypeError(f"expected an estimator of deepnmf, got {type(estimator).__module__}.{type(estimator).__name__}")
    check_is_fitted(estimator)


class FactorModel(_Mixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted model: W of every layer, H, and what the engine says of them."""

    device: Any
    precision: str
    verbose: int
    weights_: list[Array]
    coefficients_: Array
    hidden_: list[Array]
    n_features_in_: int
    n_iter_: int
    reconstruction_err_: float
    relative_error_: float
    history_: dict[str, Any]
    device_: str
    _metadata: str
    #: What the engine calls otherwise.
    _names: dict[str, str] = {}

    def _is_signed(self) -> bool:
        return False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = not self._is_signed()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return "weights_" in vars(self)

    @property
    def _n_features_out(self) -> int:
        return int(self.weights_[-1].shape[1])

    @property
    def components_(self) -> Array:
        """The components of the last layer.

        Those of a model of one layer can be assigned or changed in place, and :meth:`transform` and :meth:`inverse_transform` use
        them. Those of a deep model are a product, which is read-only: change `weights_`.
        """
        if "weights_" not in vars(self):
            raise AttributeError(f"this {type(self).__name__} is not fitted yet: no components_")
        if len(self.weights_) == 1:
            return self.weights_[0].T
        psi = self._components_of(len(self.weights_))
        psi.flags.writeable = False
        return psi

    @components_.setter
    def components_(self, value: Any) -> None:
        found = self.components_
        if len(self.weights_) > 1:
            raise AttributeError("components_ of a deep model is the product of weights_; change weights_")
        value = np.asarray(value, dtype=found.dtype)
        if value.shape != found.shape:
            raise ValueError(f"components_ must have the shape {found.shape}, got {value.shape}")
        self.weights_[0] = np.array(value.T, order="C")
        self.__dict__.pop("_memory", None)

    def _checked(self, X: Any, reset: bool) -> Any:
        """Samples as the engine takes them: an array, or the path of a file."""
        if is_path(X):
            return os.fspath(X)
        if isinstance(X, np.ndarray) and not X.dtype.isnative and X.dtype.kind == "f":
            X = X.astype(X.dtype.newbyteorder("="))
        X = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32, np.uint8])
        if X.dtype == np.float64:
            largest = max(float(X.max()), -float(X.min()))
            if largest > 1e150 or 0 < largest < 1e-150:
                raise ValueError(
                    f"X has values up to {largest:.1e}, whose squares float64 does not hold; scale them to between 1e-150 and 1e150"
                )
        if X.dtype != np.uint8 and not self._is_signed():
            check_non_negative(X, type(self).__name__)
        return np.require(X, requirements="A")

    def _dtype_for(self, X: Any) -> np.dtype[Any]:
        """In which precision a fit of these samples computes."""
        if self.precision in _PRECISIONS:
            return np.dtype("float64" if self.precision == "float64" else "float32")
        if self.precision != "auto":
            raise ValueError(
                f"precision must be 'auto', 'float16', 'float32' or 'float64', got {self.precision!r}"
            )
        return np.dtype("float32") if is_path(X) or X.dtype == np.uint8 else np.dtype(X.dtype)

    def _fit_engine(
        self,
        X: Any,
        settings: dict[str, Any],
        *,
        stream: bool | None = False,
        keep: tuple[str, float, bool] | None = None,
        start: list[tuple[Array, Array]] | None = None,
        warn_of_iterations: bool = True,
        zeros: bool = False,
        y: Any = None,
    ) -> None:
        """Fit to samples; where these are all zero, which is to be said by `zeros`, the model is zero. `y` is for callbacks."""
        dtype = self._dtype_for(X)
        if is_path(X):
            if dtype == np.float64:
                raise ValueError("a file is read as float32, found precision='float64'; pass the array")
        elif X.dtype != np.uint8 or dtype == np.float64:
            X = X.astype(dtype, copy=False)
        precision = "f16" if self.precision == "float16" else f"f{8 * dtype.itemsize}"
        engine = engine_for(self.device, precision)
        watch = Watch(self, self.verbose, None if is_path(X) else X, y)
        said = json.dumps(plain(settings))
        try:
            if zeros:
                arrays, metadata = _engine.zeros(X.shape, said, dtype == np.float64, engine.name)
                norm, notes, raised = 0.0, [("warning", "X is all zero, and so is the model")], None
            else:
                arrays, metadata, norm, notes, raised = engine.fit(
                    X, said, stream=stream, keep=keep, start=start, progress=watch.function
                )
        except (ValueError, MemoryError) as error:
            raise type(error)(self._spelt(str(error))) from None
        finally:
            watch.close()
        self._set_factors(arrays, metadata)
        if is_path(X):
            self._set_names()
        self.reconstruction_err_ = self.relative_error_ * norm
        if raised is not None:
            # What is fitted so far is kept.
            raise raised
        for kind, text in ((kind, self._spelt(text)) for kind, text in notes):
            if kind == "warning":
                warnings.warn(text, UserWarning, stacklevel=4)
            elif kind == "convergence" and warn_of_iterations:
                warnings.warn(text, ConvergenceWarning, stacklevel=4)
        watch.finish()

    def _spelt(self, text: str) -> str:
        """A message of the engine with the names of parameters instead of the command's options."""
        names = {
            **self._names,
            "--init random": "init='random'",
            "take more sweeps or": "raise max_iter, or take",
            "more sweeps": "a larger max_iter",
            "sweeps:": "max_iter:",
            "more max_iter lower the error": "a larger max_iter lowers the error",
        }
        for before, after in names.items():
            text = text.replace(before, after)
        return text

    def _set_factors(self, arrays: Any, metadata: str) -> None:
        self.weights_, self.coefficients_, self.hidden_ = arrays
        self.__dict__.pop("_memory", None)
        self._metadata = metadata
        known = json.loads(metadata)
        history = known["history"]
        self.history_ = {
            "pretrain": [np.asarray(layer) for layer in history["pretrain"]],
            "finetune": np.asarray(history["finetune"]),
        }
        self.relative_error_ = float(known["relative_error"])
        self.device_ = known["device"]
        self.n_features_in_ = self.weights_[0].shape[0]
        self.n_iter_ = max(len(history["finetune"] or history["pretrain"][-1]) - 1, 0)

    def _set_names(self) -> None:
        """The names of the features that the engine knows, as scikit-learn has them."""
        names = json.loads(self._metadata).get("feature_names")
        self.__dict__.pop("feature_names_in_", None)
        if names:
            self.feature_names_in_ = np.asarray(names, dtype=object)

    def _described(self) -> str:
        """The metadata of the model, with the names of its features."""
        known = json.loads(self._metadata)
        known["feature_names"] = [str(name) for name in getattr(self, "feature_names_in_", [])]
        return json.dumps(known)

    def _layer(self, layer: Any) -> int:
        """The number of a layer, from 1; None is the last one."""
        return len(self.weights_) if layer is None else whole("layer", layer, 1, len(self.weights_))

    def _components_of(self, layer: int) -> Array:
        psi = self.weights_[0]
        for w in self.weights_[1:layer]:
            psi = psi @ w
        return np.ascontiguousarray(psi.T)

    def _arrays(self, h: Array | None = None) -> Any:
        """The factors, with ``h`` as coefficients; without, where no mean of them is needed, with none."""
        if h is None:
            known = json.loads(self._metadata)
            h = self.coefficients_ if known["activation"] else self.coefficients_[:0]
        weights = self.weights_
        # They may have been assigned to.
        if not all(np.isfinite(w).all() for w in weights):
            raise ValueError("the components contain NaN or infinity")
        return (weights, h, [])

    def components(self, layer: int) -> Array:
        """The components of a layer.

        Parameters
        ----------
        layer : int
            From 1 to the number of layers.

        Returns
        -------
        components : ndarray of shape (k_l, n_features)
            ``(W_1 … W_l)ᵀ``.
        """
        check_is_fitted(self)
        return self._components_of(whole("layer", layer, 1, len(self.weights_)))

    def _compute_transform(self, X: Samples, layer: int | None = None, ridge: float | None = None) -> Array:
        check_is_fitted(self)
        layer = self._layer(layer)
        X = self._checked(X, reset=False)
        dtype = self.weights_[0].dtype
        wanted = dtype if is_path(X) or X.dtype == np.uint8 or self.precision != "auto" else X.dtype
        if not is_path(X) and (X.dtype != np.uint8 or dtype == np.float64):
            X = X.astype(dtype, copy=False)
        double = dtype == np.float64
        engine = engine_for("cpu" if double else self.device, f"f{8 * dtype.itemsize}")
        watch = Watch(None, self.verbose)
        limits = (20_000, 1e-9) if double else (2_000, 1e-4)
        try:
            h = engine.transform(X, self._arrays(), self._described(), layer, ridge, limits, watch.function)
        finally:
            watch.close()
        return h.astype(wanted, copy=False)

    def transform(self, X: Samples) -> Array:
        """Describe samples by the components of the last layer.

        Under a linear model a sample x gets the h of ``min ½‖x − h C‖² + penalty(h)`` over h ≥ 0, C being the components and the
        penalty that of the last layer in the fit. Every sample is solved for by itself, to rounding: ‖x − h C‖ is within about
        1e-7 ‖x‖ of the least, however ill-conditioned C is; on a GPU, in float32, within 1e-4 ‖x‖ at a condition number of 1000. Under
        an activation steps end by the objective of all samples, so that coefficients depend a little on the samples beside them.

        The models "semi-nmf" and "deep-semi-nmf" have a ridge ``½ c tr(G)/k ‖h‖²`` besides, G the Gram of the k components and c = .03,
        by which coefficients differ from those of the fit by some percent. ``options={"ridge": 0.0}`` before the fit, or
        ``transform_layer(X, layer, ridge=0.0)``, does without.

        The columns of a file that has names for them are taken by the names of the model's features, where these have any.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or the path of a file
            Samples of the kind that the model was fitted to.

        Returns
        -------
        H : ndarray of shape (n_samples, n_components)
            Nonnegative coefficients, a row per sample.
        """
        return self._compute_transform(X)

    def inverse_transform(self, X: Any) -> Array:
        """Reconstruct samples from their coefficients.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_components)
            Coefficients, as :meth:`transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            ``H Psiᵀ``, or with an activation the nonlinear reconstruction; under a model that the command trained, of the samples as it
            scaled them (``--scale``).
        """
        check_is_fitted(self)
        h = X.toarray() if issparse(X) else np.asarray(X)
        if h.dtype.kind == "c":
            raise ValueError("Complex data not supported")
        if h.ndim != 2:
            raise ValueError(f"expected a 2D array of coefficients, got {h.ndim}D")
        wanted = h.dtype if h.dtype.kind == "f" else self.weights_[0].dtype
        h = np.ascontiguousarray(h, dtype=self.weights_[0].dtype)
        made, _ = _engine.reconstruct(self._arrays(h), self._metadata)
        assert made is not None
        return made.astype(wanted, copy=False)

    def score(self, X: Samples, y: Any = None) -> float:
        """Share of ``‖X‖²`` that is explained, ``1 − ‖X − X̂‖²/‖X‖²``: the greater the better.

        The coefficients are those of :meth:`transform`, with its penalty and ridge. Samples are scaled as those of the training were. The
        columns of a file that has names for them are taken by the names of the model's features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or the path of a file
            Samples, which are transformed first.
        y : Ignored
            Not used.

        Returns
        -------
        score : float
        """
        h = self._compute_transform(X).astype(self.weights_[0].dtype, copy=False)
        X = self._checked(X, reset=False)
        if not is_path(X) and (X.dtype != np.uint8 or h.dtype == np.float64):
            X = X.astype(h.dtype, copy=False)
        _, error = _engine.reconstruct(self._arrays(h), self._described(), X)
        assert error is not None
        return 1.0 - error**2

    def __getstate__(self) -> Any:
        # A copy: the state is what the estimator itself has, which a callback may copy during a fit.
        state = dict(super().__getstate__())
        state.pop("_skl_callbacks_to_teardown", None)
        return state

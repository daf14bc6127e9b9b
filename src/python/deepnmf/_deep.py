"""The deep models."""

from __future__ import annotations

import json
from numbers import Integral
from typing import Any

import numpy as np

from . import _engine
from ._base import Array, FactorModel, Samples, if_online, is_path, seed_of, with_callbacks
from ._device import engine_for, row_of


class DeepNMF(FactorModel):
    """Sparse deep nonnegative matrix factorization.

    X (n_samples × n_features, a row per sample) is approximated by ``H (W_1 W_2 … W_L)ᵀ`` with ``H ≥ 0`` and, but for the
    Semi-NMF models, ``W_l ≥ 0``. Layers are trained one after another, each on the H of the layer below, and then all together.

    Parameters
    ----------
    layers : int or sequence of int, default=None
        Components of every layer, from the first one on. None: half of what the rank of X can be, at most 100, and a quarter of
        that above it.
    model : str, default="sdnmf-l"
        One of :func:`deepnmf.models`.
    activation : {"root", "tanh", "sigmoid", "softplus"}, default=None
        What stands between two layers; None for a linear model.
    solver : {"auto", "nesterov", "cd"}, default="auto"
        How blocks are solved. "auto" is the one that is faster on the device.
    init : {"nndsvd", "nndsvda", "nndsvdar", "random", "svd"}, default=None
        The start of every layer; None for that of the model.
    mu : float or sequence of float, default=None
        Penalty constant of W, one or one per layer; None for that of the model.
    lam : float or sequence of float, default=None
        Penalty constant of H, the same.
    max_iter : int, default=None
        The most sweeps of fine-tuning; with one layer, of its iterations. None: as many as the model has by default.
    pretrain : int, default=None
        The most iterations of pre-training per layer.
    tol : float, default=None
        A stage ends where the objective changes by no more than this share in an iteration; 0 for never.
    target_error : float, default=None
        The fit ends as soon as ``‖X − X̂‖/‖X‖`` is at most this.
    online : bool, default=False
        Whether W changes after every batch of samples: for sets too large for many sweeps.
    batch_size : int, default=1024
        Samples of a batch, where `online`.
    forget : float, default=0.8
        What a batch leaves of the sums over those before, in (0, 1].
    device : str or int, default="auto"
        "auto" (a real GPU where there is one, else the CPU), "cpu", "gpu", or the number or a part of the name of one of
        :func:`deepnmf.devices`.
    precision : {"auto", "float16", "float32", "float64"}, default="auto"
        "auto" computes as X is: float64 in float64 (on the CPU), float32 and uint8 in float32.
    stream : bool or "auto", default="auto"
        Whether samples are read anew in every pass instead of being held. "auto": those of a file or a memory map, where memory has no
        room for them.
    checkpoint : path, default=None
        Where the fit is written down while it runs, once in `checkpoint_every` seconds, and where it is stopped.
    checkpoint_every : float, default=60
        Seconds between two checkpoints.
    resume : bool, default=False
        Whether the fit goes on from `checkpoint`, to the bits of one that was never stopped.
    random_state : int, RandomState or None, default=None
        The seed of whatever is random. An int is the command's ``--seed``.
    verbose : int, default=0
        Whether a bar is shown.
    options : dict, default=None
        Further settings of the engine by their names: "activate", "penalty_scale", "theta", "graph", "ridge", "pretrain_samples",
        "inner", "passes", "extrapolate", "metric", "restart", "balance", "hidden", "power_iterations", "x_storage".

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The components of the last layer, ``(W_1 … W_L)ᵀ``.
    weights_ : list of ndarray
        W_l, of shape (k_{l-1}, k_l) with k_0 = n_features.
    coefficients_ : ndarray of shape (n_samples, n_components)
        H of the samples of the fit.
    hidden_ : list of ndarray
        H of the layers below the last, where ``options={"hidden": True}`` asks for them.
    reconstruction_err_ : float
        ``‖X − X̂‖`` of the samples of the fit.
    relative_error_ : float
        The same by ``‖X‖``.
    n_iter_ : int
        Iterations of the last stage.
    history_ : dict
        "pretrain": the objective of every layer over time; "finetune": that of the whole.
    device_ : str
        The device of the fit.
    n_features_in_ : int
        Features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has names.

    See Also
    --------
    NMF : One layer, with the names of scikit-learn.

    Notes
    -----
    Penalties are compared with the data at the start, so that constants do not depend on the scale of X or the number of samples.
    Images are often scaled to length 1 first: ``make_pipeline(Normalizer(), DeepNMF())`` is what the command does.

    References
    ----------
    Guo & Zhang, *Sparse Deep Nonnegative Matrix Factorization*, 2020. Trigeorgis et al., *A Deep Semi-NMF Model for Learning
    Hidden Representations*, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from deepnmf import DeepNMF
    >>> X = np.random.default_rng(0).random((100, 20), dtype=np.float32)
    >>> DeepNMF([8, 3], random_state=0).fit_transform(X).shape
    (100, 3)
    """

    def __init__(
        self,
        layers: Any = None,
        *,
        model: str = "sdnmf-l",
        activation: str | None = None,
        solver: str = "auto",
        init: str | None = None,
        mu: Any = None,
        lam: Any = None,
        max_iter: int | None = None,
        pretrain: int | None = None,
        tol: float | None = None,
        target_error: float | None = None,
        online: bool = False,
        batch_size: int = 1024,
        forget: float = 0.8,
        device: Any = "auto",
        precision: str = "auto",
        stream: Any = "auto",
        checkpoint: Any = None,
        checkpoint_every: float = 60.0,
        resume: bool = False,
        random_state: Any = None,
        verbose: int = 0,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.layers = layers
        self.model = model
        self.activation = activation
        self.solver = solver
        self.init = init
        self.mu = mu
        self.lam = lam
        self.max_iter = max_iter
        self.pretrain = pretrain
        self.tol = tol
        self.target_error = target_error
        self.online = online
        self.batch_size = batch_size
        self.forget = forget
        self.device = device
        self.precision = precision
        self.stream = stream
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.random_state = random_state
        self.verbose = verbose
        self.options = options

    def _is_signed(self) -> bool:
        return bool(row_of(self.model).get("signed", False))

    def _layers_for(self, shape: tuple[int, int] | None) -> list[int]:
        if self.layers is not None:
            layers = [self.layers] if isinstance(self.layers, Integral) else list(self.layers)
            return [int(k) for k in layers]
        if shape is None:
            raise ValueError("layers: expected the components of every layer for samples in a file, got None")
        first = min(100, max(1, min(shape) // 2))
        if row_of(self.model).get("one_layer", False):
            return [first]
        return [first, max(1, first // 4)]

    def _settings(self, shape: tuple[int, int] | None) -> dict[str, Any]:
        given = {
            "activation": self.activation,
            "init": self.init,
            "mu": None if self.mu is None else np.atleast_1d(self.mu).tolist(),
            "lambda": None if self.lam is None else np.atleast_1d(self.lam).tolist(),
            "sweeps": self.max_iter,
            "pretrain": self.pretrain,
            "tol": self.tol,
            "target_error": self.target_error,
            # A model with one solver has its own "auto".
            "solver": None if self.solver == "auto" else self.solver,
            "online": {"batch": self.batch_size, "forget": self.forget} if self.online else None,
        }
        return {
            "model": self.model,
            "layers": self._layers_for(shape),
            "seed": seed_of(self.random_state),
            **{name: value for name, value in given.items() if value is not None},
            **(self.options or {}),
        }

    def fit(self, X: Samples, y: Any = None) -> DeepNMF:
        """Learn the components of samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or the path of a file
            Samples, nonnegative unless the model takes any sign. float32 and uint8 are taken as they lie in memory. A file is whatever
            the command reads; ``.npy``, HDF5, IDX and uncompressed ``.npz`` need not fit in memory.
        y : Ignored
            Not used.

        Returns
        -------
        self : DeepNMF
        """
        self.fit_transform(X)
        return self

    @with_callbacks
    def fit_transform(self, X: Samples, y: Any = None) -> Array:
        """Learn the components of samples, and return their coefficients.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or the path of a file
            As in :meth:`fit`.
        y : Ignored
            Not used.

        Returns
        -------
        H : ndarray of shape (n_samples, n_components)
            The coefficients of the last layer.
        """
        mapped = isinstance(X, np.memmap)
        X = self._checked(X, reset=True)
        shape = None if is_path(X) else X.shape
        stream = self.stream if self.stream != "auto" else None if mapped or is_path(X) else False
        keep = None
        if self.checkpoint is not None:
            keep = (str(self.checkpoint), float(self.checkpoint_every), bool(self.resume))
        elif self.resume:
            raise ValueError("resume=True goes on from a checkpoint, got checkpoint=None")
        # As many iterations as there are by default are not meant to be the last word.
        asked = any(value is not None for value in (self.max_iter, self.tol, self.target_error))
        self._fit_engine(X, self._settings(shape), stream=stream, keep=keep, warn_of_iterations=asked)
        return self.coefficients_

    @if_online
    @with_callbacks
    def partial_fit(self, X: Any, y: Any = None) -> DeepNMF:
        """Let the components follow after further samples, by the online way: ``W`` from sums that forget (`batch_size`, `forget`).

        The first call fits to its samples, online; a model that is fitted or loaded goes on from what it is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, of any number.
        y : Ignored
            Not used.

        Returns
        -------
        self : DeepNMF
            With the `coefficients_` and errors of these samples.
        """
        if is_path(X):
            raise ValueError("partial_fit takes an array, got a path")
        first = not hasattr(self, "weights_")
        X = self._checked(X, reset=first)
        settings = {**self._settings(X.shape), "online": {"batch": self.batch_size, "forget": self.forget}}
        if first:
            self._fit_engine(X, settings, warn_of_iterations=False)
            dtype = self.weights_[0].dtype
            X = X.astype(dtype, copy=False)
            self._memory = (X.T @ self.coefficients_, *self._gram())
            return self
        dtype = self.weights_[0].dtype
        X = X.astype(dtype, copy=False)
        known = json.loads(self._metadata)
        if known["preprocess"]["scale"] != "none":
            raise ValueError("samples of the training were scaled by the command; fit a model to samples as they are")
        if not hasattr(self, "_memory"):
            # What XᵀH is where W is at its minimum.
            gram, weight, explained = self._gram()
            self._memory = (np.ascontiguousarray(self.components_.T @ gram), gram, weight, explained)
        engine = engine_for("cpu" if dtype == np.float64 else self.device, f"f{8 * dtype.itemsize}")
        settings |= {"layers": known["layers"], "model": known["model"]}
        arrays, memory = engine.learn(X, self._arrays(), self._metadata, json.dumps(settings), self._memory)
        _, error = _engine.reconstruct((arrays[0], arrays[1], []), self._metadata, X)
        known |= {"n_samples": len(X), "relative_error": error}
        self._set_factors((arrays[0], arrays[1], []), json.dumps(known))
        self._memory = memory
        self.reconstruction_err_ = self.relative_error_ * float(np.linalg.norm(X))
        return self

    def _gram(self) -> tuple[Array, float, float]:
        """HᵀH of the samples of the fit, which weighs 1, and their ‖X‖²: what is explained, by its share."""
        gram = self.coefficients_.T @ self.coefficients_
        explained = float(np.sum((self.components_ @ self.components_.T) * gram, dtype=np.float64))
        return gram, 1.0, explained / max(1.0 - self.relative_error_**2, 1e-9)

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
        if not 1 <= layer <= len(self.weights_):
            raise ValueError(f"layer must be from 1 to {len(self.weights_)}, got {layer}")
        return self._components_of(layer)

    def transform_layer(self, X: Samples, layer: int, ridge: float | None = None) -> Array:
        """Describe samples by the components of any layer.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or the path of a file
            Samples of the kind that the model was fitted to.
        layer : int
            From 1 to the number of layers.
        ridge : float, default=None
            C of a ridge ``C tr(G)/k`` on the coefficients, G the Gram of the k components; None for the model's own.

        Returns
        -------
        H : ndarray of shape (n_samples, k_l)
        """
        return self._compute_transform(X, layer, ridge)

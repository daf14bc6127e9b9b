"""The deep models."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import _engine
from . import _settings as check
from ._base import Array, FactorModel, Samples, if_online, is_path, with_callbacks
from ._device import engine_for, row_of


class DeepNMF(FactorModel):
    """Sparse deep nonnegative matrix factorization.

    X (n_samples × n_features, a row per sample) is approximated by ``H (W_1 W_2 … W_L)ᵀ`` with ``H ≥ 0`` and, but for the
    Semi-NMF models, ``W_l ≥ 0``. Layers are trained one after another, each on the H of the layer below, and then all together.

    Parameters
    ----------
    layers : int or sequence of int, default=None
        Components of every layer, from the first one on. None: two layers, half of ``min(n_samples, n_features)`` but at most 100,
        and a quarter of that; one layer where the model has no more.
    model : str, default="sdnmf-l"
        One of :func:`deepnmf.models`. Of any depth: "dnmf" (no penalty), "sdnmf-l" (sparse W), "sdnmf-r" (sparse H), "sdnmf-rl1"
        (sparse W and H), "sdnmf-rl2" (sparse W, small H), "multilayer-nmf" (layers one by one, smoothed), "deep-semi-nmf" (X and W of
        any sign). Of one layer: "nenmf" (Nesterov's method), "pgnmf" (projected gradient), "nmf-mu" (multiplicative updates), "nsnmf"
        (smoothed), "gnmf" (H smooth over a graph of neighbours), "semi-nmf" (X and W of any sign).
    activation : {"root", "tanh", "sigmoid", "softplus"}, default=None
        None: a linear model. Else ``X ≈ p(… p(H W_Lᵀ) …) W_1ᵀ``, entry by entry: ``p(y) = y²`` for "root", ``tanh y``,
        ``2/(1 + exp(−y)) − 1`` for "sigmoid", ``log(1 + exp(y)) − log 2`` for "softplus".
    solver : {"auto", "nesterov", "cd"}, default="auto"
        How blocks are solved: by Nesterov's method or coordinate descent. "auto" is the one that is faster: "cd" on the CPU, and for one
        layer without a penalty on W on a GPU, too.
    init : {"nndsvd", "nndsvda", "nndsvdar", "random", "svd"}, default=None
        The start of every layer. None: "nndsvd", of the Semi-NMF models "svd".
    mu : float or sequence of float, default=None
        Penalty constant of W, one or one per layer. None: 0.001. Up to some 0.1 W is the sparser the greater it is; beyond, the scale of
        W gives way instead. Only for models with this penalty.
    lam : float or sequence of float, default=None
        Penalty constant of H, the same. None: 0.001, of "sdnmf-rl2" 0.0001. Only for models with this penalty.
    max_iter : int, default=None
        The most sweeps of fine-tuning; with one layer, of its iterations. None: 40 for "dnmf" and the models "sdnmf-…", 100 or 200 for
        the others.
    pretrain : int, default=None
        The most iterations of pre-training per layer. None: 20 for "dnmf" and the models "sdnmf-…", 200 for the others.
    tol : float, default=None
        A stage ends where the objective changes by no more than this share in an iteration; 0 for never. None: 1e-4 or, for models
        that converge slowly, 1e-5.
    target_error : float, default=None
        The fit ends as soon as ``‖X − X̂‖/‖X‖`` is at most this.
    online : bool, default=False
        Whether W changes after every batch of `batch_size` samples: for sets too large for many sweeps.
    batch_size : int, default=1024
    forget : float, default=0.8
        What a batch leaves of the sums over those before, in (0, 1].
    device : str or int, default="auto"
        "auto" (a real GPU where there is one, else the CPU), "cpu", "gpu", or the number or a part of the name of one of
        :func:`deepnmf.devices`.
    precision : {"auto", "float16", "float32", "float64"}, default="auto"
        "auto" computes as X is: float64 in float64 (on the CPU), float32 and uint8 in float32. A file is computed in float32,
        whatever its numbers are.
    stream : bool or "auto", default="auto"
        Whether samples are read anew in every pass instead of being held. "auto": those of a file or a memory map, where memory has no
        room for them.
    checkpoint : path, default=None
        Where the fit is written down while it runs, once in `checkpoint_every` seconds, and where it is stopped. Its folder has to
        be there.
    checkpoint_every : float, default=60
        Seconds between two checkpoints; 0: one after every iteration.
    resume : bool, default=False
        Whether the fit goes on from `checkpoint`, to the bits of one that was never stopped. Unless `random_state` is an int, the seed
        is that of the checkpoint.
    random_state : int, RandomState or None, default=None
        The seed of whatever is random. An int is the command's ``--seed``.
    verbose : int, default=0
        Whether a bar is shown.
    options : dict, default=None
        Further settings, which the command has, too:

        * "hidden" (bool): `hidden_` is made.
        * "ridge" (float): C of a ridge ``C tr(G)/k`` on coefficients of new samples, G the Gram matrix of the k components.
        * "pretrain_samples" (int or None): layers are pre-trained on so many samples, by default 65,536.
        * "theta" (float): the smoothing of "nsnmf" and "multilayer-nmf".
        * "graph" (dict): of "gnmf", ``{"neighbors": 5, "weights": "heat", "lambda": 100.0}``; weights also "binary", "cosine".
        * "penalty_scale" ("scale-free", "absolute"): "absolute" takes `mu` and `lam` as they stand in the objective.
        * "elastic_net" (dict): penalties per entry, of one layer, ``{"w": {"l1": 0.0, "l2": 0.0}, "h": {"l1": 0.0, "l2": 0.0}}``.
        * "activate" ("hidden", "all"): whether the activation is of the last H, too.
        * "extrapolate" ("none", "pretrain", "all"): stages whose iterations are extrapolated.
        * "inner" (int), "metric" ("diagonal", "plain"), "restart" (bool), "power_iterations" (int): Nesterov steps of a block, and how
          they are made; "passes" (int or None): passes of coordinate descent over a block.
        * "balance" (dict of bool): "layers", "penalties", "lengths"; which free scales between W and H are taken out.
        * "x_storage" ("auto", "f32", "f16", "u8"): how X lies in the memory of a GPU.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The components of the last layer, ``(W_1 … W_L)ᵀ``. Of a model of one layer they can be assigned; else change `weights_`.
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

    Ctrl-C ends a fit after the iteration under way, and raises KeyboardInterrupt. The estimator then has the factors so far; layers
    that were still to come have one iteration from a random start. With `checkpoint` and `resume` the fit goes on as if it had not been
    stopped. A callback (``set_callbacks``, scikit-learn 1.9) is called after every iteration with a dict `metadata` of "stage", "layer",
    "iteration", "objective" and "relative_error"; the fit ends where its ``on_fit_task_end`` returns True. It gets a
    ``fitted_estimator`` at the end of the whole fit: during an iteration the factors are on the device.

    References
    ----------
    Guo & Zhang, *Sparse Deep Nonnegative Matrix Factorization*, 2020. Trigeorgis et al., *A Deep Semi-NMF Model for Learning
    Hidden Representations*, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from deepnmf import DeepNMF
    >>> X = np.random.default_rng(0).random((100, 20), dtype=np.float32)
    >>> model = DeepNMF([8, 3], random_state=0)
    >>> H = model.fit_transform(X)
    >>> H.shape, model.components(1).shape, model.components_.shape
    ((100, 3), (8, 20), (3, 20))
    >>> model.transform(X[:2]).shape, model.inverse_transform(H).shape
    ((2, 3), (100, 20))
    """

    def __init__(
        self,
        layers: int | Sequence[int] | Array | None = None,
        *,
        model: str = "sdnmf-l",
        activation: str | None = None,
        solver: str = "auto",
        init: str | None = None,
        mu: float | Sequence[float] | Array | None = None,
        lam: float | Sequence[float] | Array | None = None,
        max_iter: int | None = None,
        pretrain: int | None = None,
        tol: float | None = None,
        target_error: float | None = None,
        online: bool = False,
        batch_size: int = 1024,
        forget: float = 0.8,
        device: str | int = "auto",
        precision: str = "auto",
        stream: bool | str = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 60.0,
        resume: bool = False,
        random_state: int | np.random.RandomState | None = None,
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
            return check.layers(self.layers)
        if shape is None:
            raise ValueError("layers must be given for samples in a file, got None")
        first = min(100, max(1, min(shape) // 2))
        if row_of(self.model).get("one_layer", False):
            return [first]
        return [first, max(1, first // 4)]

    def _penalty(self, name: str, depth: int) -> list[float] | None:
        value = getattr(self, name)
        if value is None:
            return None
        if not row_of(self.model).get(name, True):
            raise ValueError(f"{name} does not apply to model={self.model!r}, which has no such penalty; got {name}={value!r}")
        return check.constants(name, value, depth)

    def _settings(self, shape: tuple[int, int] | None, seed: int | None = None) -> dict[str, Any]:
        check.word("model", self.model)
        layers = self._layers_for(shape)
        # A model with one solver has its own "auto".
        check.one_of("solver", self.solver, ["auto", "nesterov", "cd"])
        check.one_of("activation", self.activation, [None, "root", "tanh", "sigmoid", "softplus"])
        check.one_of("init", self.init, [None, "nndsvd", "nndsvda", "nndsvdar", "random", "svd"])
        online = self._online()
        given = {
            "activation": self.activation,
            "init": self.init,
            "mu": self._penalty("mu", len(layers)),
            "lambda": self._penalty("lam", len(layers)),
            "sweeps": None if self.max_iter is None else check.whole("max_iter", self.max_iter),
            "pretrain": None if self.pretrain is None else check.whole("pretrain", self.pretrain),
            "tol": None if self.tol is None else check.real("tol", self.tol, "[0, 1)"),
            "target_error": None if self.target_error is None else check.real("target_error", self.target_error, "(0, 1)"),
            "solver": None if self.solver == "auto" else self.solver,
            "online": online if check.flag("online", self.online) else None,
        }
        return {
            "model": self.model,
            "layers": layers,
            "seed": check.seed_of(self.random_state) if seed is None else seed,
            **{name: value for name, value in given.items() if value is not None},
            **check.options_of(self.options, self.get_params(deep=False)),
        }

    def _online(self) -> dict[str, Any]:
        batch, forget = check.whole("batch_size", self.batch_size, 1), check.real("forget", self.forget, "(0, 1]")
        return {"batch": batch, "forget": forget}

    def fit(self, X: Samples, y: Any = None) -> DeepNMF:
        """Learn the components of samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or the path of a file
            Samples, nonnegative unless the model takes any sign. float32 and uint8 are taken as they lie in memory. A file is whatever
            the command reads, in float32; ``.npy``, HDF5, IDX and uncompressed ``.npz`` need not fit in memory. Sparse matrices are
            refused: ``X.toarray()``.
        y : Ignored
            Not used.

        Returns
        -------
        self : DeepNMF
        """
        self.fit_transform(X, y)
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
        check.verbosity(self.verbose)
        if self.stream != "auto":
            check.flag("stream", self.stream, "'auto', True or False")
        keep, seed = check.checkpoints_of(self.checkpoint, self.checkpoint_every, self.resume, self.random_state)
        mapped = isinstance(X, np.memmap)
        X = self._checked(X, reset=True)
        shape = None if is_path(X) else X.shape
        stream = bool(self.stream) if self.stream != "auto" else None if mapped or is_path(X) else False
        # As many iterations as there are by default are not meant to be the last word.
        asked = any(value is not None for value in (self.max_iter, self.tol, self.target_error))
        self._fit_engine(X, self._settings(shape, seed), stream=stream, keep=keep, warn_of_iterations=asked, y=y)
        return self.coefficients_

    @if_online
    @with_callbacks
    def partial_fit(self, X: Any, y: Any = None) -> DeepNMF:
        """Let the components follow after further samples, by the online way: ``W`` from sums that forget (`batch_size`, `forget`).

        The first call fits to its samples, online; a model that is fitted or loaded goes on from what it is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, of any number. From those that are all zero a fitted model learns nothing: it stays as it is.
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
        settings = {**self._settings(X.shape), "online": self._online()}
        if first:
            self._fit_engine(X, settings, warn_of_iterations=False, y=y)
            dtype = self.weights_[0].dtype
            X = X.astype(dtype, copy=False)
            self._memory = (X.T @ self.coefficients_, *self._gram())
            return self
        if not X.any():
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

    def transform_layer(self, X: Samples, layer: int, ridge: float | None = None) -> Array:
        """Describe samples by the components of any layer, with the penalty that the fit had on that layer, as :meth:`transform` does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or the path of a file
            Samples of the kind that the model was fitted to.
        layer : int
            From 1 to the number of layers.
        ridge : float, default=None
            C of a ridge ``C tr(G)/k`` on the coefficients, G the Gram of the k components; None for the model's own, 0 for none.

        Returns
        -------
        H : ndarray of shape (n_samples, k_l)
        """
        check_is_fitted(self)
        layer = check.whole("layer", layer, 1, len(self.weights_))
        return self._compute_transform(X, layer, None if ridge is None else check.real("ridge", ridge))

"""One layer, with the names of scikit-learn."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import _settings as check
from ._base import Array, FactorModel, Samples, is_path, with_callbacks


class NMF(FactorModel):
    """Nonnegative matrix factorization, ``X ≈ W H``, with the parameters of scikit-learn's class of that name.

    With the Frobenius loss, and penalties as scikit-learn defines them::

        ½‖X − W H‖² + n_features alpha_W (l1_ratio Σ W + ½ (1 − l1_ratio) ‖W‖²)
                    + n_samples  alpha_H (l1_ratio Σ H + ½ (1 − l1_ratio) ‖H‖²)

    Here W is n_samples × n_components, which :meth:`fit_transform` returns, and H is `components_`.

    Where X is all zero, so are the factors, with a warning. Samples are dense arrays: sparse matrices are refused, and the path of a
    file is taken by :meth:`transform` only (:class:`DeepNMF` fits to files, too).

    Parameters
    ----------
    n_components : int, "auto" or None, default="auto"
        The number of components; "auto" and None: as many as features, or as the H of ``init="custom"`` has.
    init : {"random", "nndsvd", "nndsvda", "nndsvdar", "custom"}, default=None
        The start. None: "nndsvda" for n_components ≤ min(n_samples, n_features), else "random". Where entries have penalties a random
        start gets three iterations without them first.
    solver : {"auto", "cd", "nesterov", "mu"}, default="auto"
        Coordinate descent, Nesterov's method, or multiplicative updates, which take no penalties. "auto" is "cd", on any device.
    beta_loss : "frobenius" or 2, default="frobenius"
        The only loss there is.
    tol : float, default=1e-4
        The fit ends where the objective changes by no more than this share in an iteration; 0 for never. (scikit-learn measures the
        gradient instead.)
    max_iter : int, default=200
        The most iterations.
    random_state : int, RandomState or None, default=None
        The seed of whatever is random.
    alpha_W : float, default=0.0
        The constant of the penalty on W.
    alpha_H : float or "same", default="same"
        The constant of the penalty on H.
    l1_ratio : float, default=0.0
        The share of the sum of the entries in a penalty, from 0 to 1.
    verbose : int, default=0
        Whether a bar is shown.
    shuffle : bool, default=False
        Only False: coordinates are visited in order.
    device : str or int, default="auto"
        See :class:`DeepNMF`.
    precision : {"auto", "float16", "float32", "float64"}, default="auto"
        See :class:`DeepNMF`.

    Attributes
    ----------
    coefficients_ : ndarray of shape (n_samples, n_components)
        W of the samples of the fit.
    components_ : ndarray of shape (n_components, n_features)
        H. It can be assigned or changed in place; :meth:`transform` and :meth:`inverse_transform` use it.
    n_components_ : int
        The number of components.
    reconstruction_err_ : float
        ``‖X − W H‖`` of the samples of the fit.
    relative_error_ : float
        The same by ``‖X‖``.
    n_iter_ : int
        Iterations that were made.
    n_features_in_ : int
        Features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has names.

    See Also
    --------
    DeepNMF : More than one layer, other models.

    Examples
    --------
    >>> import numpy as np
    >>> from deepnmf import NMF
    >>> X = np.array([[1, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
    >>> W = NMF(n_components=2, init="random", random_state=0).fit_transform(X)
    >>> W.shape
    (6, 2)
    """

    _names = {
        "lower mu and lam)": "lower alpha_W and alpha_H)",
        "choose smaller layers": "choose a smaller n_components",
        "layers ": "n_components=",
    }

    def __init__(
        self,
        n_components: int | str | None = "auto",
        *,
        init: str | None = None,
        solver: str = "auto",
        beta_loss: str | float = "frobenius",
        tol: float = 1e-4,
        max_iter: int = 200,
        random_state: int | np.random.RandomState | None = None,
        alpha_W: float = 0.0,
        alpha_H: float | str = "same",
        l1_ratio: float = 0.0,
        verbose: int = 0,
        shuffle: bool = False,
        device: str | int = "auto",
        precision: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.solver = solver
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.verbose = verbose
        self.shuffle = shuffle
        self.device = device
        self.precision = precision

    def _refuse(self) -> None:
        if self.beta_loss not in ("frobenius", 2):
            raise ValueError(f"beta_loss={self.beta_loss!r} is not supported; there is 'frobenius'")
        if check.flag("shuffle", self.shuffle):
            raise ValueError("shuffle=True is not supported: coordinates are visited in order")
        check.one_of("solver", self.solver, ["auto", "cd", "nesterov", "mu"])
        check.one_of("init", self.init, [None, "random", "nndsvd", "nndsvda", "nndsvdar", "custom"])
        check.whole("max_iter", self.max_iter, 1)
        check.real("tol", self.tol, "[0, 1)")
        check.real("alpha_W", self.alpha_W)
        if not isinstance(self.alpha_H, str) or self.alpha_H != "same":
            check.real("alpha_H", self.alpha_H)
        check.real("l1_ratio", self.l1_ratio, "[0, 1]")
        check.verbosity(self.verbose)
        if self.n_components is not None and not (isinstance(self.n_components, str) and self.n_components == "auto"):
            check.whole("n_components", self.n_components, 1)

    def _elastic_net(self, n: int, m: int) -> dict[str, dict[str, float]]:
        alpha_w = float(self.alpha_W)
        alpha_h = alpha_w if isinstance(self.alpha_H, str) else float(self.alpha_H)
        ratio = float(self.l1_ratio)

        def of(alpha: float) -> dict[str, float]:
            return {"l1": alpha * ratio, "l2": alpha * (1.0 - ratio)}

        # What is H here is W there: samples have coefficients H, and components are the columns of W.
        return {"h": of(m * alpha_w), "w": of(n * alpha_h)}

    def _settings(self, n: int, m: int, k: int) -> dict[str, Any]:
        net = self._elastic_net(n, m)
        penalised = any(value for of_one in net.values() for value in of_one.values())
        if penalised and self.solver == "mu":
            raise ValueError("solver='mu' takes no penalties, got alpha_W or alpha_H")
        init = self.init or ("nndsvda" if k <= min(n, m) else "random")
        settings: dict[str, Any] = {
            "model": "nmf-mu" if self.solver == "mu" else "dnmf",
            "layers": [k],
            "seed": check.seed_of(self.random_state),
            "sweeps": self.max_iter,
            "tol": self.tol,
        }
        if init != "custom":
            settings["init"] = init
        if self.solver != "mu":
            settings["solver"] = self.solver
        if penalised:
            settings |= {"elastic_net": net, "penalty_scale": "absolute"}
        return settings

    def _start(self, X: Array, W: Any, H: Any) -> list[tuple[Array, Array]] | None:
        if self.init != "custom":
            if W is not None or H is not None:
                raise ValueError(f"W and H are the start of init='custom', got init={self.init!r}")
            return None
        if W is None or H is None:
            found = "none" if W is None and H is None else "H only" if W is None else "W only"
            raise ValueError(f"init='custom' starts from W and H, got {found}")
        dtype = self._dtype_for(X)
        w, h = np.ascontiguousarray(W, dtype=dtype), np.ascontiguousarray(np.asarray(H).T, dtype=dtype)
        for name, of in (("W", w), ("H", h)):
            if of.ndim != 2 or not np.isfinite(of).all() or of.min(initial=0) < 0:
                raise ValueError(f"{name} must be a 2D array of finite numbers of at least 0")
            if not of.any():
                # As in scikit-learn: from there nothing has a direction to go.
                raise ValueError(f"{name} must not be all zero: it is what the fit starts from")
        return [(h, w)]

    def fit(self, X: Any, y: Any = None, W: Any = None, H: Any = None) -> NMF:
        """Learn the components of samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Nonnegative samples.
        y : Ignored
            Not used.
        W, H : array-like, default=None
            The start of ``init="custom"``.

        Returns
        -------
        self : NMF
        """
        self.fit_transform(X, y, W=W, H=H)
        return self

    @with_callbacks
    def transform(self, X: Samples) -> Array:
        """Describe samples by the components.

        A sample x gets the h of ``min ½‖x − h C‖² + n_features alpha_W (l1_ratio Σ h + ½ (1 − l1_ratio) ‖h‖²)`` over h ≥ 0, C being the
        components. Every sample is solved for by itself, to rounding: ‖x − h C‖ is within about
        1e-7 ‖x‖ of the least, however ill-conditioned C is; on a GPU, in float32, within 1e-4 ‖x‖ at a condition number of 1000. 
        A fit in float32 has coefficients of that accuracy, for samples in float64, too.

        The columns of a file that has names for them are taken by the names of the model's features, where these have any.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or the path of a file
            Samples of the kind that the model was fitted to.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components)
            Nonnegative coefficients, a row per sample.
        """
        return self._compute_transform(X)

    def fit_transform(self, X: Any, y: Any = None, W: Any = None, H: Any = None) -> Array:
        """Learn the components of samples, and return their coefficients.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Nonnegative samples.
        y : Ignored
            Not used.
        W, H : array-like, default=None
            The start of ``init="custom"``.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components)
        """
        self._refuse()
        if is_path(X):
            raise ValueError(f"NMF fits to an array, got the path {os.fspath(X)!r}; DeepNMF([k], model='dnmf') fits to files")
        X = self._checked(X, reset=True)
        start = self._start(X, W, H)
        n, m = X.shape
        k = m if self.n_components in (None, "auto") else int(self.n_components)
        if start is not None and self.n_components in (None, "auto"):
            k = start[0][0].shape[1]
        self._fit_engine(X, self._settings(n, m, k), start=start, zeros=not X.any(), y=y)
        return self.coefficients_

    @property
    def n_components_(self) -> int:
        """The number of components."""
        return int(self.components_.shape[0])

"""One layer, with the names of scikit-learn."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from ._base import Array, FactorModel, Samples, seed_of, with_callbacks


class NMF(FactorModel):
    """Nonnegative matrix factorization, ``X ≈ W H``, with the parameters of scikit-learn's class of that name.

    With the Frobenius loss, and penalties as scikit-learn defines them::

        ½‖X − W H‖² + n_features alpha_W (l1_ratio Σ W + ½ (1 − l1_ratio) ‖W‖²)
                    + n_samples  alpha_H (l1_ratio Σ H + ½ (1 − l1_ratio) ‖H‖²)

    Here W is n_samples × n_components, which :meth:`fit_transform` returns, and H is `components_`.

    Parameters
    ----------
    n_components : int, "auto" or None, default="auto"
        The number of components; "auto" and None: as many as features, or as the H of ``init="custom"`` has.
    init : {"random", "nndsvd", "nndsvda", "nndsvdar", "custom"}, default=None
        The start. None: "nndsvda" for n_components ≤ min(n_samples, n_features), else "random".
    solver : {"auto", "cd", "nesterov", "mu"}, default="auto"
        Coordinate descent, Nesterov's method, or multiplicative updates, which take no penalties. "auto" is the one of the first two
        that is faster on the device.
    beta_loss : "frobenius" or 2, default="frobenius"
        The only loss there is.
    tol : float, default=1e-4
        The fit ends where the objective changes by no more than this share in an iteration; 0 for never. (scikit-learn measures the
        gradient instead.)
    max_iter : int, default=200
        The most iterations; one plain iteration follows those that are extrapolated.
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
    components_ : ndarray of shape (n_components, n_features)
        H.
    n_components_ : int
        The number of components.
    reconstruction_err_ : float
        ``‖X − W H‖`` of the samples of the fit.
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

    def __init__(
        self,
        n_components: Any = "auto",
        *,
        init: str | None = None,
        solver: str = "auto",
        beta_loss: Any = "frobenius",
        tol: float = 1e-4,
        max_iter: int = 200,
        random_state: Any = None,
        alpha_W: float = 0.0,
        alpha_H: Any = "same",
        l1_ratio: float = 0.0,
        verbose: int = 0,
        shuffle: bool = False,
        device: Any = "auto",
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
        if self.shuffle:
            raise ValueError("shuffle=True is not supported: coordinates are visited in order")
        if self.solver not in ("auto", "cd", "nesterov", "mu"):
            raise ValueError(f"solver must be 'auto', 'cd', 'nesterov' or 'mu', got {self.solver!r}")
        for name in ("alpha_W", "alpha_H", "l1_ratio", "tol"):
            value: Any = getattr(self, name)
            if name == "alpha_H" and isinstance(value, str) and value == "same":
                continue
            if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
                raise TypeError(f"{name} must be a number, got {value!r}")
            if not 0 <= value < np.inf or (name == "l1_ratio" and value > 1):
                raise ValueError(f"{name} must be at least 0{' and at most 1' if name == 'l1_ratio' else ''}, got {value!r}")
        count = self.n_components
        if count is not None and count != "auto" and (not isinstance(count, Integral) or count < 1):
            raise ValueError(f"n_components must be an int of at least 1, 'auto' or None, got {count!r}")

    def _elastic_net(self, n: int, m: int) -> dict[str, dict[str, float]]:
        alpha_w = float(self.alpha_W)
        alpha_h = alpha_w if isinstance(self.alpha_H, str) else float(self.alpha_H)
        def of(alpha: float) -> dict[str, float]:
            return {"l1": alpha * self.l1_ratio, "l2": alpha * (1.0 - self.l1_ratio)}

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
            "seed": seed_of(self.random_state),
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
            raise ValueError("init='custom' starts from W and H, got none")
        dtype = self._dtype_for(X)
        w, h = np.ascontiguousarray(W, dtype=dtype), np.ascontiguousarray(np.asarray(H).T, dtype=dtype)
        for name, of in (("W", w), ("H", h)):
            if of.ndim != 2 or not np.isfinite(of).all() or of.min(initial=0) < 0:
                raise ValueError(f"{name} must be a 2D array of finite numbers of at least 0")
        return [(h, w)]

    def fit(self, X: Samples, y: Any = None, W: Any = None, H: Any = None) -> NMF:
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
        self.fit_transform(X, W=W, H=H)
        return self

    @with_callbacks
    def fit_transform(self, X: Samples, y: Any = None, W: Any = None, H: Any = None) -> Array:
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
        X = self._checked(np.asarray(X) if isinstance(X, str) else X, reset=True)
        start = self._start(X, W, H)
        n, m = X.shape
        k = m if self.n_components in (None, "auto") else int(self.n_components)
        if start is not None and self.n_components in (None, "auto"):
            k = start[0][0].shape[1]
        self._fit_engine(X, self._settings(n, m, k), start=start)
        return self.coefficients_

    @property
    def n_components_(self) -> int:
        """The number of components."""
        return int(self.components_.shape[0])

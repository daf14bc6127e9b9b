"""NMF beside scikit-learn's."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
import sklearn.datasets
import sklearn.decomposition
from sklearn.exceptions import ConvergenceWarning

import deepnmf
from deepnmf import NMF


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(1)
    return rng.random((80, 5)) ** 2 @ rng.random((5, 30)) ** 3 + 0.1 * rng.random((80, 30))


def test_parameters_are_scikit_learns():
    theirs, ours = (inspect.signature(of.__init__).parameters for of in (sklearn.decomposition.NMF, NMF))
    for name, parameter in theirs.items():
        assert name in ours
        # Of its two solvers it cannot choose one.
        assert name == "solver" or ours[name].default == parameter.default, name


PENALTIES = [
    {},
    {"alpha_W": 0.01},
    {"alpha_W": 0.01, "l1_ratio": 1.0},
    {"alpha_W": 0.02, "alpha_H": 0.005, "l1_ratio": 0.3},
    {"alpha_W": 0.005, "alpha_H": 0.02, "l1_ratio": 0.9},
]


def objective(x, w, h, alpha_W=0.0, alpha_H="same", l1_ratio=0.0):
    n, m = x.shape
    alpha_H = alpha_W if alpha_H == "same" else alpha_H
    of = lambda f, a: a * (l1_ratio * f.sum() + 0.5 * (1 - l1_ratio) * np.sum(f**2))
    return 0.5 * np.sum((x - w @ h) ** 2) + of(w, m * alpha_W) + of(h, n * alpha_H)


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("solver", ["cd", "nesterov"])
def test_the_same_objective_is_minimised(x, penalties, solver):
    settings = dict(n_components=4, tol=1e-10, max_iter=5000, random_state=0, **penalties)
    theirs, ours = sklearn.decomposition.NMF(**settings), NMF(solver=solver, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        w, v = theirs.fit_transform(x), ours.fit_transform(x)
    expected, found = objective(x, w, theirs.components_, **penalties), objective(x, v, ours.components_, **penalties)
    # There is more than one minimum.
    assert found <= expected * 1.02
    # From its end on there is nothing to gain, neither here nor there.
    again = sklearn.decomposition.NMF(**{**settings, "init": "custom", "max_iter": 200})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        w = again.fit_transform(x, W=v.copy(), H=ours.components_.copy())
    assert found <= objective(x, w, again.components_, **penalties) * (1 + 1e-5)
    # New samples, under the same penalties.
    new = x[::-1] * 1.5
    np.testing.assert_allclose(ours.transform(new), again_transform(ours, new, penalties), rtol=1e-3, atol=1e-3)


def again_transform(ours, new, penalties):
    theirs = sklearn.decomposition.NMF(n_components=4, tol=1e-10, max_iter=5000, **penalties)
    theirs.components_, theirs._n_components, theirs.n_components_, theirs.n_features_in_ = ours.components_, 4, 4, new.shape[1]
    return theirs.transform(new)


def test_by_default_it_gets_as_far(x):
    theirs, ours = sklearn.decomposition.NMF(4, random_state=0), NMF(4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(x), ours.fit(x)
    assert ours.reconstruction_err_ <= 1.005 * theirs.reconstruction_err_
    assert ours.n_components_ == 4 and ours.components_.shape == (4, 30)
    assert ours.reconstruction_err_ == pytest.approx(np.linalg.norm(x - ours.coefficients_ @ ours.components_))


@pytest.mark.parametrize("solver", ["cd", "nesterov"])
@pytest.mark.parametrize("data, k, alpha", [("iris", 2, 0.004), ("wine", 4, 0.2266), ("breast_cancer", 5, 0.2365)])
def test_penalties_leave_the_components_of_a_random_start(data, k, alpha, solver):
    x = getattr(sklearn.datasets, f"load_{data}")().data
    penalties = {"alpha_W": alpha, "l1_ratio": 0.5}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = sklearn.decomposition.NMF(k, init="random", random_state=0, max_iter=1000, **penalties)
        best = objective(x, theirs.fit_transform(x), theirs.components_, **penalties)
        for seed in range(4):
            ours = NMF(k, init="random", solver=solver, random_state=seed, max_iter=1000, **penalties)
            w = ours.fit_transform(x)
            # Before, with Nesterov's method: up to nine times as much.
            assert objective(x, w, ours.components_, **penalties) <= 1.25 * best, (seed, ours.n_iter_)


def test_a_start_of_ones_own(x):
    w, h = np.ones((80, 4)), np.ones((4, 30))
    h[:, ::3] = 0.5
    m = NMF(4, init="custom", max_iter=1)
    with pytest.warns(ConvergenceWarning):
        m.fit(x, W=w, H=h)
    assert m.n_iter_ == 1
    with pytest.raises(ValueError, match="init='custom'"):
        NMF(4).fit(x, W=w, H=h)
    with pytest.raises(ValueError, match="W and H"):
        NMF(4, init="custom").fit(x)
    with pytest.raises(ValueError, match="W of the start|H of the start"):
        NMF(4, init="custom").fit(x, W=w, H=h[:, :5])


def test_a_start_of_nothing(x):
    w, h = np.ones((80, 4)), np.ones((4, 30))
    # As scikit-learn's.
    for of in (NMF, sklearn.decomposition.NMF):
        for start in ({"W": 0 * w, "H": h}, {"W": w, "H": 0 * h}):
            with pytest.raises(ValueError, match="all zero|full of zeros"):
                of(4, init="custom").fit_transform(x, **start)


def test_components_of_its_layer(x):
    m = NMF(4, random_state=0, max_iter=5).fit(x)
    assert np.array_equal(m.components(1), m.components_)
    with pytest.raises(ValueError, match="layer must be an int from 1 to 1, got 2"):
        m.components(2)


def test_multiplicative_updates(x):
    assert NMF(4, solver="mu", max_iter=1000).fit(x).reconstruction_err_ < 0.2 * np.linalg.norm(x)
    with pytest.raises(ValueError, match="mu"):
        NMF(4, solver="mu", alpha_W=0.1).fit(x)


BAD = [
    ({"beta_loss": "kullback-leibler"}, ValueError, "beta_loss='kullback-leibler' is not supported"),
    ({"beta_loss": "itakura-saito"}, ValueError, "itakura-saito"),
    ({"shuffle": True}, ValueError, "shuffle=True"),
    ({"solver": "hals"}, ValueError, "solver must be"),
    ({"alpha_W": -1.0}, ValueError, "alpha_W must be a number of at least 0, got -1.0"),
    ({"alpha_H": "other"}, TypeError, "alpha_H"),
    ({"l1_ratio": 2.0}, ValueError, "l1_ratio"),
    ({"n_components": 0}, ValueError, "n_components"),
    ({"n_components": 2.5}, TypeError, "n_components must be an int of at least 1, got 2.5"),
    ({"init": "pca"}, ValueError, "init must be one of None, 'random', .*, 'custom', got 'pca'"),
    ({"init": "svd"}, ValueError, "init must be"),
    ({"max_iter": -3}, ValueError, "max_iter must be an int of at least 1, got -3"),
    ({"max_iter": 0}, ValueError, "max_iter"),
    ({"max_iter": 2.0}, TypeError, "max_iter"),
    ({"tol": np.nan}, ValueError, "tol must be"),
    ({"shuffle": "x"}, TypeError, "shuffle must be True or False, got 'x'"),
    ({"verbose": "a"}, TypeError, "verbose"),
]


@pytest.mark.parametrize(("settings", "error", "message"), BAD)
def test_what_it_does_not_take(x, settings, error, message):
    with pytest.raises(error, match=message):
        NMF(**{"n_components": 4, **settings}).fit(x)


def test_what_is_said_of_samples(x):
    with pytest.raises(ValueError, match="NMF fits to an array, got the path 'x.npy'; DeepNMF"):
        NMF(4).fit("x.npy")
    with pytest.raises(ValueError, match="got W only"):
        NMF(4, init="custom").fit(x, W=np.ones((80, 4)))
    # Penalties that leave nothing.
    with pytest.raises(ValueError, match="lower alpha_W and alpha_H") as raised:
        NMF(2, alpha_W=10, l1_ratio=1).fit(x)
    assert "of the command" not in str(raised.value)
    m = NMF(2).fit(x)
    m.components_[1, 3] = np.nan
    with pytest.raises(ValueError, match="the components contain NaN"):
        m.transform(x)


def test_components_of_ones_own(x):
    settings = dict(n_components=3, init="nndsvda", random_state=0, tol=1e-8, max_iter=2000)
    ours, theirs = NMF(**settings).fit(x), sklearn.decomposition.NMF(**settings).fit(x)
    h = ours.transform(x)
    # As in scikit-learn.
    for model in (ours, theirs):
        before = model.transform(x)
        model.components_ = model.components_ * 2
        np.testing.assert_allclose(model.transform(x), before / 2, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours.inverse_transform(h), h @ ours.components_, rtol=1e-9)
    ours.components_[0, 0] = 99
    assert ours.inverse_transform(h)[:, 0] == pytest.approx(h @ ours.components_[:, 0]) and ours.components_[0, 0] == 99
    with pytest.raises(ValueError, match="must have the shape"):
        ours.components_ = np.ones((4, 30))
    with pytest.raises(AttributeError, match="not fitted"):
        NMF().components_ = np.ones((4, 30))


def test_a_file_keeps_penalties(x, tmp_path):
    ours = NMF(3, alpha_W=0.01, l1_ratio=1.0, random_state=0, max_iter=1000, tol=1e-7).fit(x.astype(np.float32))
    deepnmf.save(ours, tmp_path / "m.safetensors")
    again = deepnmf.load(tmp_path / "m.safetensors", device="cpu")
    np.testing.assert_allclose(again.transform(x), ours.transform(x.astype(np.float32)), rtol=1e-5, atol=1e-6)
    assert again.options["elastic_net"]["h"] == {"l1": pytest.approx(0.3), "l2": 0.0}
    assert np.array_equal(again.fit(x.astype(np.float32)).components_, ours.components_)


def test_numpys_numbers(x):
    plain = NMF(3, max_iter=5, tol=0.25, alpha_W=2**-7, l1_ratio=0.5, random_state=1).fit(x)
    settings = dict(max_iter=np.int64(5), tol=np.float32(0.25), alpha_W=np.float32(2**-7), l1_ratio=np.float16(0.5), random_state=np.int32(1))
    assert np.array_equal(NMF(np.int8(3), shuffle=np.bool_(False), **settings).fit(x).components_, plain.components_)


@pytest.mark.parametrize("unit", [1e-170, 1e155, 1e300])
def test_values_whose_squares_are_lost(unit):
    X = np.random.default_rng(0).random((30, 8))
    model = NMF(3, random_state=0, device="cpu")
    with pytest.raises(ValueError, match="between 1e-150 and 1e150"):
        model.fit(X * unit)
    made = [model.fit(X * scale).inverse_transform(model.transform(X * scale)) / scale for scale in (1e-140, 1.0)]
    np.testing.assert_allclose(*made, rtol=1e-5, atol=1e-9)
    with pytest.raises(ValueError, match="between 1e-150 and 1e150"):
        model.transform(X * unit)


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
def test_samples_that_are_all_zero(tmp_path, dtype):
    X = np.zeros((7, 5), dtype=dtype)
    theirs, ours = sklearn.decomposition.NMF(3), NMF(3, alpha_W=0.1, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs.fit_transform(X.astype(float))
    with pytest.warns(UserWarning, match="X is all zero"):
        w = ours.fit_transform(X)
    assert np.array_equal(w, expected) and np.array_equal(ours.components_, theirs.components_)
    assert (ours.n_iter_, ours.reconstruction_err_) == (theirs.n_iter_, theirs.reconstruction_err_) == (1, 0.0)
    assert not ours.transform(np.ones((2, 5), dtype=dtype)).any() and not ours.inverse_transform(w).any()
    deepnmf.save(ours, tmp_path / "zero.safetensors")
    assert not deepnmf.load(tmp_path / "zero.safetensors").components_.any()
    with pytest.raises(ValueError, match="all zero"):
        deepnmf.DeepNMF([3]).fit(X)


def test_no_more_iterations_than_were_asked_for(x):
    for solver in ["cd", "nesterov", "mu"]:
        for most in [1, 2, 7]:
            with pytest.warns(ConvergenceWarning, match=f"after {most} iterations"):
                assert NMF(4, solver=solver, max_iter=most, tol=1e-9).fit(x).n_iter_ == most

"""Parameters of DeepNMF: what they do, and what is said of those that do nothing."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import deepnmf
from deepnmf import NMF, DeepNMF, plot

BAD = [
    ({"model": "sdnmf-x"}, ValueError, "no model is called `sdnmf-x`; there are dnmf"),
    ({"layers": []}, ValueError, "layers must be an int or a sequence of ints of at least 1"),
    ({"layers": [0]}, ValueError, "layers must be .* got"),
    ({"layers": [8, -1]}, ValueError, "layers must be"),
    ({"layers": -1}, ValueError, "layers must be .* got .*-1"),
    ({"layers": 2.0}, TypeError, "layers must be .* got 2.0"),
    ({"layers": True}, TypeError, "layers must be .* got True"),
    ({"layers": "4,2"}, TypeError, "layers must be .* got '4,2'"),
    ({"solver": "best"}, ValueError, "solver must be one of 'auto', 'nesterov', 'cd', got 'best'"),
    ({"solver": 3}, ValueError, "solver must be one of"),
    ({"activation": "relu"}, ValueError, "activation must be one of"),
    ({"init": "svd"}, ValueError, "init svd"),
    ({"init": 3}, ValueError, "init must be one of"),
    ({"tol": -1.0}, ValueError, "tol must be a number in"),
    ({"tol": np.nan}, ValueError, "tol must be .* got nan"),
    ({"mu": np.nan}, ValueError, "mu must be .* got nan"),
    ({"mu": np.inf}, ValueError, "mu must be a number of at least 0, got inf"),
    ({"mu": "a"}, TypeError, "mu must be"),
    ({"model": None}, TypeError, "model must be a str, got None"),
    ({"model": ["dnmf"]}, TypeError, "model must be a str"),
    ({"forget": np.nan}, ValueError, "forget must be .* got nan"),
    ({"target_error": np.nan}, ValueError, "target_error must be .* got nan"),
    ({"max_iter": -1}, ValueError, "max_iter must be an int of at least 0, got -1"),
    ({"max_iter": 10**30}, ValueError, "max_iter must be an int"),
    ({"batch_size": "a"}, TypeError, "batch_size must be an int"),
    ({"mu": [1.0, 2.0, 3.0]}, ValueError, "mu must be one number or one for each of 2 layers, got 3"),
    ({"online": "yes"}, TypeError, "online must be True or False"),
    ({"verbose": "a"}, TypeError, "verbose must be an int"),
    ({"stream": "x"}, TypeError, "stream must be 'auto', True or False"),
    ({"random_state": -1}, ValueError, "random_state"),
    ({"device": "abacus"}, ValueError, "no usable adapter has `abacus`"),
    ({"device": "abacus", "precision": "float64"}, ValueError, "no usable adapter has `abacus`"),
    ({"device": 97}, ValueError, "97"),
    ({"device": None}, TypeError, "device must be"),
    ({"precision": "double"}, ValueError, "precision must be"),
    ({"precision": "float64", "device": "gpu"}, ValueError, "float64 is computed on the CPU only"),
    ({"precision": "float16", "device": "cpu"}, ValueError, "f16"),
    ({"options": {"inner_steps": 3}}, ValueError, "options: no setting is called 'inner_steps'; there are activate"),
    ({"options": {"layers": [3]}}, ValueError, "options: 'layers' is set by the parameter layers"),
    ({"options": {"seed": 3}}, ValueError, "options: 'seed' is set by the parameter random_state"),
    ({"options": {"extrapolate": True}}, TypeError, "options: 'extrapolate' must be a str, got True"),
    ({"options": {"balance": 3}}, TypeError, "options: 'balance' must be a dict"),
    ({"options": {"theta": np.nan}}, ValueError, "options: 'theta' must be finite"),
    ({"options": {"inner": -1}}, ValueError, "options: 'inner' must be finite and at least 0, got -1"),
    ({"resume": True}, ValueError, "checkpoint"),
    ({"checkpoint": "no/folder/a"}, FileNotFoundError, "checkpoint: there is no folder no/folder"),
    ({"checkpoint": 3}, TypeError, "checkpoint must be a path, got 3"),
    ({"checkpoint": b"x"}, TypeError, "checkpoint must be a path"),
    ({"checkpoint": "a", "checkpoint_every": -1}, ValueError, "checkpoint_every must be a number of at least 0, got -1"),
    ({"checkpoint": "a", "checkpoint_every": np.nan}, ValueError, "checkpoint_every"),
    ({"model": "dnmf", "mu": 5}, ValueError, "mu does not apply to model='dnmf'"),
    ({"lam": 5}, ValueError, "lam does not apply to model='sdnmf-l'"),
    ({"layers": [10**9]}, MemoryError, "memory"),
]


@pytest.mark.parametrize(("settings", "error", "message"), BAD)
def test_what_it_does_not_take(x, settings, error, message):
    with pytest.raises(error, match=message):
        DeepNMF(**{"layers": [4, 2], "device": "cpu", **settings}).fit(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_memory_has_no_room_for(x, dtype):
    with pytest.raises(MemoryError, match="of 120 samples × 36 features need") as raised:
        DeepNMF([10**9], device="cpu").fit(x.astype(dtype))
    assert "17179869184" not in str(raised.value)
    with pytest.raises(MemoryError, match="n_components=1000000000 of 120 samples .* choose a smaller n_components"):
        NMF(10**9, device="cpu").fit(x.astype(dtype))


def test_files_that_cannot_be_written(x, tmp_path):
    m = DeepNMF([4, 2], random_state=0, device="cpu", max_iter=2).fit(x)
    (tmp_path / "file").write_text("")
    for write in (lambda path: deepnmf.save(m, path), lambda path: deepnmf.report(m, path=path)):
        for path, error in [
            (tmp_path, IsADirectoryError),
            (tmp_path / "file" / "m", NotADirectoryError),
            (tmp_path / "no" / "m", FileNotFoundError),
        ]:
            with pytest.raises(error, match=str(tmp_path)):
                write(path)


def test_numpys_numbers(x):
    plain = DeepNMF([4, 2], mu=0.25, max_iter=3, pretrain=3, tol=0, random_state=0, device="cpu", options={"inner": 3}).fit(x)
    settings = dict(mu=np.float32(0.25), max_iter=np.int64(3), pretrain=np.int8(3), tol=np.float32(0), random_state=np.int64(0))
    same = DeepNMF(np.array([4, 2]), device="CPU", online=np.bool_(False), options={"inner": np.int64(3)}, **settings).fit(x)
    assert np.array_equal(same.components_, plain.components_)
    search = GridSearchCV(DeepNMF(device="cpu", random_state=0), {"layers": np.arange(2, 5)}, cv=2, error_score="raise").fit(x)
    assert search.best_params_ == {"layers": 4}


def test_components_of_a_deep_model_are_a_product(x):
    m = DeepNMF([4, 2], random_state=0, device="cpu").fit(x)
    with pytest.raises(AttributeError, match="change weights_"):
        m.components_ = m.components_ * 2
    with pytest.raises(ValueError, match="read-only"):
        m.components_[0, 0] = 99
    before, h = m.components_, m.coefficients_
    m.weights_[1] *= 2
    np.testing.assert_allclose(m.components_, 2 * before, rtol=1e-6)
    np.testing.assert_allclose(m.inverse_transform(h), 2 * h @ before, rtol=1e-4, atol=1e-6)


def test_a_checkpoint_knows_its_seed(x, tmp_path):
    at = pathlib.Path(tmp_path) / "fit.checkpoint"
    settings = dict(init="random", tol=0, max_iter=6, device="cpu", checkpoint=at, checkpoint_every=0)
    # The seed is drawn, and was not written down by anyone.
    first = DeepNMF([4, 2], **settings).fit(x)
    again = DeepNMF([4, 2], resume=True, **settings).fit(x)
    assert np.array_equal(first.components_, again.components_)
    with pytest.raises(ValueError, match="seed: expected"):
        DeepNMF([4, 2], resume=True, random_state=1, **settings).fit(x)
    os.remove(at)
    with pytest.raises(FileNotFoundError, match="fit.checkpoint"):
        DeepNMF([4, 2], resume=True, **settings).fit(x)


def test_a_batch_of_nothing_is_passed_over(x):
    m = DeepNMF([4, 2], random_state=0, device="cpu").partial_fit(x)
    before = m.components_
    assert np.array_equal(m.partial_fit(np.zeros_like(x)).components_, before)


def test_what_is_not_fitted(tmp_path):
    from sklearn.decomposition import NMF as Other

    for unfitted in (DeepNMF(), NMF()):
        for use in (
            lambda m: plot.components(m, (6, 6)),
            lambda m: plot.hierarchy(m, (6, 6)),
            lambda m: plot.course(m),
            lambda m: deepnmf.save(m, tmp_path / "m"),
            lambda m: deepnmf.report(m, path=tmp_path / "r.html"),
            lambda m: deepnmf.annotate(None, m),
            lambda m: m.transform(np.ones((2, 2))),
        ):
            with pytest.raises(NotFittedError):
                use(unfitted)
        assert not hasattr(unfitted, "components_")
    with pytest.raises(NotFittedError):
        DeepNMF().components(1)
    with pytest.raises(NotFittedError):
        DeepNMF().transform_layer(np.ones((2, 2)), 1)
    with pytest.raises(TypeError, match="an estimator of deepnmf, got sklearn"):
        deepnmf.save(Other(2).fit(np.ones((4, 3))), tmp_path / "m")


@pytest.mark.parametrize("settings", [{"model": "nmf-mu"}, {"layers": [4, 2], "activation": "tanh"}])
def test_partial_fit_says_why_it_is_not_there(settings):
    with pytest.raises(AttributeError, match="cannot be trained online") as raised:
        DeepNMF(**{"layers": [4], **settings}).partial_fit
    assert repr(list(settings.values())[-1]) in str(raised.value)


def test_files_that_cannot_be_streamed(x, tmp_path):
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", fmt="%.9g")
    np.savez_compressed(tmp_path / "x.npz", x)
    np.save(tmp_path / "x.npy", np.asfortranarray(x))
    for dtype in (np.float32, np.float64):
        m = DeepNMF([4, 2], random_state=0, device="cpu").fit(x.astype(dtype))
        for name in ("x.csv", "x.npz", "x.npy"):
            np.testing.assert_allclose(m.transform(tmp_path / name), m.transform(x.astype(dtype)), rtol=1e-5, atol=1e-6)
            assert m.transform_layer(tmp_path / name, 1).shape == (120, 4)
            assert m.score(tmp_path / name) == pytest.approx(m.score(x), abs=1e-6)

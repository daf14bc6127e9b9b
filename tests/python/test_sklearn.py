"""scikit-learn's own checks, all of them."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from deepnmf import NMF, DeepNMF

ESTIMATORS = [
    DeepNMF(),
    DeepNMF([4, 2], model="sdnmf-rl1", solver="nesterov"),
    DeepNMF([2], model="nmf-mu", max_iter=5000, tol=1e-10),
    # New samples then have no other penalty than those of the fit.
    DeepNMF([2, 1], model="deep-semi-nmf", max_iter=5000, tol=1e-12, options={"ridge": 0.0}),
    NMF(),
    NMF(alpha_W=0.01, l1_ratio=0.5),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn(estimator, check):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(estimator)
    except pytest.skip.Exception as skipped:
        pytest.fail(f"skipped: {skipped}")
    except BaseException as error:
        if type(error).__name__ == "SkipTest":
            pytest.fail(f"skipped: {error}")
        raise


def test_no_check_is_missing():
    """As many checks as there are for a transformer of scikit-learn's own, whatever the estimators say of themselves."""
    from sklearn.decomposition import NMF as Other

    names = lambda estimator: {getattr(c, "func", c).__name__ for _, c in estimator_checks_generator(estimator)}
    # That one takes sparse arrays.
    expected = {name for name in names(Other()) if "sparse" not in name}
    for estimator in ESTIMATORS:
        missing = expected - names(estimator)
        if getattr(estimator, "model", "") == "deep-semi-nmf":
            missing -= {"check_positive_only_tag_during_fit", "check_fit_non_negative"}
        assert not missing, missing


def test_in_a_pipeline_and_a_search(x):
    pipe = make_pipeline(Normalizer(), DeepNMF([4, 2], random_state=0))
    search = GridSearchCV(pipe, {"deepnmf__layers": [[4, 2], [8, 6]]}, cv=2).fit(x)
    assert search.best_params_ == {"deepnmf__layers": [8, 6]}
    names = pipe.fit(x).get_feature_names_out()
    assert list(names) == ["deepnmf0", "deepnmf1"]
    frame = clone(pipe).set_output(transform="pandas").fit_transform(x)
    assert list(frame.columns) == ["deepnmf0", "deepnmf1"]


BEFORE_CALLBACKS = """
import sys, sklearn.base, sklearn.callback
# As before scikit-learn 1.9.
sys.modules["sklearn.callback"] = None
del sklearn.callback
import numpy as np
from deepnmf import NMF, DeepNMF
X = np.random.default_rng(0).random((30, 8))
assert not hasattr(NMF, "set_callbacks")
print(DeepNMF([4, 2], verbose=1).fit_transform(X).shape, NMF(2).fit(X).components_.shape)
"""


@pytest.mark.skipif(not hasattr(NMF, "set_callbacks"), reason="there are none")
def test_without_callbacks(tmp_path):
    done = subprocess.run([sys.executable, "-c", BEFORE_CALLBACKS], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "(30, 2) (2, 8)", done.stderr

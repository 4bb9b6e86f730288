"""The choice of pretrained="auto" in model files."""

import numpy as np
import pandas as pd
import pytest

import skcnn
from skcnn import ConvNetClassifier
from skcnn.datasets import make_noughts_and_crosses
from skcnn.exceptions import ModelFileError
from skcnn.persistence._choice import kept_choice, restored_choice


@pytest.fixture(scope="module")
def model():
    X, y = make_noughts_and_crosses(n_samples=24, random_state=0)
    net = ConvNetClassifier(
        architecture="efficientnet_lite0",
        pretrained="auto",
        trainable="head",
        image_size=32,
        max_epochs=1,
        random_state=0,
    )
    return net.fit(X, y), X


def test_the_table_comes_back(model, tmp_path):
    net, X = model
    skcnn.save(net, tmp_path / "model")
    again = skcnn.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.choice_, net.choice_)
    np.testing.assert_array_equal(again.predict_proba(X), net.predict_proba(X))


def test_a_fit_without_a_choice_has_none(tmp_path):
    net = ConvNetClassifier(filters=(2,), max_epochs=1, random_state=0)
    net.fit(np.random.default_rng(0).normal(size=(8, 4, 4)), np.arange(8) % 2)
    skcnn.save(net, tmp_path / "model")
    assert skcnn.load(tmp_path / "model").choice_ is None


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept.pop("reason"),
        lambda kept: kept.update(more=kept["score"]),
        lambda kept: kept.update(chosen=np.zeros_like(kept["chosen"])),
        lambda kept: kept.update(score=kept["chosen"]),
        lambda kept: kept.update(score=kept["score"][:1]),
        lambda kept: kept.update(candidate=kept["candidate"][[0] * len(kept["candidate"])]),
        lambda kept: kept.update(candidate="head"),
    ],
)
def test_another_table_raises(model, change):
    kept = kept_choice(model[0].choice_)
    assert restored_choice(kept) is not None
    change(kept)
    with pytest.raises(ModelFileError, match="must be a table of candidates"):
        restored_choice(kept)

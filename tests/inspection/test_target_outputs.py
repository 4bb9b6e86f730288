"""Which output is explained, in which units, and unknown targets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.inspection import saliency
from tests.helpers.explained import MANY, METHODS, NUMBERS, central_differences, exact_outputs
from tests.helpers.inspected import LABELS, fitted


def test_a_class_is_named_by_its_label():
    names = np.array(["cat", "dog", "fox"])
    X, net = fitted((8, 7), y=names[LABELS], max_epochs=5)
    each = np.array([saliency(net, X, target=name) for name in names])
    predicted = net.predict(X)
    assert len(set(predicted)) > 1
    codes = np.searchsorted(names, predicted)
    assert_array_equal(saliency(net, X), each[codes, np.arange(40)])
    for target in (predicted, predicted.tolist(), predicted.astype(object)):
        assert_array_equal(saliency(net, X, target=target), saliency(net, X))
    assert_array_equal(saliency(net, X, target=np.array("dog")), each[1])


def test_two_classes_have_a_logit_each():
    X, net = fitted((8, 7), y=LABELS % 2)
    zero, one = (saliency(net, X, target=label) for label in (0, 1))
    assert not np.allclose(one, -zero, rtol=0.01)
    logits = [exact_outputs(net, X, code) for code in (0, 1)]
    expected = central_differences(lambda X: logits[1](X) - logits[0](X), X)
    assert_allclose((one - zero).reshape(40, -1), expected, rtol=1e-3, atol=1e-6)


def test_units_are_those_of_y():
    """A regressor on other units is the same network."""
    X, net = fitted((8, 7), ConvNetRegressor, NUMBERS)
    _, larger = fitted((8, 7), ConvNetRegressor, 1000 * NUMBERS)
    for method in METHODS:
        found, expected = (saliency(n, X, method=method) for n in (larger, net))
        assert_allclose(found, 1000 * expected, rtol=1e-4, atol=1e-3 * np.abs(expected).max())


BAD_TARGETS = {
    "label": (ConvNetClassifier, LABELS, 7, r"a class label, one of \[0, 1, 2\].* Got 7"),
    "text for number": (ConvNetClassifier, LABELS, "1", r"one of \[0, 1, 2\].* Got '1' instead"),
    "number for text": (ConvNetClassifier, LABELS.astype(str), 1, r"one of \['0', '1', '2'\]"),
    "near miss": (
        ConvNetClassifier,
        np.array(["cat", "dog", "fox"])[LABELS],
        ["cat"] * 39 + ["dgo"],
        r"Got 'dgo' instead\. Did you mean 'dog'",
    ),
    "length": (ConvNetClassifier, LABELS, [0, 1], r"each of the 40 samples. Got .* shape \(2,\)"),
    "table": (ConvNetClassifier, LABELS, np.zeros((40, 1)), r"shape \(40, 1\)"),
    "no output": (ConvNetRegressor, NUMBERS, 1, r"number of an output, one of \[0\].* Got 1"),
    "which output": (ConvNetRegressor, np.column_stack([NUMBERS] * 2), None, "Got None"),
    "which label": (ConvNetClassifier, MANY, None, r"one of \[0, 1\].* Got None"),
    "negative": (ConvNetClassifier, MANY, -1, "Got -1"),
    "set": (ConvNetClassifier, LABELS, {1}, r"class label, one of .* Got \{1\}"),
    "dict": (ConvNetClassifier, MANY, {0: 1}, r"number of an output, .* Got \{0: 1\}"),
}


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_unknown_targets_are_named(name):
    cls, y, target, message = BAD_TARGETS[name]
    X, net = fitted((8, 7), cls, y, max_epochs=1)
    with pytest.raises(ValueError, match="The 'target' parameter must be .*" + message):
        saliency(net, X, target=target)

"""The constructor parameters: signature, assignment, subclasses, declaration."""

import inspect
from dataclasses import dataclass

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import InvalidParameterError, StrOptions

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet.declaration import COUNT, documented, legal_values, one_of, parameter

ESTIMATORS = pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])


@ESTIMATORS
def test_signature_has_the_parameters_as_keywords(cls):
    parameters = inspect.signature(cls).parameters
    assert {p.kind for p in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert cls().get_params() == {name: p.default for name, p in parameters.items()}
    assert [*parameters] == [*cls._parameter_constraints]
    assert [*parameters][:4] == ["input_shape", "n_spatial_dims", "channels", "missing"]
    assert [*parameters][-2:] == ["random_state", "verbose"]


def test_regressor_has_the_order_of_the_classifier_without_three_parameters():
    names = [*inspect.signature(ConvNetClassifier).parameters]
    loss, max_epochs = names.index("loss"), names.index("max_epochs")
    assert names[max_epochs + 1] == "max_seconds"
    assert names.pop(max_epochs + 3) == "calibration"
    assert names.pop(max_epochs + 2) == "class_weight"
    assert names.pop(loss + 1) == "label_smoothing"
    assert names == [*inspect.signature(ConvNetRegressor).parameters]
    assert not hasattr(ConvNetRegressor(), "label_smoothing")
    assert not hasattr(ConvNetRegressor(), "class_weight")


@ESTIMATORS
def test_constructor_only_assigns(cls):
    wrong = {name: object() for name in inspect.signature(cls).parameters}
    model = cls(**wrong)
    assert vars(model) == wrong
    with pytest.raises(InvalidParameterError):
        model.fit([[0.0]], [0])


@ESTIMATORS
def test_constructor_rejects_other_arguments(cls):
    with pytest.raises(TypeError, match="kernel_sise"):
        cls(kernel_sise=3)
    with pytest.raises(TypeError, match="positional argument"):
        cls((8, 8))


class OwnDefaults(ConvNetClassifier):
    """A user's subclass with a constructor of its own."""

    def __init__(self, *, filters=(4,), max_epochs=1):
        super().__init__(filters=filters, max_epochs=max_epochs)


def test_subclass_with_its_own_constructor():
    model = clone(OwnDefaults(filters=(2,)))
    assert model.get_params() == {"filters": (2,), "max_epochs": 1}
    assert model.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1]).n_iter_ == 1


@dataclass(kw_only=True, eq=False, repr=False)
class Declared:
    n_items: int = parameter(
        3,
        [COUNT],
        """int
        Number of items,
        at least one.
        """,
    )
    kind: str = parameter("plain", [one_of(["plain", "fancy"])], '{"plain", "fancy"}\nKind.')


class Shop(Declared, BaseEstimator):
    """A shop.

    Parameters
    ----------
    <parameters>
    """


def test_declared_parameters_are_documented_with_their_defaults():
    text = inspect.cleandoc(documented(Shop).__doc__)
    assert text.splitlines()[4:] == [
        "n_items : int, default=3",
        "    Number of items,",
        "    at least one.",
        'kind : {"plain", "fancy"}, default="plain"',
        "    Kind.",
    ]


def test_class_without_docstring_stays_without():
    cls = type("Bare", (Declared,), {"__doc__": None})
    assert documented(cls).__doc__ is None


def test_declared_parameters_are_a_table_of_legal_values():
    table = legal_values(Declared)
    assert table["n_items"] == [COUNT]
    (options,) = table["kind"]
    assert isinstance(options, StrOptions)
    assert options.options == {"plain", "fancy"}

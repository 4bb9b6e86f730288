"""Small networks, which train in a fiftieth of a second."""

from skcnn import ConvNetClassifier


def small(cls=ConvNetClassifier, **params):
    """Return an unfitted network for 8x8 digits."""
    defaults = {
        "input_shape": (8, 8),
        "filters": (4,),
        "hidden_units": (8,),
        "max_epochs": 2,
        "random_state": 0,
    }
    return cls(**{**defaults, **params})


def tiny(cls=ConvNetClassifier, **params):
    """Return an unfitted network for samples of any shape."""
    defaults = {"filters": (2,), "hidden_units": (4,), "max_epochs": 1, "random_state": 0}
    return cls(**{**defaults, **params})

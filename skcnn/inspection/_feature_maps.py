"""The outputs of a fitted network's layers for samples."""

from typing import Any

import numpy as np

from skcnn._convnet.pipelines import network_samples
from skcnn._network.named_layers import feature_map_layers
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.inspection._hooked_network import HookedNetwork, prediction_settings, with_channels


@in_standard_torch_state
def feature_maps(estimator: Any, X: Any, *, layer: str | int | None = None) -> np.ndarray:
    """Return the output of a layer for samples.

    Parameters
    ----------
    estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
        A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
    X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
        Samples, as for the estimator's `predict`.
    layer : str, int or None, default=None
        Name of a layer as in :meth:`ConvNetClassifier.summary`, or the number of its row
        there, from the end if negative. None means the first convolution, after the
        activation that follows it, if one does.

    Returns
    -------
    ndarray of shape (n_samples, *spatial, n_maps), dtype float32
        The feature maps, (n_samples, n_maps, *spatial) for an estimator with
        ``channels="first"``. For a layer that returns vectors the shape is
        (n_samples, n_units).

    Raises
    ------
    TypeError
        If there is no ConvNet in `estimator`.
    NotFittedError
        If it is not fitted.
    ValueError
        If the network has no such layer.

    See Also
    --------
    FeatureMapsDisplay : Feature maps as pictures.
    filters : The kernels of a convolution.

    Notes
    -----
    The output of a layer is taken after the activation of its specification, in the order
    of `summary`. The network may compute a maximum before an activation; the outputs are the
    same. Layers work as in a prediction: nothing is dropped, and normalisation uses its
    running statistics. `test_time_augmentation` is not applied. The values of a sample are
    bitwise independent of the other samples.

    If `architecture` is a callable, any submodule of its module can be named, also one that
    is not in `summary`. If a submodule runs several times, its first output is returned.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import feature_maps
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(input_shape=(8, 8), filters=(4, 6), max_epochs=1)
    >>> _ = model.fit(X[:200], y[:200])
    >>> feature_maps(model, X[:5]).shape
    (5, 8, 8, 4)
    >>> feature_maps(model, X[:5], layer="output").shape
    (5, 10)
    """
    net, images = network_samples(estimator, X)
    with prediction_settings(net):
        network = HookedNetwork(net)
        name = feature_map_layers(network.layers)[0] if layer is None else network.name_of(layer)
        values = network.values(images.rows, [name])[name]
    return with_channels(values, net._layout)

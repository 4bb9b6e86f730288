"""What a fitted network has learned: its kernels, and what its layers give for samples.

Explains no prediction, which ``_saliency`` does, and draws nothing. What runs layers here
runs those of a copy: the fitted network keeps its mode, hooks and gradients.
"""

from typing import Any

import numpy as np

from skcnn._convnet.pipelines import fitted_convnet, network_samples
from skcnn._utils.device import safe_after_fork
from skcnn.inspection._probe import NetworkProbe, computing, filters_of, with_channels


@safe_after_fork()
def filters(estimator: Any, *, layer: str | int | None = None) -> np.ndarray:
    """Return the kernels of a convolution.

    Parameters
    ----------
    estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
        A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
    layer : str, int or None, default=None
        Name of a convolution as in :meth:`ConvNetClassifier.summary`, or its number among
        the convolutions, from the end if negative; None means the first. A convolution
        within a block has a dotted name, such as "residual_1.body.conv_2",
        "residual_1.shortcut.conv_1" or "concatenate_1.branches.0.conv_1".

    Returns
    -------
    ndarray of shape (n_filters, *kernel, n_channels), dtype float32
        The weights, (n_filters, n_channels, *kernel) for an estimator with
        ``channels="first"``. Of a convolution in groups, `n_channels` is a group's.

    Raises
    ------
    TypeError
        If there is no ConvNet in `estimator`.
    NotFittedError
        If it is not fitted.
    ValueError
        If the network has no such convolution.

    See Also
    --------
    FiltersDisplay : Kernels as pictures.
    feature_maps : What the convolution gives for samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import filters
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(input_shape=(8, 8), filters=(4, 6), max_epochs=1)
    >>> _ = model.fit(X[:200], y[:200])
    >>> filters(model).shape, filters(model, layer="conv_2").shape
    ((4, 3, 3, 1), (6, 3, 3, 4))
    """
    net = fitted_convnet(estimator)
    return with_channels(filters_of(net, layer)[1], net._layout)


@safe_after_fork()
def feature_maps(estimator: Any, X: Any, *, layer: str | int | None = None) -> np.ndarray:
    """Return what a layer of the network gives for samples.

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
        ``channels="first"``; (n_samples, n_units) for a layer of vectors.

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
    A layer's value is the one after the activation that its specification names, and
    the one that the order of `summary` implies: that a network may take a maximum before
    an activation makes no difference here. Nothing is dropped, and normalisation uses its
    running figures, as in a prediction. The values of a sample are the same bits in any
    company. `test_time_augmentation` has no part in them.

    Of a module that a callable `architecture` made, any submodule can be named, also one
    that is not in `summary`. If it runs several times, its first output is returned.

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
    with computing(net):
        probe = NetworkProbe(net)
        name = probe.blocks()[0] if layer is None else probe.name_of(layer)
        values = probe.values(images.rows, [name])[name]
    return with_channels(values, net._layout)

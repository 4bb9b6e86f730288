"""The kernels of a fitted network's convolutions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import nn

from skcnn._convnet.base import BaseConvNet
from skcnn._convnet.pipelines import check_convnet
from skcnn._network.named_layers import CONVOLUTIONS, pick_layer
from skcnn._network.network import ConvNet
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.inspection._hooked_network import with_channels
from skcnn.layers._base import SIGNAL_DIMS
from skcnn.layers._padding import Pad


def _convolutions(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield names and modules of the convolutions, in their order."""
    parts = dict(module.named_modules())
    for name, part in parts.items():
        if isinstance(part, CONVOLUTIONS):
            owner, _, last = name.rpartition(".")
            parent = parts[owner]
            padded = isinstance(parent, nn.Sequential) and isinstance(parent[0], Pad)
            yield (owner if padded and last == "1" else name), part


def filters_of(net: BaseConvNet, layer: str | int | None) -> tuple[str, np.ndarray]:
    """Return a convolution's name and its kernels (n_filters, n_channels, *kernel)."""
    module = net.net_.module_
    inner = module.layers if isinstance(module, ConvNet) else module.module
    found = dict(_convolutions(inner))
    if not found:
        raise ValueError("The network has no convolution, and so no filters.")
    name = pick_layer(0 if layer is None else layer, list(found))
    weight = found[name].weight.detach().float().cpu()
    if isinstance(module, ConvNet) and module.is_signal:
        (row,) = (row for row in net._rows or () if row.name == name.partition(".")[0])
        if len(row.input_shape) == SIGNAL_DIMS:
            weight = weight.squeeze(2)  # signals run as images of height one
    return name, weight.numpy().copy()


@in_standard_torch_state
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
        ``channels="first"``. For a convolution in groups, `n_channels` is that of a group.

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
    feature_maps : The output of the convolution for samples.

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
    net = check_convnet(estimator)
    return with_channels(filters_of(net, layer)[1], net._layout)

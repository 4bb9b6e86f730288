"""How much each value of a sample contributes to the network's answer."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_scalar
from torch import Tensor

from skcnn._convnet.base import BaseConvNet
from skcnn._convnet.pipelines import network_samples
from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import check_option
from skcnn.inspection._gradients import grad_cam, gradient, integrated_gradients
from skcnn.inspection._hooked_network import prediction_settings
from skcnn.inspection._occlusion import occlusion
from skcnn.inspection._target_outputs import TargetOutputs

METHODS = ("gradient", "integrated_gradients", "grad_cam", "occlusion")
# The only method that uses the parameter.
OWN_PARAMETERS = {"layer": "grad_cam", "window": "occlusion"}


def check_own_parameters(methods: str | Sequence[str], **given: Any) -> None:
    """Raise an error if a parameter is given that none of the methods uses."""
    is_one = isinstance(methods, str)
    for name, value in given.items():
        owner = OWN_PARAMETERS[name]
        if value is not None and owner not in ([methods] if is_one else methods):
            raise ValueError(
                f"The {name!r} parameter is for method={owner!r} only. Got {name}={value!r} with "
                f"{'method' if is_one else 'methods'}={methods!r}."
            )


def _baseline_row(baseline: Any, layout: InputLayout, offset: np.ndarray | None) -> Tensor:
    """Return the baseline as a row of values less the net's `offset`, (1, n_values)."""
    try:
        values = np.asarray(baseline, dtype=np.float32 if offset is None else np.float64)
        known = layout.accepts(values.shape)
        full = values.reshape(layout.shape) if known else np.broadcast_to(values, layout.shape)
    except (TypeError, ValueError):
        full = np.array(np.nan)
    if not np.isfinite(full).all():
        is_array = isinstance(baseline, np.ndarray)
        got = f"an array of shape {baseline.shape}" if is_array else repr(baseline)
        raise ValueError(
            "The 'baseline' parameter must be a finite number or an array of them that "
            f"broadcasts to a sample's shape {layout.shape}. Got {got} instead."
        )
    row = full.reshape(1, -1)
    if offset is not None:
        row = row - layout.row_of(offset)
    return torch.from_numpy(row.astype(np.float32))


@in_standard_torch_state
def saliency_of(
    net: BaseConvNet,
    images: Images,
    method: str,
    target: Any,
    *,
    layer: str | int | None = None,
    baseline: Any = 0.0,
    n_steps: int = 64,
    window: int | Sequence[int] | None = None,
) -> np.ndarray:
    """Return the saliency of validated samples, as `saliency` does."""
    check_option("method", method, METHODS)
    check_own_parameters(method, layer=layer, window=window)
    check_scalar(n_steps, "n_steps", Integral, min_val=1)
    start = _baseline_row(baseline, net._layout, net.offset_)
    with prediction_settings(net):
        explained = TargetOutputs(net, images, target)
        if method == "gradient":
            maps = gradient(explained)
        elif method == "integrated_gradients":
            maps = integrated_gradients(explained, start, n_steps)
        elif method == "grad_cam":
            maps = grad_cam(explained, layer)
        else:
            maps = occlusion(explained, start, window)
        maps = explained.in_units_of_y(maps)
    if not np.isfinite(maps).all():
        raise ValueError(
            f"method={method!r} gave infinite values or NaN: the values of X or of the baseline "
            "are far beyond those of the training samples, or the weights diverged."
        )
    return maps


@in_standard_torch_state
def saliency(
    estimator: Any,
    X: Any,
    *,
    method: str = "gradient",
    target: Any = None,
    layer: str | int | None = None,
    baseline: Any = 0.0,
    n_steps: int = 64,
    window: int | Sequence[int] | None = None,
) -> np.ndarray:
    """Return how much each value of a sample contributes to the network's answer.

    Parameters
    ----------
    estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
        A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
    X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
        Samples, as for the estimator's `predict`. In a Pipeline the earlier steps transform
        them; the transformed values are explained.
    method : {"gradient", "integrated_gradients", "grad_cam", "occlusion"}, \
default="gradient"
        "gradient" is the derivative of the output [1]_. "integrated_gradients" attributes to
        the values the change of the output on the path from `baseline` [2]_. "grad_cam"
        weights the feature maps of `layer` by their gradients [3]_. "occlusion" covers one
        part of the sample after another [4]_.
    target : label, int, array-like of shape (n_samples,) or None, default=None
        The output to explain: a class label, or one for each sample. For multilabel targets
        and regression the number of an output, from 0. None takes the class with the
        largest output of each sample, and a regressor's only output.
    layer : str, int or None, default=None
        For "grad_cam": the name of a layer with feature maps as in
        :meth:`ConvNetClassifier.summary`, or the number of its row. None means the last
        convolution whose maps have more than one place, after the activation that follows
        it, if one does.
    baseline : float or array-like, default=0.0
        For "integrated_gradients" and "occlusion": the value that stands for no information,
        in the units of the network's input. Behind a scaler 0 is the mean. An array must
        broadcast to a sample.
    n_steps : int, default=64
        For "integrated_gradients": the number of points on the path.
    window : int, tuple of int or None, default=None
        For "occlusion": the sides of the covered window, in pixels or time steps. None means
        a quarter of each side of the sample.

    Returns
    -------
    ndarray of shape (n_samples, *input_shape_), dtype float32
        One value for each of the sample's. "grad_cam" and "occlusion" return one value for
        each place, with a channel axis of length one.

    Raises
    ------
    TypeError
        If there is no ConvNet in `estimator`, or `n_steps` is not an integer.
    NotFittedError
        If it is not fitted.
    ValueError
        If the network has no such class, output or layer, if a parameter has no legal value,
        or if `layer` or `window` is given for another method than theirs (`baseline` and
        `n_steps` are ignored there). Also if the result is not finite, or the network has no
        gradient.

    See Also
    --------
    SaliencyDisplay : Saliency as pictures.
    feature_maps : The output of a layer for samples.

    Notes
    -----
    The output f of a class is its logit, before `temperature_` and the softmax, also for two
    classes. The output of a regressor is its prediction, in the units of the training targets.
    `test_time_augmentation` is not applied.

    - "gradient" is df/dx, with its sign: the effect of a small change of the value. Where the
      network saturates, an important value may have no gradient.
    - "integrated_gradients" is x - b times the mean of df/dx on the straight path from the
      baseline b to x, by Gauss-Legendre quadrature. The sum over a sample is f(x) - f(b) up
      to the error of the quadrature. The error is small for smooth networks; for networks
      with relu or max pooling it is larger, and inversely proportional to `n_steps`.
    - "grad_cam" is the positive part of the sum of the layer's maps, each times the mean of
      df/dA over the places of this map A, interpolated linearly to the size of a sample. It
      is as coarse as the layer.
    - "occlusion" is the fall of f when a window is filled with the baseline, the mean over
      all windows that cover the place. It takes a prediction for each position of the
      window.

    No method shows that the network is right, or why. Gradients are local, a baseline is
    a choice, and covered samples are unlike the training samples. A map may look convincing
    and have little to do with what was learned [5]_: compare it with the map of a network
    that was fitted on shuffled labels.

    The values of a sample are bitwise independent of the other samples.

    References
    ----------
    .. [1] K. Simonyan, A. Vedaldi, A. Zisserman, "Deep inside convolutional networks",
       arXiv:1312.6034.
    .. [2] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks",
       arXiv:1703.01365.
    .. [3] R. R. Selvaraju et al., "Grad-CAM: visual explanations from deep networks via
       gradient-based localization", arXiv:1610.02391.
    .. [4] M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks",
       arXiv:1311.2901.
    .. [5] J. Adebayo et al., "Sanity checks for saliency maps", arXiv:1810.03292.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import saliency
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(200, 12, 12)), np.arange(200) % 2
    >>> X[y == 1, 2:6, 7:11] += 2.0
    >>> model = ConvNetClassifier(filters=8, max_epochs=5, random_state=0).fit(X, y)
    >>> maps = np.abs(saliency(model, X[:20], target=1))
    >>> maps.shape
    (20, 12, 12, 1)
    >>> bool(maps[:, 2:6, 7:11].mean() > 3 * maps.mean())
    True
    """
    net, images = network_samples(estimator, X)
    return saliency_of(
        net,
        images,
        method,
        target,
        layer=layer,
        baseline=baseline,
        n_steps=n_steps,
        window=window,
    )

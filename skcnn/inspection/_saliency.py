"""Where in a sample the network's answer comes from: gradients, Grad-CAM, occlusion.

Reads layers through ``_inspection``; draws nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from numbers import Integral
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import check_scalar
from torch import Tensor

from skcnn._convnet.base import BaseConvNet
from skcnn._convnet.pipelines import network_samples
from skcnn._data.images import Images, InputLayout
from skcnn._utils.device import safe_after_fork
from skcnn._utils.validation import check_option, did_you_mean
from skcnn.inspection._probe import NetworkProbe, Tap, computing, with_channels
from skcnn.layers._shapes import per_axis

METHODS = ("gradient", "integrated_gradients", "grad_cam", "occlusion")
OWN_PARAMETERS = {"layer": "grad_cam", "window": "occlusion"}
INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}
WINDOWS_A_SIDE = 4  # of the default window of "occlusion"


@safe_after_fork()
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
    """Return how much each value of a sample has to do with the network's answer.

    Parameters
    ----------
    estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
        A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
    X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
        Samples, as for the estimator's `predict`. What is explained is the network: the
        values are those that a Pipeline's earlier steps give it.
    method : {"gradient", "integrated_gradients", "grad_cam", "occlusion"}, \
default="gradient"
        "gradient" is the derivative of the output [1]_. "integrated_gradients" shares out
        among the values what the output gains on the way from `baseline` [2]_.
        "grad_cam" weighs the feature maps of `layer` by their gradients [3]_.
        "occlusion" covers one part after another [4]_.
    target : label, int, array-like of shape (n_samples,) or None, default=None
        Whose output is explained: a class label, or one for each sample. For multilabel
        targets and regression an output's number, from 0. None takes the class with the
        largest output of each sample, and a regressor's only output.
    layer : str, int or None, default=None
        For "grad_cam": the name of a layer with feature maps as in
        :meth:`ConvNetClassifier.summary`, or the number of its row. None means the last
        convolution, after the activation that follows it, if one does.
    baseline : float or array-like, default=0.0
        For "integrated_gradients" and "occlusion": what stands for no information, in the
        units of what the network is given: behind a scaler 0 is the mean. An array must
        broadcast to a sample.
    n_steps : int, default=64
        For "integrated_gradients": the number of points on the way.
    window : int, tuple of int or None, default=None
        For "occlusion": the sides of the covered window, in pixels or samples. None means
        a quarter of each side of the sample.

    Returns
    -------
    ndarray of shape (n_samples, *input_shape_), dtype float32
        One value for each of the sample's; "grad_cam" and "occlusion" know places only,
        and the channel axis has length one.

    Raises
    ------
    TypeError
        If there is no ConvNet in `estimator`, or `n_steps` is no integer.
    NotFittedError
        If it is not fitted.
    ValueError
        If the network has no such class, output or layer, a parameter has no legal value, or
        `layer` or `window` is given for another method than theirs (`baseline` and `n_steps`
        are ignored there). Also if the result is not finite, or the network has no gradient.

    See Also
    --------
    SaliencyDisplay : The same as pictures.
    feature_maps : What a layer gives for samples.

    Notes
    -----
    The output f of a class is its logit, before the softmax, also with two classes; that of a
    regressor is its prediction, in the units of the training targets. It is the network's
    own, without `test_time_augmentation`.

    - "gradient" is df/dx, with its sign: what a small change of the value would do. A value
      may matter and have no gradient where the network saturates.
    - "integrated_gradients" is x - b times the mean of df/dx on the straight way from the
      baseline b to x, by Gauss-Legendre quadrature. The sum over a sample is f(x) - f(b) up
      to the error of the quadrature: next to none for smooth networks, for those of relus
      and maxima some percent of the absolute values, and in inverse proportion to `n_steps`.
    - "grad_cam" is the positive part of the sum of the layer's maps, each times the mean of
      df/dA over the places of this map A, interpolated linearly to the size of a sample. It
      is as coarse as the layer.
    - "occlusion" is the fall of f when a window is filled with the baseline, the mean over
      all windows that cover the place. It takes a prediction for each position of the
      window.

    None of them says that the network is right, or why: gradients are local, a baseline is
    a choice, and covered parts are unlike anything in training. A map may look convincing
    and have little to do with what was learned [5]_: compare it with the map of a network
    that was fitted on shuffled labels.

    The values of a sample do not depend on the others.

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


@safe_after_fork()
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
    """Return the saliency of samples past the gate, as `saliency` does."""
    check_option("method", method, METHODS)
    check_own_parameters(method, layer=layer, window=window)
    check_scalar(n_steps, "n_steps", Integral, min_val=1)
    start = _baseline_row(baseline, net._layout)
    with computing(net):
        explanation = _Explanation(net, images, target)
        if method == "gradient":
            maps = explanation.gradient()
        elif method == "integrated_gradients":
            maps = explanation.integrated_gradients(start, n_steps)
        elif method == "grad_cam":
            maps = explanation.grad_cam(layer)
        else:
            maps = explanation.occlusion(start, _window_sides(window, net._layout.spatial))
        maps = explanation.in_units_of_y(maps)
    if not np.isfinite(maps).all():
        raise ValueError(
            f"method={method!r} gave infinite values or NaN: the values of X or of the baseline "
            "are far beyond those of the training samples, or the weights diverged."
        )
    return maps


def check_own_parameters(methods: str | Sequence[str], **given: Any) -> None:
    """Refuse what is given and belongs to another method than the one, or the several."""
    one = isinstance(methods, str)
    for name, value in given.items():
        owner = OWN_PARAMETERS[name]
        if value is not None and owner not in ([methods] if one else methods):
            raise ValueError(
                f"The {name!r} parameter is for method={owner!r} only. Got {name}={value!r} with "
                f"{'method' if one else 'methods'}={methods!r}."
            )


def _baseline_row(baseline: Any, layout: InputLayout) -> Tensor:
    """Return the baseline as a row of values, (1, n_values)."""
    try:
        values = np.asarray(baseline, dtype=np.float32)
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
    return torch.from_numpy(full.reshape(1, -1).copy())


def _window_sides(window: Any, spatial: tuple[int, ...]) -> tuple[int, ...]:
    if window is None:
        return tuple(max(1, round(side / WINDOWS_A_SIDE)) for side in spatial)
    try:
        sides = per_axis(window, len(spatial), "window")
    except (TypeError, ValueError):
        sides = ()
    if not sides or not all(1 <= w <= side for w, side in zip(sides, spatial, strict=True)):
        raise ValueError(
            "The 'window' parameter must be an integer, or one for each of the axes, from 1 "
            f"to the sides of a sample {spatial}. Got {window!r} instead."
        )
    return sides


def target_codes(net: Any, target: Any, n_samples: int) -> Tensor | None:
    """Return the number of each sample's output, None for that of the predicted class."""
    by_label = is_classifier(net) and not net._targets.multilabel
    labels = net.classes_.tolist() if by_label else list(range(net.n_outputs_))
    if target is None and by_label:
        return None
    if target is None and len(labels) == 1:
        target = 0
    what = "a class label" if by_label else "the number of an output"
    given = np.asarray(target, dtype=object)
    if given.shape not in ((), (n_samples,)):
        raise ValueError(
            f"The 'target' parameter must be {what}, or one for each of the {n_samples} "
            f"samples. Got an array of shape {given.shape}."
        )
    codes = {label: code for code, label in enumerate(labels)}
    each = given.ravel().tolist()
    found = [_looked_up(codes, label) for label in each]
    unknown = [label for label, code in zip(each, found, strict=True) if code is None]
    if unknown:
        near = did_you_mean(unknown[0], (label for label in labels if isinstance(label, str)))
        raise ValueError(
            f"The 'target' parameter must be {what}, one of {labels}, or one for each "
            f"sample. Got {unknown[0]!r} instead.{near}"
        )
    return torch.tensor(found).expand(n_samples)


def _looked_up(codes: Mapping[Any, int], label: Any) -> int | None:
    try:
        return codes.get(label)
    except TypeError:  # a label has a hash
        return None


class _Explanation:
    """Samples and, for each of them, the output that is to be explained.

    Parameters
    ----------
    net : ConvNet
        A fitted estimator.
    images : Images
        The samples.
    target : object
        The user's parameter.
    """

    def __init__(self, net: BaseConvNet, images: Images, target: Any) -> None:
        self.probe = NetworkProbe(net)
        self.layout = images.layout
        self.rows = images.rows
        codes = target_codes(net, target, len(images))
        if codes is None:
            codes = torch.from_numpy(net.net_.outputs(images).argmax(1))
        self.codes = codes
        scale = net._target_scale if is_regressor(net) else 1.0
        self.scale = np.broadcast_to(scale, net.n_outputs_)

    def in_units_of_y(self, maps: np.ndarray) -> np.ndarray:
        """Return maps, linear in the output, for the output as it is predicted; float32."""
        scale = self.scale[self.codes.numpy()].reshape(-1, *(1,) * (maps.ndim - 1))
        return (maps * scale).astype(np.float32)

    def gradient(self) -> np.ndarray:
        """Return the derivatives at the samples."""
        parts = [
            self._gradient(self.rows[index].float(), self.codes[index])
            for index in self._chunks(len(self.rows))
        ]
        return self._as_samples(torch.cat(parts))

    def integrated_gradients(self, baseline: Tensor, n_steps: int) -> np.ndarray:
        """Return (x - baseline) times the mean derivative on the way."""
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)  # on [-1, 1]
        shares = torch.from_numpy((nodes + 1) / 2).float().unsqueeze(1)
        shares_of_mean = torch.from_numpy(weights / 2).unsqueeze(1)
        way = self.rows.float() - baseline
        mean = torch.zeros(way.shape, dtype=torch.float64)
        # the points of all samples one after another, so that few samples fill chunks, too
        for index in self._chunks(len(way) * n_steps):
            sample, step = index // n_steps, index % n_steps
            points = baseline + shares[step] * way[sample]
            gradient = self._gradient(points, self.codes[sample])
            mean.index_add_(0, sample, shares_of_mean[step] * gradient)
        return self._as_samples(mean * way)

    def grad_cam(self, layer: str | int | None) -> np.ndarray:
        """Return the positive part of the layer's maps, weighted by their gradients."""
        name = self.probe.blocks()[-1] if layer is None else self.probe.name_of(layer)
        parts = [self._grad_cam(name, index) for index in self._chunks(len(self.rows))]
        return with_channels(torch.cat(parts).numpy(), self.layout)

    def _grad_cam(self, name: str, index: Tensor) -> Tensor:
        """Return Grad-CAM for a chunk of samples, (n_samples, 1, *spatial)."""
        kept: list[Tensor] = []
        outputs = self._outputs(self.rows[index], self.codes[index], {name: _cutter(kept)})
        maps, spatial = kept[0], self.layout.spatial
        if maps.dim() != 2 + len(spatial):
            raise ValueError(
                "The 'layer' parameter must be a layer with feature maps of "
                f"{len(spatial)} spatial axes. Got {name!r}, whose values have the shape "
                f"{tuple(maps.shape[1:])}."
            )
        weights = _derivative(outputs, maps).mean(tuple(range(2, maps.dim())), keepdim=True)
        cam = (weights * maps.detach()).sum(1, keepdim=True).relu()
        mode = INTERPOLATION[len(spatial)]
        return F.interpolate(cam, spatial, mode=mode, align_corners=False)[: len(index)].cpu()

    @torch.no_grad()
    def occlusion(self, baseline: Tensor, window: tuple[int, ...]) -> np.ndarray:
        """Return the mean fall of the output over the windows that cover a place."""
        sides = zip(self.layout.spatial, window, strict=True)
        positions = tuple(side - w + 1 for side, w in sides)
        n_positions = prod(positions)
        seen = [
            self._outputs(self.rows[index], self.codes[index])
            for index in self._chunks(len(self.rows))
        ]
        covered = []
        for index in self._chunks(len(self.rows) * n_positions):
            sample = index // n_positions
            corners = torch.unravel_index(index % n_positions, positions)
            mask = _covered(corners, window, self.layout)
            rows = torch.where(mask, baseline, self.rows[sample].float())
            covered.append(self._outputs(rows, self.codes[sample]))
        falls = torch.cat(seen).double().unsqueeze(1) - torch.cat(covered).view(-1, n_positions)
        maps = _mean_over_windows(falls.view(-1, *positions).numpy(), window)
        return with_channels(maps[:, np.newaxis], self.layout)

    def _chunks(self, n: int) -> Iterator[Tensor]:
        for start in range(0, n, self.probe.chunk):
            yield torch.arange(start, min(start + self.probe.chunk, n))

    def _outputs(
        self, rows: Tensor, codes: Tensor, taps: Mapping[str, Tap] | None = None
    ) -> Tensor:
        """Return the output of each row that `codes` tells, on the CPU."""
        outputs = self.probe.run(rows.to(self.probe.device), taps).cpu()
        return outputs.gather(1, codes.unsqueeze(1)).squeeze(1)

    def _gradient(self, rows: Tensor, codes: Tensor) -> Tensor:
        """Return the derivative of each row's output with respect to the row."""
        rows = rows.detach().requires_grad_()
        return _derivative(self._outputs(rows, codes), rows)

    def _as_samples(self, rows: Tensor) -> np.ndarray:
        return rows.reshape(-1, *self.layout.shape).numpy()


def _cutter(kept: list[Tensor]) -> Tap:
    """Return a tap that keeps a layer's first value, and makes it a variable."""

    def cut(value: Tensor) -> Tensor:
        if kept:
            return value
        kept.append(value.detach().requires_grad_())
        return kept[0].clone()  # the next layer may work in place

    return cut


def _derivative(outputs: Tensor, variable: Tensor) -> Tensor:
    """Return the derivative of each sample's output: no sample has a part in another's."""
    if not outputs.requires_grad:
        raise ValueError(
            "The network's outputs have no gradient there: a step of the module is not "
            "differentiable. Use method='occlusion'."
        )
    return torch.autograd.grad(outputs.sum(), variable)[0]


def _covered(corners: Sequence[Tensor], window: tuple[int, ...], layout: InputLayout) -> Tensor:
    """Return which values of a sample windows cover, (n_windows, n_values).

    Parameters
    ----------
    corners : sequence of Tensor of shape (n_windows,)
        The first covered place along each axis.
    window : tuple of int
        The window's sides.
    layout : InputLayout
        How a row of values is a sample.
    """
    n_windows, n_axes = len(corners[0]), len(window)
    covered = torch.ones((n_windows, *(1,) * n_axes), dtype=torch.bool)
    for axis, (corner, width) in enumerate(zip(corners, window, strict=True)):
        offset = torch.arange(layout.spatial[axis]) - corner.unsqueeze(1)
        along = (offset >= 0) & (offset < width)  # (n_windows, side)
        covered = covered & along.view(n_windows, *(1,) * axis, -1, *(1,) * (n_axes - axis - 1))
    covered = covered.unsqueeze(-1 if layout.channels == "last" else 1)
    return covered.expand(n_windows, *layout.shape).reshape(n_windows, -1)


def _mean_over_windows(falls: np.ndarray, window: tuple[int, ...]) -> np.ndarray:
    """Return for each place the mean fall of the windows that cover it.

    Parameters
    ----------
    falls : ndarray of shape (n_samples, *positions)
        One value for each position of the window.
    window : tuple of int
        The window's sides.
    """
    total, count = falls, np.ones((1, *falls.shape[1:]))
    for axis, width in enumerate(window, start=1):
        box = np.ones(width)
        total = np.apply_along_axis(np.convolve, axis, total, box)
        count = np.apply_along_axis(np.convolve, axis, count, box)
    return total / count

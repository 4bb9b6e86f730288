"""The outputs of a network that are explained, one for each sample, and their derivatives."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from sklearn.base import is_classifier, is_regressor
from torch import Tensor

from skcnn._convnet.base import BaseConvNet
from skcnn._data.images import Images
from skcnn._utils.validation import did_you_mean
from skcnn.inspection._hooked_network import Hook, HookedNetwork

T = TypeVar("T")


def _code_of(codes: Mapping[Any, int], label: Any) -> int | None:
    try:
        return codes.get(label)
    except TypeError:  # not hashable
        return None


def target_codes(net: Any, target: Any, n_samples: int) -> Tensor | None:
    """Return the number of each sample's output, None for that of the predicted class.

    Parameters
    ----------
    net : ConvNet
        A fitted estimator.
    target : object
        The user's parameter.
    n_samples : int
        Number of samples.

    Raises
    ------
    ValueError
        If `target` is neither an output nor one for each sample.
    """
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
    found = [_code_of(codes, label) for label in each]
    unknown = [label for label, code in zip(each, found, strict=True) if code is None]
    if unknown:
        near = did_you_mean(unknown[0], (label for label in labels if isinstance(label, str)))
        raise ValueError(
            f"The 'target' parameter must be {what}, one of {labels}, or one for each "
            f"sample. Got {unknown[0]!r} instead.{near}"
        )
    return torch.tensor(found).expand(n_samples)


def derivative(outputs: Tensor, variable: Tensor) -> Tensor:
    """Return the derivative of each sample's output with respect to the sample's variable."""
    if not outputs.requires_grad:
        raise ValueError(
            "The network's outputs have no gradient there: a step of the module is not "
            "differentiable. Use method='occlusion'."
        )
    # the derivative of the sum, since an output depends on no other sample's variable
    return torch.autograd.grad(outputs.sum(), variable)[0]


class TargetOutputs:
    """Samples and, for each of them, the output to explain.

    Parameters
    ----------
    net : ConvNet
        A fitted estimator.
    images : Images
        The samples.
    target : object
        The user's parameter.

    Attributes
    ----------
    network : HookedNetwork
        A copy of the network.
    layout : InputLayout
        How a row of values is a sample.
    rows : Tensor of shape (n_samples, n_values)
        The samples.
    codes : Tensor of shape (n_samples,)
        The number of each sample's output.
    """

    def __init__(self, net: BaseConvNet, images: Images, target: Any) -> None:
        self.network = HookedNetwork(net)
        self.layout = images.layout
        self.rows = images.rows
        codes = target_codes(net, target, len(images))
        if codes is None:
            codes = torch.from_numpy(net.net_.outputs(images).argmax(1))
        self.codes = codes
        scale = net._target_scale if is_regressor(net) else 1.0
        self._scale = np.broadcast_to(scale, net.n_outputs_)

    def in_passes(self, compute: Callable[[Tensor, int], T], n: int) -> list[T]:
        """Return what `compute` returns for the numbers from 0 to `n`, one pass at a time.

        It is called with some of the numbers and the size of the pass, and again with fewer if
        there is too little memory.
        """

        def compute_pass(first: int, n: int, n_rows: int) -> T:
            return compute(torch.arange(first, first + n), n_rows)

        return self.network.in_passes(compute_pass, n, "the saliency")

    def outputs(
        self, rows: Tensor, codes: Tensor, n_rows: int, hooks: Mapping[str, Hook] | None = None
    ) -> Tensor:
        """Return the output with the number in `codes` for each row, on the CPU.

        `n_rows` is the size of the pass.
        """
        outputs = self.network.run(rows.to(self.network.device), hooks, n_rows).cpu()
        return outputs.gather(1, codes.unsqueeze(1)).squeeze(1)

    def gradient(self, rows: Tensor, codes: Tensor, n_rows: int) -> Tensor:
        """Return the derivative of each row's output with respect to the row."""
        rows = rows.detach().requires_grad_()
        return derivative(self.outputs(rows, codes, n_rows), rows)

    def as_samples(self, rows: Tensor) -> np.ndarray:
        """Return rows of values in the shape of the samples."""
        return rows.reshape(-1, *self.layout.shape).numpy()

    def in_units_of_y(self, maps: np.ndarray) -> np.ndarray:
        """Return maps of the network's outputs as float32 maps of the predictions."""
        scale = self._scale[self.codes.numpy()].reshape(-1, *(1,) * (maps.ndim - 1))
        return (maps * scale).astype(np.float32)

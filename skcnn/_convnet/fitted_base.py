"""A fitted network as the architecture of another: its layers, weights and standardisation."""

import copy
from typing import Any, Self

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from skcnn._architectures import packages
from skcnn._convnet.network_parameters import NetworkParameters, inside_frozen
from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._network.summary import channels_last, run_once
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._normalization import fix_statistics, fixed_statistics

OUTPUT = "output."  # before the names of the output layer's weights


def fitted_base(architecture: Any) -> Any:
    """Return the fitted network that the parameter `architecture` is, None for others.

    Raises
    ------
    NotFittedError
        If it is a network that is not fitted.
    """
    base = inside_frozen(architecture)
    if not isinstance(base, NetworkParameters):
        return None
    if not base.__sklearn_is_fitted__():  # type: ignore[attr-defined]
        raise NotFittedError(
            f"The 'architecture' parameter is a {type(base).__name__} that is not fitted. Fit it "
            "first. If it was fitted, scikit-learn's clone has unfitted it, as it does with the "
            "values in the grids of searches: pass sklearn.frozen.FrozenEstimator(fitted) there."
        )
    return base


def standardizes(net: Any) -> bool:
    """Return whether a network standardises its samples. With a base the base decides."""
    base = fitted_base(net.architecture)
    return bool(net.standardize) if base is None else standardizes(base)


def makes_module(architecture: Any) -> bool:
    """Return whether the parameter `architecture` gives a torch module, no layers."""
    base = inside_frozen(architecture)
    if isinstance(base, NetworkParameters):
        return getattr(base, "_rows", ()) is None
    return packages.makes_module(architecture)


def module_maker(architecture: Any) -> packages.MakeModule:
    """Return the callable ``(input_shape, n_outputs) -> module`` for such an `architecture`."""
    base = fitted_base(architecture)
    if base is None:
        return packages.module_maker(architecture)

    def with_other_outputs(input_shape: Shape, n_outputs: int) -> nn.Module:
        return _with_other_outputs(base, input_shape, n_outputs)

    return with_other_outputs


# Layers and weights


def base_layers(base: Any, input_shape: Shape) -> tuple[LayerSpec, ...]:
    """Return the layers of a fitted network, without its output layer.

    Raises
    ------
    ArchitectureError
        If samples of `input_shape` have other channels or axes than those of the base.
    """
    _check_samples(base, input_shape)
    return tuple(row.spec for row in base._rows[:-1])


def _check_samples(base: Any, input_shape: Shape) -> None:
    own = base._layout.traced_shape
    if own[0] != input_shape[0] or len(own) != len(input_shape):
        raise ArchitectureError(
            f"The network given as 'architecture' was fitted on samples with {_axes(own)}. Got "
            f"samples with {_axes(input_shape)}."
        )


def _axes(shape: Shape) -> str:
    spatial, channels = len(shape) - 1, shape[0]
    axes = f"{spatial} spatial {'axis' if spatial == 1 else 'axes'}"
    return f"{axes} and {channels} channel{'' if channels == 1 else 's'}"


def check_masks(base: Any, layout: InputLayout) -> None:
    """Check that a network and its base both have channels that mark missing values, or none.

    Raises
    ------
    ArchitectureError
        If only one of them has.
    """
    if base._layout.masks != layout.masks:
        given, own = ("mask", "error") if base._layout.masks else ("error", "mask")
        raise ArchitectureError(
            f"The network given as 'architecture' was fitted with missing={given!r}, so that its "
            f"first layer does not fit missing={own!r}."
        )


def copy_base(net: Any, base: Any, offset: np.ndarray | None) -> None:
    """Copy the standardisation of a fitted network and the weights of its layers into `net`.

    Batch normalisations whose statistics are fixed in the base are fixed in `net`.

    Parameters
    ----------
    net : ConvNet or WrappedNet
        The new network, with layers of the base. A WrappedNet has the weights already.
    base : estimator
        The fitted network, which is not changed.
    offset : ndarray of shape (n_channels,) or None
        What is subtracted from the samples of the new network.

    Raises
    ------
    ArchitectureError
        If weights do not fit the size of the samples.
    """
    source = base.net_.module_
    net.standardize.scale = source.standardize.scale.detach().cpu().clone()
    net.standardize.shift = _moved(source.standardize, base.offset_, offset)
    if base._rows is None:
        return
    own, given = net.layers.state_dict(), source.layers.state_dict()
    given = {name: value for name, value in given.items() if not name.startswith(OUTPUT)}
    for name, value in given.items():
        if own[name].shape != value.shape:
            raise ArchitectureError(
                f"Layer {name.partition('.')[0]!r} of the network given as 'architecture' has "
                f"weights of shape {tuple(value.shape)} for samples of shape "
                f"{base._layout.shape}, but {tuple(own[name].shape)} is needed for these samples: "
                "resize them, or use a base whose dense layers come after a GlobalPool."
            )
    net.layers.load_state_dict({**own, **given})
    fix_statistics(net.layers, fixed_statistics(source.layers))


def _moved(standardize: Any, before: np.ndarray | None, now: np.ndarray | None) -> Tensor:
    """Return the shift of a standardisation for samples less another offset than before."""
    shift, scale = (each.detach().cpu() for each in (standardize.shift, standardize.scale))
    if before is None and now is None:
        return shift.clone()
    offset = np.zeros(scale.numel())
    offset = offset + (0 if now is None else now) - (0 if before is None else before)
    return (shift.double() + torch.from_numpy(offset).reshape(scale.shape) * scale).float()


def warn_of_other_scale(architecture: Any, images: Images) -> None:
    """Warn as a fitted network that is the architecture would of samples on another scale."""
    base = fitted_base(architecture)
    if base is not None:
        base._value_range.warn_if_rescaled(images)


# Modules of the user


def last_linear(module: nn.Module, input_shape: Shape) -> str | None:
    """Return the name of the nn.Linear whose outputs are those of a user's module, if one is.

    Parameters
    ----------
    module : nn.Module
        The module, which runs once.
    input_shape : tuple of int
        A sample, ``(n_channels, *spatial)``.
    """
    ran: list[tuple[nn.Module, Any]] = []

    def record(leaf: nn.Module, inputs: tuple, output: Any) -> None:
        ran[:] = [(leaf, output)]

    names = {part: name for name, part in module.named_modules() if not list(part.children())}
    outputs = run_once(module, input_shape, dict.fromkeys(names, record))
    if not ran:
        return None
    leaf, output = ran[0]
    return names[leaf] if type(leaf) is nn.Linear and output is outputs else None


def _with_other_outputs(base: Any, input_shape: Shape, n_outputs: int) -> nn.Module:
    """Return a copy of a base's module with a new last nn.Linear."""
    _check_samples(base, input_shape)
    module = _trainable_copy(base.net_)
    try:
        name = last_linear(module, input_shape)
    except RuntimeError as error:  # of torch, where a layer does not fit
        raise ArchitectureError(
            "The module of the network given as 'architecture', which was fitted on samples of "
            f"shape {base._layout.shape}, does not work for {channels_last(input_shape)}: {error}"
        ) from None
    if name is None:
        raise ArchitectureError(
            "The module of the network given as 'architecture' must end with a torch.nn.Linear, "
            "which is replaced for the new outputs, or it cannot be a base for others."
        )
    old: Any = module.get_submodule(name)
    owner, _, attribute = name.rpartition(".")
    new = nn.Linear(old.in_features, n_outputs, bias=old.bias is not None)
    setattr(module.get_submodule(owner), attribute, new)
    return module


def _trainable_copy(engine: Any) -> nn.Module:
    """Return a copy of a user's module in which nothing is frozen but what the user froze."""
    whole = copy.deepcopy(engine.module_).cpu()
    for name in engine.frozen_names:  # those that another part's training froze
        whole.get_parameter(name).requires_grad_(True)
    return whole.module


class KeepsFittedBase:
    """Mixin of estimators whose parameter `architecture` may be a fitted network.

    Such a network is a value. It is not cloned, and its own parameters are not parameters of
    the estimator.
    """

    architecture: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add those of contained estimators, but for a fitted network that is the
            `architecture`.

        Returns
        -------
        dict
            Values by name.
        """
        params = super().get_params(deep)  # type: ignore[misc]
        if not isinstance(params.get("architecture"), NetworkParameters):
            return params
        return {k: v for k, v in params.items() if not k.startswith("architecture__")}

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Parameters
        ----------
        **params : dict
            Values by name.

        Returns
        -------
        self : estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If there is no such parameter, or it is one of a fitted network that is the
            `architecture`.
        """
        inner = [name for name in params if name.startswith("architecture__")]
        if inner and isinstance(params.get("architecture", self.architecture), NetworkParameters):
            raise ValueError(
                f"Invalid parameter {inner[0]!r}: the network that is the 'architecture' is "
                "fitted and never changed. Set another architecture."
            )
        return super().set_params(**params)  # type: ignore[misc]

    def __sklearn_clone__(self) -> Any:
        """Return an unfitted copy that has the same `architecture`, if that is a network."""
        if not isinstance(self.architecture, NetworkParameters):
            return super().__sklearn_clone__()  # type: ignore[misc]
        without = object.__new__(type(self))
        without.__dict__.update(vars(self), architecture=None)
        copied = super(KeepsFittedBase, without).__sklearn_clone__()  # type: ignore[misc]
        copied.architecture = self.architecture
        return copied

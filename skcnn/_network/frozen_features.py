"""The outputs of frozen layers for samples, computed once and kept."""

import hashlib

import numpy as np
import torch
from torch import nn

from skcnn._data.feature_cache import FeatureCache, sample_keys
from skcnn._data.images import Images, chunk_rows
from skcnn._data.samples import SampleSet
from skcnn._network.module_head import NotLastError
from skcnn._network.prediction import Predictor
from skcnn._network.split import as_feature_rows
from skcnn._network.trained_part import TrainedPart

VERSION = 1  # of the features: another number makes new keys
MOST_BYTES = 2**31  # of the features of all samples; a fit with more computes them in each epoch


class FrozenFeatures:
    """Computes the outputs of a network's frozen layers; they are batch-independent to the bit.

    Parameters
    ----------
    part : TrainedPart
        The part of the network that is trained.
    cache : FeatureCache or None
        Keeps features between fits. It is not used for modules and layers of the user.
    whole : Predictor
        Predicts with the whole network.
    """

    def __init__(self, part: TrainedPart, cache: FeatureCache | None, whole: Predictor) -> None:
        self.part = part
        self.whole = whole
        self.cache = None if part.layers_key is None else cache
        self._predictor: Predictor | None = None
        self._key: str | None = None

    def of(self, samples: SampleSet) -> SampleSet | None:
        """Return the samples with features in the place of their images.

        None if there are too many values, or if a user's module goes on after its last linear
        layer.
        """
        if 4 * len(samples) * self.part.layout.n_values > MOST_BYTES:
            return None
        try:
            return self._of(samples)
        except NotLastError:
            return None

    def _of(self, samples: SampleSet) -> SampleSet:
        images, index = samples.images, torch.from_numpy(samples.index)
        features = np.empty((len(samples), self.part.layout.n_values), np.float32)
        parts = index.split(chunk_rows(images.layout.n_values))
        start = 0
        for part, after in zip(parts, [*parts[1:], None], strict=True):
            rows = images.rows_at(part)
            if after is not None:
                images.expect(after)
            self._fill(features[start : start + len(part)], Images(rows, images.layout))
            start += len(part)
        held = Images(torch.from_numpy(features), self.part.layout)
        return SampleSet(held, np.arange(len(samples)), samples.targets, samples.weights)

    def _fill(self, features: np.ndarray, images: Images) -> None:
        """Write the features of `images`, those that are not kept after computing them."""
        if self.cache is None:
            features[...] = self._computed(images)
            return
        if self._key is None:
            layers = f"{self.part.layers_key} {images.layout}"
            self._key = network_key(self.part.prefix, layers, self.part.device)
        keys = sample_keys(images.rows.numpy())
        missing = self.cache.get(self._key, keys, features)
        if len(missing):
            new = self._computed(Images(images.rows_at(torch.from_numpy(missing)), images.layout))
            features[missing] = new
            self.cache.put(self._key, [keys[i] for i in missing], new)

    def _computed(self, images: Images) -> np.ndarray:
        if self._predictor is None:
            how = (images.layout.network_shape, self.part.device)
            self._predictor = Predictor(self.part.prefix, *how, whole=self.whole)
        return self._predictor.outputs(images, finish=as_feature_rows).float().cpu().numpy()


def network_key(prefix: nn.Module, layers_key: str, device: torch.device) -> str:
    """Return a hash of all that the outputs of a network depend on, besides the sample."""
    digest = hashlib.sha256(repr((VERSION, torch.__version__, device.type)).encode())
    digest.update(layers_key.encode())
    digest.update(repr(prefix).encode())
    for name, tensor in prefix.state_dict().items():
        values = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"\0{name}\0{values.dtype.str}\0{values.shape}\0".encode())
        digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:32]

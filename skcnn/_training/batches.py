"""Training batches: selected on the training device, shuffled and augmented in every epoch."""

from collections.abc import Iterator
from math import ceil

import numpy as np
import torch
from torch import Tensor

from skcnn._data.samples import SampleSet
from skcnn._utils.device import copied_to, free_bytes
from skcnn.augmentation._batch_augmenter import BatchAugmenter


class BatchIterator:
    """Batches of nearly equal size, selected by index on the training device.

    Parameters
    ----------
    samples : SampleSet
        The samples to iterate over.
    batch_size : int
        Largest number of samples in a batch. The samples of an epoch are spread evenly
        over ``ceil(n_samples / batch_size)`` batches.
    device : torch.device
        Device of the batches. All samples are kept on it if they fit.
    generator : torch.Generator or None, default=None
        Shuffles the samples in every epoch. None keeps the order.
    augmenter : BatchAugmenter or None, default=None
        Augments every batch, with other draws in every epoch. The draws of a sample depend
        on its place in `samples`, not on its batch.
    first_epoch : int, default=0
        Number of the first epoch for the augmenter, so that a continued training does not
        repeat its draws.

    Yields
    ------
    images : Tensor of shape (n_batch, n_channels, *spatial)
    (targets, weights) : Tensor, Tensor or None
    """

    def __init__(
        self,
        samples: SampleSet,
        batch_size: int,
        device: torch.device,
        generator: torch.Generator | None = None,
        augmenter: BatchAugmenter | None = None,
        first_epoch: int = 0,
    ) -> None:
        self.next_epoch = first_epoch
        self.augmenter = augmenter
        self.n_samples = len(samples)
        self.n_batches = ceil(len(samples) / batch_size)
        self.largest_batch = ceil(len(samples) / self.n_batches)
        self.device = device
        self.generator = generator
        self.read_from(samples)
        self.targets = torch.from_numpy(samples.targets).to(device)
        self.weights = (
            None
            if samples.weights is None
            else torch.from_numpy(samples.weights.astype(np.float32)).to(device)
        )

    def read_from(self, samples: SampleSet) -> None:
        """Take the images of `samples`, which are the same samples in another form."""
        fits = _fits(samples, self.device)
        self.images = samples.images.to(self.device) if fits else samples.images
        self.index = torch.from_numpy(samples.index).to(self.images.device)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor | None]]]:
        if self.generator is None:
            order = torch.arange(self.n_samples)
        else:
            order = torch.randperm(self.n_samples, generator=self.generator)
        epoch, self.next_epoch = self.next_epoch, self.next_epoch + 1
        on_device = copied_to(order, self.device)
        held = on_device if self.index.device == on_device.device else order
        for start, stop, next_stop in self._bounds():
            places, part = order[start:stop], on_device[start:stop]
            rows = self.index.index_select(0, held[start:stop])
            images = copied_to(self.images.take(rows), self.device)
            if self.images.source is not None and stop < next_stop:  # while this batch trains
                self.images.expect(self.index[order[stop:next_stop]])
            targets = self.targets.index_select(0, part)
            if targets.dtype == torch.uint8:  # indicators are bytes until they are a batch
                targets = targets.float()
            weights = None if self.weights is None else self.weights.index_select(0, part)
            if self.augmenter is None:
                yield images, (targets, weights)
            else:
                yield self.augmenter.batch(images, targets, weights, places.numpy(), epoch)

    def _bounds(self) -> Iterator[tuple[int, int, int]]:
        """Yield where each batch starts and stops, and where the next one stops."""
        size, n_larger = divmod(self.n_samples, self.n_batches)
        stops = [n * size + min(n, n_larger) for n in range(self.n_batches + 1)]
        return zip(stops, stops[1:], [*stops[2:], self.n_samples], strict=False)


def _fits(samples: SampleSet, device: torch.device) -> bool:
    """Return whether all images fit on the device, in half of its free memory."""
    if device.type != "cuda":
        return device.type == "cpu"
    return samples.images.n_bytes < free_bytes(device) // 2

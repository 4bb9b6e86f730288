"""ImageTransformer: base of transformers that bring images to one size."""

from typing import Any

import numpy as np

from skcnn._utils.compat import check_feature_names_in
from skcnn.preprocessing._kernel_filter import ArrayTransformer


class ImageTransformer(ArrayTransformer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of transformers whose results are images or flat rows of their values."""

    def transform(self, X: Any) -> Any:
        """Bring images to the size of the results.

        Parameters
        ----------
        X : array-like or list of images
            Images of any size, in one of the forms that `fit` takes.

        Returns
        -------
        ndarray, ImageFiles or DataFrame of shape (n_samples, height, width[, n_channels])
            The images, or flat rows of shape (n_samples, n_values), on which alone `set_output`
            acts.

        Raises
        ------
        ImageFileError
            If images are missing or cannot be read. It names their rows.
        InputShapeError
            If `X` has no images, or arrays of another number of channels than at fit.
        """
        return super().transform(X)

    def _names(self, shape: tuple[int, int, int], input_features: Any) -> np.ndarray:
        """Return a name for each value of an image: "pixel_0_3", with the channel if several."""
        if input_features is not None:
            check_feature_names_in(self, input_features)
        height, width, n_channels = shape
        channels = [""] if n_channels == 1 else [f"_{channel}" for channel in range(n_channels)]
        names = [
            f"pixel_{row}_{column}{channel}"
            for row in range(height)
            for column in range(width)
            for channel in channels
        ]
        return np.array(names, dtype=object)

"""A folder of pictures and a model that the tests of commands share."""

import pytest

from tests.helpers.folders import save_colours, train


@pytest.fixture(scope="package")
def trained(tmp_path_factory):
    """A folder with twenty pictures, and the file of a model that was trained on it."""
    place = tmp_path_factory.mktemp("trained")
    folder = save_colours(place / "colours")
    assert train(folder, place / "colours.safetensors") == 0
    return folder, place / "colours.safetensors"

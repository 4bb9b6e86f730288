"""The classifier that options describe."""

import argparse

import pytest

from skcnn import ConvNetClassifier
from skcnn._command_line.networks import add_network_options, make_network
from skcnn._convnet.recipes import OF_IMAGES, recipe


def network(*arguments):
    parser = argparse.ArgumentParser()
    add_network_options(parser)
    parser.set_defaults(seed=3, checkpoint=None)
    return make_network(parser.parse_args(arguments))


def test_default_network_has_the_default_parameters_and_an_augmentation():
    changed = {"augmentation", "random_state"}
    default = ConvNetClassifier().get_params(deep=False)
    given = network().get_params(deep=False)
    assert {name for name in given if given[name] != default[name]} == changed
    assert given["random_state"] == 3
    assert given["augmentation"] == "auto"
    [affine] = network("--augment", "affine").augmentation
    assert repr(affine) == "RandomAffine(degrees=10, padding_mode='mirror')"


@pytest.mark.parametrize("name", OF_IMAGES)
def test_recipe_brings_its_augmentation(name):
    given = network("--recipe", name).get_params(deep=False)
    wanted = recipe(name)
    assert repr({key: given[key] for key in wanted}) == repr(wanted)
    assert network("--recipe", name, "--augment", "none").augmentation is None


def test_options_come_before_the_recipe():
    model = network("--recipe", "cifar-fast", "--epochs", "2", "--augment", "flip")
    assert model.max_epochs == 2
    assert [type(each).__name__ for each in model.augmentation] == ["RandomFlip", "RandomAffine"]

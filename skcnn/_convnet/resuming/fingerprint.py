"""The fingerprint of a fit: texts of its data and parameters, which say what differs."""

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from skcnn._data.hashing import image_hashes
from skcnn._data.samples import SampleSet
from skcnn._data.value_texts import description_of, hash_of, is_installed, with_hash
from skcnn._training.checkpointing.checkpoint import content_of
from skcnn._utils.compat import callbacks_of, parameter_names
from skcnn._utils.device import resolve_device
from skcnn._utils.text import plural
from skcnn._utils.validation import is_integer
from skcnn.augmentation._base import Augmentation
from skcnn.augmentation._batch_augmenter import Step

# Parameters that change no trained weight, and those that have an entry of their own.
NO_ENTRY = {
    *("checkpoint", "checkpoint_seconds", "feature_cache", "n_threads", "verbose", "warm_start"),
    *("augmentation", "callbacks", "device", "random_state", "test_time_augmentation"),
    "calibration",
}
PLAIN = (bool, int, float, str, type(None))
LENGTH = 16  # of a name


def fingerprint(
    net: Any, samples: SampleSet, given: SampleSet | None, steps: Sequence[Step]
) -> dict[str, str]:
    """Return texts that are the same for two fits with the same result.

    The order of the training samples does not matter, nor the way in which they are given.

    Parameters
    ----------
    net : ConvNetClassifier or ConvNetRegressor
        The estimator, with the attributes that it learned from `y`.
    samples : SampleSet
        The training samples in content order, with those that are split off for validation.
    given : SampleSet or None
        The validation samples that were passed to the fit.
    steps : sequence of Step
        The augmentations, also of a Pipeline.
    """
    names = [name for name in parameter_names(type(net)) if name not in NO_ENTRY]
    texts = {
        **_data_texts(samples, "X", "y", "sample_weight"),
        **({} if given is None else _data_texts(given, "X_val", "y_val", "sample_weight_val")),
        **_groups_text(samples),
        "labels": description_of(getattr(net, "classes_", None)),
        "offset_": description_of(net.offset_),
        **{name: description_of(_in_order(getattr(net, name))) for name in names},
        "augmentation": _steps_text(steps),
        "random_state": _seed_text(net.random_state),
        "callbacks": _callbacks_text(net),
        "device": resolve_device(net.device).type,
        "estimator": _class_text(net),
        "skcnn": _version(),
    }
    return {name: " ".join(text.split()) for name, text in texts.items()}


def name_of(texts: Mapping[str, str]) -> str:
    """Return a short name of a fit for its file."""
    contents = {name: content_of(text) for name, text in texts.items()}
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:LENGTH]


def _in_order(value: Any) -> Any:
    """Return plain containers with dicts in the order of their keys' texts."""
    if type(value) is dict:
        return {k: _in_order(value[k]) for k in sorted(value, key=hash_of)}
    if type(value) in (list, tuple):
        return type(value)(map(_in_order, value))
    return value


def _data_texts(samples: SampleSet, X: str, y: str, sample_weight: str) -> dict[str, str]:
    images, weights = samples.images, samples.weights
    shape = " x ".join(map(str, images.layout.shape))
    kind = f"{plural(len(samples), 'sample')} of shape {shape} (channels {images.layout.channels})"
    what = f"{kind}, {str(images.dtype).removeprefix('torch.')}"
    rows = image_hashes(images)[samples.index]
    return {
        X: with_hash(what, (what, rows)),
        y: with_hash(f"{plural(len(samples), 'target')}", np.asarray(samples.targets)),
        sample_weight: "None" if weights is None else with_hash("weights", np.asarray(weights)),
    }


def _groups_text(samples: SampleSet) -> dict[str, str]:
    """Return which samples are of one group, such as windows of a recording, if there are groups.

    The numbers of groups are those of their first samples.
    """
    groups = samples.images.groups()
    if groups is None:
        return {}
    _, first, group = np.unique(groups[samples.index], return_index=True, return_inverse=True)
    return {"groups": with_hash(plural(len(first), "group"), first[group.reshape(-1)])}


def _steps_text(steps: Sequence[Step]) -> str:
    texts = [_step_text(step) for step in steps]
    joined = ", ".join(texts)
    return with_hash(joined, texts) if len(texts) > 1 else joined or "None"


def _step_text(step: Step) -> str:
    """Return the text of an augmentation, without the random state from which its seed came."""
    each = step.augmentation
    if not isinstance(each, Augmentation):
        return description_of(each)
    params = {k: v for k, v in each.get_params(deep=False).items() if k != "random_state"}
    what = (hash_of(type(each)), sorted(params.items()), step.seed)
    return with_hash(type(each).__name__, what)


def _seed_text(random_state: Any) -> str:
    """Return the seed, or that one is drawn, which the checkpoint has then."""
    return repr(int(random_state)) if is_integer(random_state) else "drawn in each fit"


def _callbacks_text(net: Any) -> str:
    """Return the classes of the callbacks, with parameters that are plain values.

    What they remember belongs to the state of the training, and their code may be mended.
    """
    skorchs = [each[1] if isinstance(each, tuple) else each for each in net.callbacks or ()]
    sklearns = [each for each in callbacks_of(net) if not is_installed(type(each).__module__)]
    return ", ".join(map(_callback_text, [*skorchs, *sklearns])) or "None"


def _callback_text(callback: Any) -> str:
    cls = callback if isinstance(callback, type) else type(callback)
    names = inspect.signature(cls).parameters  # whose attributes are its parameters
    params = {} if cls is callback else {k: v for k, v in vars(callback).items() if k in names}
    plain = {k: v for k, v in sorted(params.items()) if isinstance(v, PLAIN)}
    values = ", ".join(f"{k}={v!r}" for k, v in plain.items())
    return f"{cls.__name__}({values})" if values else cls.__name__


def _class_text(value: Any) -> str:
    """Return the name of a class, with its code if it is the user's."""
    cls = type(value)
    return cls.__name__ if is_installed(cls.__module__) else with_hash(cls.__name__, cls)


def _version() -> str:
    try:
        return version("skcnn")
    except PackageNotFoundError:  # it is imported from a folder
        return "not installed"

"""The tensors of a module and the state of its optimizer: taken, compared and set again."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from skcnn._data.value_texts import hash_of
from skcnn._training.checkpointing.values import encoded
from skcnn._training.optimizers import KEPT_STATES
from skcnn._utils.validation import is_number
from skcnn.exceptions import ModelFileError, UnsupportedModelError

OWN_PACKAGES = ("torch", "skcnn")
OF_EVERY_MODULE = frozenset(vars(nn.Module()))
PLAIN = (bool, int, float, str, type(None))


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers by name, also those that are not in a state_dict."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def digest_of(module: nn.Module) -> str:
    """Return a hash of all parameters and buffers."""
    digest = hashlib.sha256()
    node, arrays = encoded({name: each.detach() for name, each in tensors_of(module).items()})
    digest.update(repr(node).encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:32]


def packed(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return tensors as one long tensor for each dtype, which takes little space in a manifest."""
    of_dtype: dict[str, list[Tensor]] = {}
    for _, tensor in sorted(tensors.items()):
        of_dtype.setdefault(str(tensor.dtype), []).append(tensor.detach().cpu().reshape(-1))
    return {
        "like": _shapes_text(tensors),
        "values": {dtype: torch.cat(parts) for dtype, parts in of_dtype.items()},
    }


def set_packed(targets: Mapping[str, Tensor], kept: Any, what: str) -> None:
    """Copy what `packed` returned to tensors of the same names, shapes and dtypes, in place.

    Raises
    ------
    ModelFileError
        If they are not the same.
    """
    sizes: dict[str, int] = {}
    for target in targets.values():
        sizes[str(target.dtype)] = sizes.get(str(target.dtype), 0) + target.numel()
    values = kept["values"]
    legal = kept["like"] == _shapes_text(targets) and values.keys() == sizes.keys()
    for dtype, size in sizes.items():
        legal = legal and isinstance(values[dtype], Tensor) and values[dtype].shape == (size,)
        legal = legal and str(values[dtype].dtype) == dtype
    if not legal:
        raise ModelFileError(f"its {what} have other names or shapes than those of this training")
    places = dict.fromkeys(sizes, 0)
    with torch.no_grad():
        for _, target in sorted(targets.items()):
            dtype = str(target.dtype)
            start, places[dtype] = places[dtype], places[dtype] + target.numel()
            target.copy_(values[dtype][start : places[dtype]].view(target.shape))


def _shapes_text(tensors: Mapping[str, Tensor]) -> str:
    shapes = [(name, tuple(each.shape), str(each.dtype)) for name, each in sorted(tensors.items())]
    return hashlib.sha256(repr(shapes).encode("utf-8", "surrogatepass")).hexdigest()[:32]


# What the modules of users keep beside tensors


def other_state(module: nn.Module) -> dict[str, str]:
    """Return texts of what modules of other packages and the user hold beside their tensors.

    A module may count its calls, say. Such a state is not in a checkpoint. Of modules of torch and
    of this package it is the plain settings, such as a momentum, which a user's code may change.
    """
    found = {"": repr([(k, tuple(v.shape), v.dtype) for k, v in tensors_of(module).items()])}
    for name, part in module.named_modules():
        own = {k: v for k, v in vars(part).items() if k not in OF_EVERY_MODULE}
        if type(part).__module__.partition(".")[0] in OWN_PACKAGES:
            found[f"{name}."] = repr(plain_settings(own))
        else:
            found[f"{name}."] = hash_of(own)
    return found


def plain_settings(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return those that are numbers, texts, truth values or None."""
    return {k: v for k, v in attributes.items() if isinstance(v, PLAIN)}


# Optimizers


def optimizer_state(optimizer: Optimizer, name: str) -> dict[str, Any]:
    """Return settings and states of an optimizer of this package.

    Raises
    ------
    UnsupportedModelError
        If it is another optimizer, which a callback has put in its place.
    """
    if type(optimizer).__module__.partition(".")[0] != "skcnn":
        raise UnsupportedModelError(f"the optimizer is {type(optimizer).__name__}, not {name}")
    tensors: dict[str, Tensor] = {}
    plain: list[list[Any]] = []
    of_keys: dict[tuple[str, ...], list[int]] = {}
    for number, parameter in enumerate(_parameters(optimizer)):
        state = optimizer.state.get(parameter, {})
        of_keys.setdefault(tuple(sorted(state)), []).append(number)
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{number}.{key}"] = value
            else:
                plain.append([number, key, value])
    return {
        "groups": [settings_of(group) for group in optimizer.param_groups],
        "keys": [[list(keys), np.array(numbers)] for keys, numbers in of_keys.items()],
        "plain": plain,
        "tensors": packed(tensors),
    }


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def settings_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of what a group of parameters holds beside them."""
    return {key: value for key, value in group.items() if key != "params"}


def set_optimizer_state(optimizer: Optimizer, name: str, kept: Any) -> None:
    """Give a new optimizer the settings and states of another one.

    Raises
    ------
    ModelFileError
        If they are not those of an optimizer of the same kind for the same parameters. Compiled
        steps read the states without a check.
    """
    groups = kept["groups"]
    _check(type(groups) is list and len(groups) == len(optimizer.param_groups))
    for group, given in zip(optimizer.param_groups, groups, strict=True):
        own = settings_of(group)
        _check(type(given) is dict and given.keys() == own.keys())
        _check(all(_is_like(given[key], own[key]) for key in own))
    states = _states(optimizer, name, kept)
    for group, given in zip(optimizer.param_groups, groups, strict=True):
        group.update(given)
    optimizer.state.clear()
    optimizer.state.update(states)


def _states(optimizer: Optimizer, name: str, kept: Any) -> dict[Tensor, dict[str, Any]]:
    """Return the states of the parameters, with tensors where the optimizer makes them."""
    parameters = _parameters(optimizer)
    plain = {(number, key): value for number, key, value in kept["plain"]}
    _check(all(key == "step" and is_number(value) for (_, key), value in plain.items()))
    keys = {int(number): names for names, numbers in kept["keys"] for number in numbers}
    _check(keys.keys() == {*range(len(parameters))})
    states: dict[Tensor, dict[str, Any]] = {}
    targets: dict[str, Tensor] = {}
    for number, (parameter, steps) in enumerate(_with_step_devices(optimizer)):
        names = keys[number]
        _check(not names or {*names} in KEPT_STATES[name])
        state: dict[str, Any] = {}
        for key in names:
            if (number, key) in plain:
                state[key] = plain[number, key]
            elif key == "step":
                targets[f"{number}.{key}"] = state[key] = torch.zeros((), device=steps)
            else:  # in the layout of the parameter, which the fused steps read both by
                targets[f"{number}.{key}"] = state[key] = torch.empty_like(parameter.detach())
        if state:
            states[parameter] = state
    set_packed(targets, kept["tensors"], "optimizer's states")
    return states


def _with_step_devices(optimizer: Optimizer) -> Iterator[tuple[Tensor, torch.device]]:
    """Yield each parameter and the device of its number of steps."""
    for group in optimizer.param_groups:
        on_device = group.get("fused") or group.get("capturable")
        for parameter in group["params"]:
            yield parameter, parameter.device if on_device else torch.device("cpu")


def _is_like(value: Any, like: Any) -> bool:
    """Return whether a setting is of the kind of another."""
    if isinstance(like, tuple | list):
        legal = type(value) is type(like) and len(value) == len(like)
        return legal and all(map(_is_like, value, like))
    if like is None or isinstance(like, bool):
        return value is like
    return is_number(value)


def _check(condition: bool) -> None:
    if not condition:
        raise ModelFileError("its optimizer's state does not fit this training")

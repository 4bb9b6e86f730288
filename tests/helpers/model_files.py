"""Model files with a right checksum and changed contents."""

import copy
import random

import numpy as np

from skcnn._files.container import read_container, write_container

VALUES = [
    None,
    True,
    False,
    -1,
    0,
    1,
    2,
    7,
    2**40,
    -(2**70),
    0.5,
    -1.5,
    1e300,
    "",
    "x",
    "last",
    "é",
]
NODES = [[], {}, [1, 2], {"tuple": [3]}, {"float": "nan"}, {"dict": []}, {"same": 0}, [[[[]]]]]


def rewritten(path, change):
    """Write the file again after ``change(manifest, tensors)``, with a checksum that agrees."""
    manifest, tensors = read_container(path)
    change(manifest, tensors)
    write_container(path, manifest, tensors)


def places(node, before=()):
    """Return the places of all nodes inside a node, as tuples of keys."""
    keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    found = [(*before, key) for key in keys]
    return found + [place for key in keys for place in places(node[key], (*before, key))]


def at(node, place):
    for key in place:
        node = node[key]
    return node


def put(node, place, value):
    at(node, place[:-1])[place[-1]] = value


def disturb(manifest, tensors, rng: random.Random):
    """Change a manifest or a tensor at random, in place."""
    kind = rng.randrange(7)
    found = places(manifest["model"])
    place = rng.choice(found)
    parent = at(manifest["model"], place[:-1])
    if kind == 0:
        put(manifest["model"], place, rng.choice(VALUES))
    elif kind == 1:
        put(manifest["model"], place, copy.deepcopy(rng.choice(NODES)))
    elif kind == 2:
        del parent[place[-1]]
    elif kind == 3:
        put(manifest["model"], place, copy.deepcopy(at(manifest["model"], rng.choice(found))))
    elif kind == 4 and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[place[-1]]))
    elif kind == 4:
        parent[rng.choice(["x", "array", "layer", "estimator"])] = rng.choice(VALUES)
    else:
        disturb_tensor(tensors, rng)


def disturb_tensor(tensors, rng):
    name = rng.choice([*tensors])
    array, kind = tensors[name], rng.randrange(6)
    if kind == 0:
        del tensors[name]
    elif kind == 1:
        tensors[name] = array.reshape(-1)[: max(array.size - 1, 0)]
    elif kind == 2:
        tensors[name] = array.astype(rng.choice(["float32", "float64", "int64", "uint8", "bool"]))
    elif kind == 3:
        tensors[name] = array[None]
    elif kind == 4 and array.size and array.dtype.kind == "f":
        array.reshape(-1)[0] = rng.choice([np.nan, np.inf, -1.0, 1e30])
    else:
        tensors["other"] = array

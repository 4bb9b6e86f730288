"""Where the weights of pretrained bases in an estimator come from, and their licences."""

from collections.abc import Iterator
from typing import Any

from skcnn._architectures.pretrained import PRETRAINED
from skcnn._convnet.choice import SCRATCH
from skcnn._convnet.pretrained_input import is_pretrained
from skcnn.persistence._parts import NETWORKS, parts_of

UNKNOWN = "unknown"


def base_origins(estimator: Any) -> list[dict[str, str]]:
    """Return facts about the pretrained bases of all networks in a fitted estimator.

    Returns
    -------
    list of dict
        With the keys "architecture", "origin" and "licence", each base once, by its name.
    """
    names = {str(net.architecture) for net in _networks(estimator) if _has_weights(net)}
    return [_facts(name) for name in sorted(names)]


def _facts(name: str) -> dict[str, str]:
    base = PRETRAINED.get(name)
    if base is None:  # of timm or torchvision, from a file that the user gave
        origin, licence = f"a file for {name.partition(':')[0]}", UNKNOWN
    else:
        origin, licence = base.origin, base.licence
    return {"architecture": name, "origin": origin, "licence": licence}


def _has_weights(net: Any) -> bool:
    """Return whether a network began with published weights."""
    if not isinstance(net.architecture, str) or not is_pretrained(net.pretrained):
        return False
    choice = vars(net).get("choice_")
    return choice is None or str(choice.index[choice["chosen"]][0]) != SCRATCH


def _networks(value: Any) -> Iterator[Any]:
    """Yield the networks in an estimator, also those that are the architecture of others."""
    for part in parts_of(value, set(), 0):
        if isinstance(part, NETWORKS):
            yield part
            yield from _networks(part.architecture)

"""AutoSpace: draws latents and decodes them to networks that fit the input."""

from collections.abc import Mapping, Sequence
from typing import Any

from skcnn._data.value_texts import description_of
from skcnn.exceptions import ArchitectureError
from skcnn.model_selection._network_size import Limits
from skcnn.model_selection._spaces.base import ParamSpace, check_initial
from skcnn.model_selection._spaces.latents import OPTIMIZERS_OF_LAYERS, TRAINING_LATENTS
from skcnn.model_selection._spaces.networks import Networks


class AutoSpace(ParamSpace):
    """The automatic space for an input of some shape.

    The first trial is the estimator with its own parameters.

    Parameters
    ----------
    prefix : str
        What comes before a ConvNet's parameter in the estimator's, such as
        "convnetclassifier__".
    networks : Networks
        The family of networks that fits the input.
    own : mapping
        The ConvNet's own parameters.
    initial : sequence of mapping
        Parameters to try after the estimator's own.
    limits : Limits or None
        Largest network. A draw that would exceed it becomes a smaller network of the same
        kind.
    """

    def __init__(
        self,
        prefix: str,
        networks: Networks,
        own: Mapping[str, Any],
        initial: Sequence[Mapping[str, Any]],
        limits: Limits | None,
    ) -> None:
        self.prefix = prefix
        self.networks = networks
        self.limits = limits
        given_whole = own["architecture"] is not None
        kept = TRAINING_LATENTS if given_whole else (*networks.distributions,)
        self.distributions = {n: d for n, d in networks.distributions.items() if n in kept}
        if given_whole:
            self.distributions["optimizer"] = OPTIMIZERS_OF_LAYERS
        decoded = networks.decode(networks.encode({}))
        self.names = [name for name in decoded if not given_whole or name in kept]
        # decoded networks fit the input with padding that keeps the size
        keeps_padding = given_whole or own["padding"] == "same"
        self.fixed = {} if keeps_padding else {f"{prefix}padding": "same"}
        self.clips = not given_whole and own["gradient_clip"] is None
        latents = networks.encode({name: own[name] for name in self.names})
        self.usual = self._place(latents)
        self.initial = self._initial_params(own, initial)

    def _initial_params(
        self, own: Mapping[str, Any], initial: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return the estimator's own parameters, if small enough, and the user's."""
        allowed = [self.prefix + name for name in self.names]
        for i, params in enumerate(initial):
            check_initial(params, allowed, f"initial_params[{i}]")
        first = {self.prefix + name: own[name] for name in self.names}
        first |= dict.fromkeys(self.fixed, own["padding"])
        completed = [{**first, **params} for params in initial]
        return completed if self._is_too_large(first) else [first, *completed]

    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Return the parameters of drawn values, or of number `initial` of `self.initial`."""
        if initial is not None:
            return dict(self.initial[initial])
        latents = {**self.networks.encode({}), **values}
        params = self._decode(latents)
        if self._is_too_large(params):
            for fewer in self.networks.smaller(latents):
                params = self._decode(fewer)
                if not self._is_too_large(params):
                    break
        return params

    def _decode(self, latents: Mapping[str, Any]) -> dict[str, Any]:
        decoded = self.networks.decode(latents)
        params = {self.prefix + name: decoded[name] for name in self.names} | self.fixed
        if self.clips and decoded["optimizer"] == "sgd":  # which diverges in small batches
            params[f"{self.prefix}gradient_clip"] = 1.0
        return params

    def _is_too_large(self, params: Mapping[str, Any]) -> bool:
        try:
            return self.limits is not None and bool(self.limits.violation(params))
        except ArchitectureError:  # such as mirrored borders wider than the input
            return True

    def values_of(self, initial: int) -> dict[str, Any]:
        """Return the latents nearest to number `initial` of `self.initial`."""
        given = {
            name.removeprefix(self.prefix): value for name, value in self.initial[initial].items()
        }
        return self._place(self.networks.encode(given))

    def _place(self, latents: Mapping[str, Any]) -> dict[str, Any]:
        """Return the latents that are drawn, with the usual optimizer for one that is not."""
        distributions: Any = self.distributions
        values = {name: latents[name] for name in distributions}
        drawn = distributions.get("optimizer")
        if drawn is not None and values["optimizer"] not in drawn.choices:
            values |= {"optimizer": drawn.choices[0], "learning_rate": 1.0, "weight_decay": 1.0}
        return values

    def description(self) -> dict[str, Any]:
        """Return descriptions by name, for the fingerprint, that are the same for equal spaces."""
        return {
            "param_space": f"auto for {self.networks.description()}"
            + ("" if self.limits is None else f", at most {self.limits.bounds}")
            + f": {', '.join(self.names)}",
            "initial_params": description_of(list(self.initial)),
        }

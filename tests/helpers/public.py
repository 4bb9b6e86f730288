"""The public names of the package, whichever package they are in."""

import inspect
from types import ModuleType

import skcnn

PACKAGES = {
    f"skcnn.{name}": thing
    for name in skcnn.__all__
    if isinstance(thing := getattr(skcnn, name), ModuleType)
}
MODULES = {"skcnn": skcnn, **PACKAGES}
# by their address: once for what the top level shows too
PUBLIC = {
    f"{address}.{name}": getattr(module, name)
    for address, module in PACKAGES.items()
    for name in module.__all__
}
PUBLIC |= {
    f"skcnn.{name}": thing
    for name in skcnn.__all__
    if not isinstance(thing := getattr(skcnn, name), ModuleType) and thing not in PUBLIC.values()
}
BY_NAME = {address.rpartition(".")[2]: thing for address, thing in PUBLIC.items()}
PUBLIC_CLASSES = [thing for thing in PUBLIC.values() if inspect.isclass(thing)]
FUNCTIONS = [thing for thing in PUBLIC.values() if inspect.isfunction(thing)]

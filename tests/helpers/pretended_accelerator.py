"""A pretended accelerator that computes on the CPU, to find mistakes where there is no GPU.

Its tensors say that they are on torch's device "meta". Operations on them together with tensors of
the CPU raise, and so does reading them as NumPy arrays, as on a GPU.
"""

import sys
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch.optim import optimizer as optimizer_module
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_map

from skcnn._utils.device import resolve_device
from skcnn.layers._on_cuda import gradients

DEVICE = torch.device("meta")
MIXES = {"_to_copy", "copy_", "_foreach_copy_", "index", "index_put_", "_index_put_impl_"}


class FakeGenerator(torch.Generator):
    """A generator of the CPU, whatever device is asked for."""

    def __new__(cls, device=None):
        return super().__new__(cls)


class PretendedTensor(torch.Tensor):
    """A tensor of the CPU that says that it is elsewhere."""

    n_made = 0

    @staticmethod
    def __new__(cls, elem):
        PretendedTensor.n_made += 1
        return torch.Tensor._make_wrapper_subclass(
            cls,
            elem.size(),
            strides=elem.stride(),
            storage_offset=elem.storage_offset(),
            dtype=elem.dtype,
            layout=elem.layout,
            device=DEVICE,
        )

    def __init__(self, elem):
        self.elem = elem

    def __repr__(self):
        return f"PretendedTensor({self.elem})"

    def __deepcopy__(self, memo):
        with torch.no_grad():
            copied = PretendedTensor(self.elem.detach().clone())
        if isinstance(self, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        memo[id(self)] = copied
        return copied

    def untyped_storage(self):
        return self.elem.untyped_storage()

    def numpy(self, *args, **kwargs):
        raise TypeError(
            "can't convert a tensor of an accelerator to numpy. Use Tensor.cpu() to copy it first."
        )

    def __array__(self, *args, **kwargs):
        return self.numpy()

    def tolist(self):
        return self.elem.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


def _is_there(device):
    return device is not None and torch.device(device).type == DEVICE.type


def run(func, args, kwargs):
    """Run an operation on the tensors inside of the wrappers."""
    name = func.overloadpacket.__name__
    is_fake = False
    on_cpu = []

    def look(x):
        nonlocal is_fake
        if isinstance(x, PretendedTensor):
            is_fake = True
        elif isinstance(x, torch.Tensor) and x.dim() > 0:
            on_cpu.append(x)

    tree_map(look, (args, kwargs))
    if is_fake and on_cpu and name not in MIXES:
        raise RuntimeError(
            f"Expected all tensors to be on the same device ({name}), but found at least two "
            "devices, an accelerator and cpu!"
        )
    device = kwargs.get("device")
    wraps = is_fake
    if "device" in kwargs and device is not None:
        wraps = _is_there(device)
        kwargs = {**kwargs, "device": torch.device("cpu")}

    def inner(x):
        return x.elem if isinstance(x, PretendedTensor) else x

    kwargs = {k: v for k, v in kwargs.items() if k != "pin_memory"}
    out = func(*tree_map(inner, args), **tree_map(inner, kwargs))
    if name == "copy_":
        return args[0]
    if out is None or name == "_local_scalar_dense":
        return out
    if wraps:
        out = tree_map(lambda x: PretendedTensor(x) if type(x) is torch.Tensor else x, out)
    if is_fake and wraps:
        return return_and_correct_aliasing(func, args, kwargs, out)
    return out


class PretendedDevice(TorchDispatchMode):
    """Makes tensors that are asked for on CUDA."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


class PretendedAutocast(torch.autocast):
    """Autocast that changes nothing on the pretended device, which torch does not know."""

    def __init__(self, device_type, *args, **kwargs):
        super().__init__("cpu" if device_type == DEVICE.type else device_type, *args, **kwargs)


def _resolve(device):
    """Return the pretended device for "auto"."""
    return DEVICE if device == "auto" else resolve_device(device)


@contextmanager
def pretended_accelerator():
    """Let "auto" be a device that computes on the CPU and says that it is none."""
    modules = [
        module
        for name, module in [*sys.modules.items()]
        if name.startswith("skcnn") and getattr(module, "resolve_device", None) is resolve_device
    ]
    fused = optimizer_module._get_fused_kernels_supported_devices()
    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(mock.patch.object(module, "resolve_device", _resolve))
        for owner, name, value in (
            (gradients, "DEVICE_TYPE", DEVICE.type),
            (torch, "Generator", FakeGenerator),
            (torch, "autocast", PretendedAutocast),
            (
                optimizer_module,
                "_get_fused_kernels_supported_devices",
                lambda: [*fused, DEVICE.type],
            ),
        ):
            stack.enter_context(mock.patch.object(owner, name, value))
        # parameters that are moved stay the optimizer's, as on a GPU
        before = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_swap_module_params_on_conversion, before)
        stack.enter_context(PretendedDevice())
        yield

"""Stand-ins on the CPU for a CUDA graph."""

import torch


class FakeCapture:
    """Records a function and calls it again, with its results in the same memory every time."""

    rate_dtype = torch.float64  # as the kernels of the CPU read it

    def __init__(self, device, generators):
        self.device = device
        self.generators = generators

    def record(self, closure):
        closure()  # as a graph's warm-up
        self.closure = closure
        self.outputs = [each.detach() for each in closure()]
        return self.outputs

    def replay(self):
        with torch.enable_grad():
            fresh = self.closure()
        with torch.no_grad():
            for old, new in zip(self.outputs, fresh, strict=True):
                old.copy_(new)


class WrongGradients(FakeCapture):
    """Trains with gradients that are wrong by a hundredth."""

    def replay(self):
        super().replay()
        for each in self.outputs[1:]:
            each.mul_(1.01)


class WrongUpdates(FakeCapture):
    """Does steps of the optimizer twice."""

    def replay(self):
        super().replay()
        if not self.outputs:
            super().replay()


class RoundedGradients(FakeCapture):
    """Has gradients with other last bits."""

    def replay(self):
        super().replay()
        for each in self.outputs[1:]:
            each.mul_(1 + 1e-6)


class Unrecordable(FakeCapture):
    """Fails as a graph does when a value is read from the device."""

    def record(self, closure):
        super().record(closure)
        raise RuntimeError("operation not permitted when stream is capturing")


class TooLarge(FakeCapture):
    """Has too little memory."""

    def record(self, closure):
        super().record(closure)
        raise torch.OutOfMemoryError("CUDA out of memory")

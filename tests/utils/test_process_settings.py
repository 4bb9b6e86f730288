"""Settings of the process inside of blocks that overlap, and what is restored."""

import threading

import pytest
import torch

from skcnn._utils.process_settings import right_settings, settings_are_right
from tests.helpers.ambient import ambient, torch_state
from tests.helpers.forks import exit_code_of_child, forks

backends = torch.backends
ERRORS = pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])


@ERRORS
def test_the_default_dtype_is_restored(error):
    with ambient("dtype float64"):
        try:
            with right_settings(cuda=False):
                assert torch.get_default_dtype() == torch.float32
                if error is not None:
                    raise error
        except (ValueError, KeyboardInterrupt):
            pass
        assert torch.get_default_dtype() == torch.float64


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_last_of_overlapping_blocks_restores(order):
    blocks = [right_settings(cuda=False), right_settings(cuda=True)]
    with ambient("dtype float64"), ambient("precision bf16"):
        before = torch_state()
        for block in blocks:
            block.__enter__()
        assert not settings_are_right()  # the blocks may end at any time
        blocks[order[0]].__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float32
        assert backends.mkldnn.conv.fp32_precision == "ieee"
        blocks[order[1]].__exit__(None, None, None)
        assert torch_state() == before


def test_a_setting_that_was_changed_inside_is_restored():
    with ambient("dtype float64"):
        with right_settings(cuda=False):
            torch.set_default_dtype(torch.bfloat16)
            with right_settings(cuda=False):
                assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float64


@pytest.mark.parametrize("name", ["precision bf16", "legacy medium"])
def test_blocks_on_the_cpu_leave_the_precision_of_cuda(name):
    with ambient(name):
        before = torch_state()
        with right_settings(cuda=False):
            inside = torch_state()
    assert inside["products"] == inside["convolutions"] == "ieee"
    for operator in ("cublas", "cudnn", "cudnn recurrent", "legacy cuBLAS"):
        assert inside[operator] == before[operator]


@pytest.mark.parametrize(
    "name",
    [
        None,
        "precision tf32",
        "precision bf16",
        "precision of two levels",
        "precision of cuBLAS",
        "precision of cuDNN",
        "legacy medium",
        "legacy high",
        "legacy cuDNN",
    ],
)
def test_cuda_computes_exactly_and_all_is_restored(name):
    with ambient(name):
        before = torch_state()
        with right_settings(cuda=True):
            inside = torch_state()
        assert torch_state() == before
    operators = ["products", "convolutions", "recurrent", "cublas", "cudnn", "cudnn recurrent"]
    assert {inside[operator] for operator in operators} <= {"ieee", "none"}
    assert (inside["cuDNN"], inside["cuDNN deterministic"]) == ("(True, False)", "True")


@pytest.mark.parametrize("name", ["legacy medium", "legacy high", "precision of cuBLAS"])
def test_the_older_settings_can_be_read_inside(name):
    with ambient(name), right_settings(cuda=True):
        assert torch_state()["legacy cuBLAS"] == "False"
        assert torch_state()["legacy products"] == "highest"


def test_operators_still_follow_the_precision_of_all_backends():
    with ambient("precision tf32"):
        with right_settings(cuda=True):
            pass
        backends.fp32_precision = "bf16"
        assert backends.mkldnn.conv.fp32_precision == "bf16"
    assert backends.mkldnn.conv.fp32_precision == "none"


@forks
def test_a_forked_process_forgets_the_blocks_of_other_threads():
    entered, over = threading.Event(), threading.Event()

    def hold():
        with right_settings(cuda=False):
            entered.set()
            over.wait()

    with ambient("dtype float64"):
        thread = threading.Thread(target=hold)
        thread.start()
        entered.wait()
        try:
            child = exit_code_of_child(lambda: torch.get_default_dtype() == torch.float64)
        finally:
            over.set()
            thread.join()
    assert child == 0

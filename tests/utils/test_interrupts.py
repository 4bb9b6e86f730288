"""Ctrl-C that waits, and Ctrl-C that is told from an exception of a callback."""

import signal
import threading

import pytest

from skcnn._utils.interrupts import deferred_interrupts, noticed_interrupts


def test_deferred_interrupt_comes_after_the_block():
    done = []

    def work():
        with deferred_interrupts():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done


def test_deferred_interrupt_of_nested_blocks_comes_after_the_outer_one():
    done = []

    def work():
        with deferred_interrupts():
            with deferred_interrupts():
                signal.raise_signal(signal.SIGINT)
            done.append("the rest of the outer block")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done


@pytest.mark.parametrize("block", [deferred_interrupts, noticed_interrupts])
def test_the_handler_is_the_same_afterwards(block):
    before = signal.getsignal(signal.SIGINT)

    def work():
        with block():
            assert signal.getsignal(signal.SIGINT) is not before
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        work()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("block", [deferred_interrupts, noticed_interrupts])
def test_other_threads_leave_the_handler_alone(block):
    seen = []

    def work():
        with block():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_an_ignored_interrupt_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interrupts(), noticed_interrupts() as is_real:
            signal.raise_signal(signal.SIGINT)
            assert not is_real()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_real_interrupt_is_noticed_and_raised():
    with noticed_interrupts() as is_real:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert is_real()


def test_a_raised_exception_is_no_interrupt():
    with noticed_interrupts() as is_real:
        with pytest.raises(KeyboardInterrupt):
            raise KeyboardInterrupt
        assert not is_real()

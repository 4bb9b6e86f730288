"""How often files are decoded."""

import threading
import time
from contextlib import contextmanager

from skcnn._data.image_files import decoded
from skcnn._data.image_files.decoding import Decoder


class Decodings(list):
    """Paths of decoded files, in order."""


@contextmanager
def counted_decodings():
    """Yield a list to which every decoded file of this process is added."""
    seen, original = Decodings(), Decoder.array

    def array(self, source):
        seen.append(source)
        return original(self, source)

    Decoder.array = array
    try:
        yield seen
    finally:
        Decoder.array = original


def forget_facts():
    """Forget what is known of all files, as in a new process."""
    decoded._recent_facts.clear()


def reading_threads(longest=5.0):
    """Return the threads that read files, after some time to end."""
    end = time.monotonic() + longest
    while True:
        left = [each for each in threading.enumerate() if each.name.startswith("skcnn-files")]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.005)

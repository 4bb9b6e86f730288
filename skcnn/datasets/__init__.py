"""Images, sounds and signals from files and tables, and synthetic data sets for examples."""

from skcnn._data.image_files.image_files import ImageFiles
from skcnn.datasets._duplicates import find_duplicates
from skcnn.datasets._idx import load_idx
from skcnn.datasets._image_folder import load_image_folder
from skcnn.datasets._image_table import load_image_table
from skcnn.datasets._noughts_and_crosses import make_noughts_and_crosses
from skcnn.datasets._signals_frame import signals_from_frame
from skcnn.datasets._wav_folder import load_wav_folder

__all__ = [
    "ImageFiles",
    "find_duplicates",
    "load_idx",
    "load_image_folder",
    "load_image_table",
    "load_wav_folder",
    "make_noughts_and_crosses",
    "signals_from_frame",
]

"""Files of each release are read by all later ones."""

from pathlib import Path

import numpy as np
import pytest

import skcnn
from tests.persistence.golden.make import FOLDER, LABELS, X, models, outputs

FILES = sorted(FOLDER.glob("*.safetensors"))


def test_this_release_has_golden_files():
    mine = [path.name for path in FILES if path.name.startswith(f"{skcnn.__version__}_")]
    assert len(mine) == len(models())
    assert sum(path.stat().st_size for path in FILES) < 50_000


# scikit-learn's estimators warn when another version reads them
@pytest.mark.filterwarnings("ignore:The estimators of scikit-learn in the file:UserWarning")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_file_predicts_what_it_did(path: Path):
    version, _, name = path.stem.partition("_")
    model = skcnn.load(path)
    expected = np.load(FOLDER / f"{version}_expected.npz")[name]
    np.testing.assert_allclose(outputs(model), expected, rtol=1e-4, atol=1e-6)
    model.fit(X, LABELS if name != "regressor" else X[:, :2])

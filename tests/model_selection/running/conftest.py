"""Storages of all kinds, and recorded trainings."""

import pytest

from tests.helpers.recorded_searches import KINDS, Recorder, storage_of


@pytest.fixture(params=KINDS)
def storage(request, tmp_path):
    return storage_of(request.param, tmp_path, request)


@pytest.fixture
def path(tmp_path):
    """Where trainings are written down."""
    return tmp_path / "trainings"


@pytest.fixture
def acts(monkeypatch):
    """Set what recorders of this process do."""
    return lambda action: monkeypatch.setattr(Recorder, "acts", staticmethod(action))

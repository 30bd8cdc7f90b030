"""Finds the sample sets that nobody here wrote; they lie beside the repository."""

import os
from pathlib import Path

import pytest


def shared_set(name: str) -> Path:
    """The folder of a sample set; skips the test where there is none."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("HOMEROOM_SHARED_DATA", beside)) / name
    if not folder.is_dir():
        pytest.skip(f"the sample set {name} is not here; HOMEROOM_SHARED_DATA says where it is")
    return folder

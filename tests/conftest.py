"""What several test files share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Pictures are drawn without a screen.
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def ecgdan_data():
    """Folder of real recordings, for tests marked `realdata`; skips without it."""
    default = ROOT.parent / "shared" / "data"
    folder = Path(os.environ.get("ECGDAN_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder}; set ECGDAN_DATA to their folder")
    return folder

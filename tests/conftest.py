"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real satellite data beside the project; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("real satellite data (../shared/data) is not on this machine")
    return SHARED

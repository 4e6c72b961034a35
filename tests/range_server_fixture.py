"""Makes the server of bench/ importable: ``from range_server_fixture import RangeServer``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

from range_server import RangeServer

__all__ = ["RangeServer"]

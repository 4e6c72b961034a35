"""What runs in the function: one call in, its answer out.

The event and the answer are JSON; what is pickled is in them as base64 text, or lies in S3 where it
is too large for a call (6 MB):

    {"call": Blob, "function": Blob?, "log": level, "spill": {"bucket", "key"}?}  ──►
    {"answer": Blob, "cold": bool, "seconds": number}          Blob: {"data"} or {"bucket", "key"}
"""

from __future__ import annotations

import base64
import logging
import time
from typing import Any, Final

from fieldwren.engine.pickling import run_call

__all__ = ["LIMIT", "handle"]

LIMIT: Final = 4_400_000
"""Bytes that travel in a call or an answer: with base64 (4/3) and JSON below AWS's 6,291,556."""

_started: dict[str, bool] = {}
_kept: dict[str, bytes] = {}


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Run a call; whatever it raises is part of the answer."""
    del context
    start, cold = time.perf_counter(), not _started
    _started["yes"] = True
    logging.getLogger().setLevel(event.get("log", "INFO"))
    shared = event.get("function")
    function = _function(shared) if shared else None
    answer = run_call(_fetch(event["call"]), function)
    return {
        "answer": _send(answer, event.get("spill")),
        "cold": cold,
        "seconds": round(time.perf_counter() - start, 4),
    }


def _function(blob: dict[str, str]) -> bytes:
    """A function that many calls share; the last one fetched is kept."""
    key = blob.get("key")
    if key is None:
        return _fetch(blob)
    if key not in _kept:
        data = _fetch(blob)
        _kept.clear()
        _kept[key] = data
    return _kept[key]


def _fetch(blob: dict[str, str]) -> bytes:
    if "data" in blob:
        return base64.b64decode(blob["data"])
    return _s3().get_object(Bucket=blob["bucket"], Key=blob["key"])["Body"].read()


def _send(answer: bytes, spill: dict[str, str] | None) -> dict[str, str]:
    """The answer itself, or where it lies."""
    if len(answer) <= LIMIT or not spill:
        return {"data": base64.b64encode(answer).decode()}
    _s3().put_object(Bucket=spill["bucket"], Key=spill["key"], Body=answer)
    return spill


def _s3() -> Any:
    import boto3  # noqa: PLC0415 - heavy, and in the runtime only

    return boto3.client("s3")

"""What the calls of the lab do, and when; these functions travel to the workers."""

from __future__ import annotations

import hashlib
import os
import platform
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldwren.errors import EngineError

if TYPE_CHECKING:
    from obstore.store import LocalStore, S3Store

__all__ = ["Sample", "get", "multiply", "open_lab_store", "put"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one call did."""

    started: float
    """When its work began, by the clock of its machine: seconds since 1970, UTC."""
    seconds: float
    """How long the work took."""
    amount: float
    """Floating-point operations, or bytes."""
    worker: str
    """Machine, process and thread."""
    digest: str = ""
    """Of the bytes that were moved."""


def multiply(seed: int, *, size: int, loops: int) -> Sample:
    """Multiply square matrices of float64; a product takes 2 size^3 operations.

    Args:
        seed: of the random numbers.
        size: rows and columns.
        loops: products.
    """
    random = np.random.default_rng(seed)
    left, right = random.standard_normal((2, size, size))
    right /= np.linalg.norm(right)  # so that powers stay small
    started, start = time.time(), time.perf_counter()
    for _ in range(loops):
        left = left @ right
    seconds = time.perf_counter() - start
    if not np.isfinite(left).all():
        raise EngineError("a product of matrices is not finite")
    return _sample(started, seconds, 2.0 * size**3 * loops)


def put(number: int, *, url: str, size: int, region: str = "") -> Sample:
    """Write an object of ``size`` random bytes, which no store can compress."""
    data = np.random.default_rng(number).bytes(size)
    store = open_lab_store(url, region)
    started, start = time.time(), time.perf_counter()
    store.put(str(number), data)
    return _sample(started, time.perf_counter() - start, len(data), data)


def get(number: int, *, url: str, region: str = "") -> Sample:
    """Read the object that :func:`put` wrote."""
    store = open_lab_store(url, region)
    started, start = time.time(), time.perf_counter()
    data = bytes(store.get(str(number)).bytes())
    return _sample(started, time.perf_counter() - start, len(data), data)


def open_lab_store(url: str, region: str = "") -> S3Store | LocalStore:
    """The store of a folder or of ``s3://bucket/prefix``, with this machine's own credentials.

    Args:
        url: of the store.
        region: of the bucket; "": that of the environment.
    """
    from obstore.store import LocalStore, S3Store  # noqa: PLC0415 - not every call needs it

    from fieldwren.archive.credentials import aws_credentials  # noqa: PLC0415 - likewise

    if not url.startswith("s3://"):
        return LocalStore(Path(url), mkdir=True)
    found = aws_credentials()
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    where: Any = dict(found.values if found else ())
    if region:
        where["region"] = region
    if endpoint:
        where |= {"endpoint": endpoint, "client_options": {"allow_http": True}}
    return S3Store.from_url(url, **where)


def _sample(started: float, seconds: float, amount: float, data: bytes = b"") -> Sample:
    where = f"{platform.node()}:{os.getpid()}:{threading.get_ident()}"
    digest = hashlib.blake2b(data, digest_size=8).hexdigest() if data else ""
    return Sample(started=started, seconds=seconds, amount=amount, worker=where, digest=digest)

"""What is too large for a call travels through the bucket, and is removed from it afterwards."""

from __future__ import annotations

import base64
import itertools
import logging
import threading
import uuid
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fieldwren.engine.aws_lambda.client import client, explaining
from fieldwren.engine.aws_lambda.handler import LIMIT
from fieldwren.errors import CloudError, EngineError

if TYPE_CHECKING:
    from collections.abc import Generator

    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["Spill"]

_log = logging.getLogger("fieldwren.engine")


class Spill:
    """The part of the bucket that belongs to one executor.

    What cannot be removed costs no result: the log says so, once, and ``fieldwren teardown``
    removes it.

    Args:
        options: bucket and start of all keys.
        connections: threads that use it.
    """

    def __init__(self, options: LambdaOptions, connections: int) -> None:
        self._options, self._connections = options, connections
        self._start = f"{options.prefix.strip('/')}/calls/{uuid.uuid4().hex}"
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._used, self._warned = False, False

    def pack(self, data: bytes, *, limit: int = LIMIT) -> dict[str, str]:
        """The data as text for a call, or where they lie now.

        Raises:
            EngineError: they are too large, and no bucket is set.
            CloudError: the bucket cannot be written.
        """
        if len(data) <= limit:
            return {"data": base64.b64encode(data).decode()}
        place = self.place()
        if place is None:
            raise EngineError(
                f"a call of {len(data) / 1e6:.1f} MB is too large for AWS Lambda without a bucket: "
                "set bucket in [lambda], or run `fieldwren setup`"
            )
        with explaining(f"put a call into the bucket {place['bucket']}"):
            self._store.put_object(Bucket=place["bucket"], Key=place["key"], Body=data)
        self._used = True
        return place

    def place(self) -> dict[str, str] | None:
        """Where one more object may lie; None where there is no bucket."""
        if not self._options.bucket:
            return None
        return {"bucket": self._options.bucket, "key": f"{self._start}/{next(self._numbers)}"}

    def unpack(self, blob: dict[str, str]) -> bytes:
        """The data of an answer."""
        if "data" in blob:
            return base64.b64decode(blob["data"])
        self._used = True
        with explaining(f"fetch an answer from the bucket {blob['bucket']}"):
            data = self._store.get_object(Bucket=blob["bucket"], Key=blob["key"])["Body"].read()
        self.remove(blob)
        return data

    def remove(self, blob: dict[str, str]) -> None:
        """Remove what a blob has in the bucket."""
        if "key" in blob:
            with self._clearing_up():
                self._store.delete_object(Bucket=blob["bucket"], Key=blob["key"])

    def close(self) -> None:
        """Remove all that is left, such as answers that came too late."""
        if not self._used:
            return
        bucket = self._options.bucket
        with self._clearing_up():
            pages = self._store.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=bucket, Prefix=f"{self._start}/"):
                for found in page.get("Contents", []):
                    self._store.delete_object(Bucket=bucket, Key=found["Key"])

    @contextmanager
    def _clearing_up(self) -> Generator[None]:
        try:
            with explaining(f"clear up in the bucket {self._options.bucket}"):
                yield
        except CloudError as error:
            level = logging.DEBUG if self._warned else logging.WARNING
            self._warned = True
            _log.log(level, "%s", error)

    @property
    def _store(self) -> Any:
        with self._lock:
            return self._client

    @cached_property
    def _client(self) -> Any:
        return client("s3", self._options, connections=min(self._connections, 64))

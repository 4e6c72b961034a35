"""The keys that fieldwren wrote into the bucket, told from those of others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fieldwren.cloud.steps import Step
from fieldwren.engine.aws_lambda.client import client, explaining
from fieldwren.errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["FOLDERS", "foreign_keys", "keys_removal", "our_keys"]

FOLDERS: Final = ("packages/", "calls/")
"""What follows the prefix in the keys that fieldwren writes."""

_OURS: Final = re.compile(
    r"packages/worker-[0-9a-f]{20}\.zip|calls/([0-9a-f]{32}/\d+|doctor-[0-9a-f]{16})"
)
"""The keys themselves, without the prefix: a folder may hold what others put there."""
_AT_ONCE: Final = 1000


def our_keys(options: LambdaOptions) -> Iterator[dict[str, str]]:
    """Key and version of all that fieldwren wrote, old versions and marks of deletion too."""
    for folder in FOLDERS:
        found = _versions(options, f"{options.prefix.strip('/')}/{folder}")
        yield from (entry for entry in found if _is_ours(options, entry["Key"]))


def foreign_keys(options: LambdaOptions) -> list[str]:
    """A few keys of the bucket that fieldwren did not write."""
    found: list[str] = []
    for entry in _versions(options, ""):
        if not _is_ours(options, entry["Key"]):
            found.append(entry["Key"])
            if len(found) == 3:
                break
    return found


def keys_removal(options: LambdaOptions) -> Step:
    """All keys that fieldwren wrote are gone."""

    def remove() -> str:
        s3, total, batch = client("s3", options), 0, list[dict[str, str]]()
        for entry in [*our_keys(options), None]:
            batch += [entry] if entry else []
            if batch and (entry is None or len(batch) == _AT_ONCE):
                _remove(s3, options.bucket, batch)
                total, batch = total + len(batch), []
        return f"{total} removed"

    start = f"{options.bucket}/{options.prefix.strip('/')}"
    return Step(
        name=f"keys under {start}",
        says=f"remove all that fieldwren wrote in {' and '.join(FOLDERS)}",
        is_done=lambda: next(our_keys(options), None) is None,
        do=remove,
    )


def _is_ours(options: LambdaOptions, key: str) -> bool:
    start = f"{options.prefix.strip('/')}/"
    return key.startswith(start) and _OURS.fullmatch(key.removeprefix(start)) is not None


def _versions(options: LambdaOptions, start: str) -> Iterator[dict[str, str]]:
    s3 = client("s3", options)
    with explaining(f"list the keys of bucket {options.bucket}"):
        pages = s3.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=options.bucket, Prefix=start):
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}


def _remove(s3: Any, bucket: str, batch: list[dict[str, str]]) -> None:
    with explaining(f"remove keys of bucket {bucket}"):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
    for error in answer.get("Errors", ()):
        raise CloudError(
            f"cannot remove {error.get('Key')} of bucket {bucket}: AWS says {error.get('Code')}"
        )

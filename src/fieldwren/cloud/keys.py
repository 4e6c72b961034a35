"""The keys that fieldwren wrote into the bucket, told from those of others."""

from __future__ import annotations

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

_AT_ONCE: Final = 1000


def our_keys(options: LambdaOptions) -> Iterator[dict[str, str]]:
    """Key and version of all that fieldwren wrote, old versions and marks of deletion too."""
    for folder in FOLDERS:
        yield from _versions(options, f"{options.prefix.strip('/')}/{folder}")


def foreign_keys(options: LambdaOptions) -> list[str]:
    """A few keys of the bucket that fieldwren did not write."""
    ours = tuple(f"{options.prefix.strip('/')}/{folder}" for folder in FOLDERS)
    found: list[str] = []
    for entry in _versions(options, ""):
        if not entry["Key"].startswith(ours):
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
        says=f"remove all in {' and '.join(FOLDERS)}",
        is_done=lambda: next(our_keys(options), None) is None,
        do=remove,
    )


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

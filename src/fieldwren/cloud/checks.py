"""What works in the AWS account and what does not, one sentence each."""

from __future__ import annotations

import importlib.metadata
import platform
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fieldwren.cloud.account import account_of, usual_region
from fieldwren.cloud.bucket import bucket_exists
from fieldwren.cloud.expiry import expiry_found
from fieldwren.cloud.function import function_found
from fieldwren.cloud.keys import FOLDERS
from fieldwren.cloud.role import usable_role
from fieldwren.config import resolve
from fieldwren.engine.aws_lambda.client import client, explaining
from fieldwren.engine.aws_lambda.package import RUNTIMES, build_package
from fieldwren.errors import CloudError, FieldwrenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fieldwren.cloud.account import Account
    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["examine_account"]

_SETUP: Final = "run `fieldwren setup`"
Finding = tuple[str, bool, str]
"""What was looked at, whether it is in order, and what that means."""


def examine_account(options: LambdaOptions) -> Iterator[Finding]:
    """Look at credentials, bucket, role, function and versions.

    Writes one small key into the bucket and removes it again.
    """
    try:
        options = replace(options, region=usual_region(options))
        account = account_of(options)
    except FieldwrenError as error:
        yield "aws identity", False, str(error)
        return
    yield "aws identity", True, f"{account.arn}, region {options.region}"
    looks: dict[str, Callable[[], str]] = {
        "aws bucket": lambda: _bucket(options, account),
        **({"aws expiry": lambda: _expiry(options)} if options.bucket else {}),
        "aws role": lambda: _role(options, account),
        "aws function": lambda: _function(options),
        "aws versions": lambda: _versions(options),
    }
    for name, look in looks.items():
        try:
            yield name, True, look()
        except FieldwrenError as error:
            yield name, False, str(error)


def _bucket(options: LambdaOptions, account: Account) -> str:
    """Write, read and remove a key."""
    if not options.bucket:
        raise CloudError(f"no bucket is named in [lambda]: {_SETUP}")
    if not bucket_exists(options, account):
        raise CloudError(f"there is no bucket {options.bucket}: {_SETUP}")
    s3, word = client("s3", options), secrets.token_hex(8)
    where = {
        "Bucket": options.bucket,
        "Key": f"{options.prefix.strip('/')}/{FOLDERS[-1]}doctor-{word}",
    }
    with explaining(f"write to bucket {options.bucket}"):
        s3.put_object(**where, Body=word.encode())
    with explaining(f"read from bucket {options.bucket}"):
        read = s3.get_object(**where)["Body"].read()
    with explaining(f"remove keys of bucket {options.bucket}"):
        s3.delete_object(**where)
    if read != word.encode():
        raise CloudError(f"bucket {options.bucket} gives back other bytes than were written")
    return f"{options.bucket}/{options.prefix} can be written and read"


def _expiry(options: LambdaOptions) -> str:
    start = f"{options.bucket}/{options.prefix.strip('/')}/calls/"
    if not expiry_found(options):
        raise CloudError(f"what broken runs leave under {start} stays for ever: {_SETUP}")
    return f"S3 removes what is left under {start} after a day"


def _role(options: LambdaOptions, account: Account) -> str:
    if not usable_role(options, account):
        raise CloudError(f"there is no role {options.role}: {_SETUP}")
    return f"AWS Lambda may act as {options.role}"


def _function(options: LambdaOptions) -> str:
    name, ready = function_found(options)
    if not ready:
        raise CloudError(f"{name} is not there yet: the next run makes it, or {_SETUP}")
    return f"{name} is ready"


def _versions(options: LambdaOptions) -> str:
    """This Python against Lambda's, and the libraries of the package against those here."""
    here = ".".join(platform.python_version_tuple()[:2])
    package = build_package(resolve().cache_folder / "packages", options.architecture)
    others = [
        f"{name} {there} there, {installed} here"
        for name, there in package.versions.items()
        if (installed := importlib.metadata.version(name)) != there
    ]
    newest = ".".join(str(part) for part in max(RUNTIMES))
    hint = f"; a newer Python, such as {newest}, has newer ones" if others else ""
    return "; ".join([f"Python {here} here and in the workers", *others]) + hint

"""The function in the account: made once for what is in it, found again by everybody else.

A function's name holds hashes of the set-up and of its package and settings: what runs under a name
never changes, and two people with the same set-up and versions share one.
"""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from fieldwren.config import resolve
from fieldwren.engine.aws_lambda.client import client, code_of, explaining
from fieldwren.engine.aws_lambda.package import build_package
from fieldwren.errors import CloudError

if TYPE_CHECKING:
    from pathlib import Path

    from fieldwren.engine.aws_lambda.options import LambdaOptions
    from fieldwren.engine.aws_lambda.package import Package

__all__ = ["LOGS", "LOG_DAYS", "TAGS", "ensure_function", "expire_log", "function_name", "role_arn"]

_log = logging.getLogger("fieldwren.engine")

LOGS: Final = "/aws/lambda/"
"""Start of the names of log groups; the function's name follows."""
LOG_DAYS: Final = 30
"""After which CloudWatch drops what workers wrote; Lambda's own default is never."""
TAGS: Final = {"fieldwren": "worker"}
"""Marks the functions that are fieldwren's."""

_HANDLER: Final = "fieldwren.engine.aws_lambda.handler.handle"
_PATIENCE: Final = 120.0
"""Seconds to wait for a role to be known everywhere, and for a function to be ready."""


def ensure_function(options: LambdaOptions, *, cache: Path | None = None) -> str:
    """Make the function for this Python version, package and options, unless it is there.

    Args:
        options: where and how.
        cache: folder for packages; None: in fieldwren's cache.

    Returns:
        its name, once it can be called.

    Raises:
        CloudError: it cannot be made; the message says why.
    """
    package = build_package(cache or resolve().cache_folder / "packages", options.architecture)
    name = function_name(options, package)
    service = client("lambda", options)
    with explaining(f"make the function {name}"):
        if _state(service, name) is None:
            _create(service, options, package, name)
        _wait(service, name)
    return name


def function_name(options: LambdaOptions, package: Package) -> str:
    """What the function is called: the start that the options give, memory, set-up, and a hash."""
    parts = package.digest, package.runtime, options.architecture, options.timeout, options.role
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=6).hexdigest()
    return f"{options.function}-{options.memory}-{options.mark}-{digest}"


def role_arn(options: LambdaOptions) -> str:
    """The ARN of the role that the function runs under.

    Raises:
        CloudError: the credentials are not valid.
    """
    if options.role.startswith("arn:"):
        return options.role
    with explaining("find out whose account this is"):
        caller = client("sts", options).get_caller_identity()
    partition, account = caller["Arn"].split(":")[1], caller["Account"]
    return f"arn:{partition}:iam::{account}:role/{options.role}"


def _state(service: Any, name: str) -> dict[str, Any] | None:
    """The function's configuration, or None where there is no such function."""
    try:
        return service.get_function_configuration(FunctionName=name)
    except service.exceptions.ResourceNotFoundException:
        return None


def _create(service: Any, options: LambdaOptions, package: Package, name: str) -> None:
    """Create the function; somebody else may do so at the same time.

    A role made a moment ago cannot be assumed yet: AWS asks to try again.
    """
    code, role, until = _code(options, package), role_arn(options), time.monotonic() + _PATIENCE
    while True:
        try:
            service.create_function(
                FunctionName=name,
                Runtime=package.runtime,
                Architectures=[options.architecture],
                Handler=_HANDLER,
                Role=role,
                Code=code,
                Description=f"fieldwren worker {package.digest}",
                MemorySize=options.memory,
                Timeout=options.timeout,
                Tags=TAGS,
            )
        except service.exceptions.ResourceConflictException:
            return
        except service.exceptions.InvalidParameterValueException as error:
            if "assumed" not in str(error):
                raise
            missing = _lacks_role(options)
            if missing or time.monotonic() > until:
                why = f"there is no role {role}" if missing else f"Lambda may not act as {role}"
                raise CloudError(
                    f"cannot make the function {name}: {why}; run `fieldwren setup`, which makes "
                    "a role that it may act as"
                ) from error
            time.sleep(2)
        else:
            break
    try:
        expire_log(options, name)
    except CloudError as error:  # all works without
        _log.info("%s", error)


def _lacks_role(options: LambdaOptions) -> bool:
    """Whether there is no such role, as far as one may look."""
    iam = client("iam", options)
    try:
        iam.get_role(RoleName=options.role.rpartition("/")[2])
    except iam.exceptions.ClientError as error:
        return code_of(error) == "NoSuchEntity"
    return False


def expire_log(options: LambdaOptions, name: str) -> None:
    """Have CloudWatch drop what the function wrote after LOG_DAYS.

    Raises:
        CloudError: it may not be set.
    """
    logs, group = client("logs", options), f"{LOGS}{name}"
    with explaining(f"set the days for which the log of {name} is kept"):
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        logs.put_retention_policy(logGroupName=group, retentionInDays=LOG_DAYS)


def _code(options: LambdaOptions, package: Package) -> dict[str, Any]:
    """The package, in the bucket, where there is one; it is uploaded once."""
    if not options.bucket:
        return {"ZipFile": package.path.read_bytes()}
    key = f"{options.prefix.strip('/')}/packages/{package.path.name}"
    store = client("s3", options)
    with explaining(f"upload the worker package to the bucket {options.bucket}"):
        if not _is_there(store, options.bucket, key):
            body = package.path.read_bytes()
            store.put_object(Bucket=options.bucket, Key=key, Body=body)
    return {"S3Bucket": options.bucket, "S3Key": key}


def _is_there(store: Any, bucket: str, key: str) -> bool:
    try:
        store.head_object(Bucket=bucket, Key=key)
    except store.exceptions.ClientError as error:
        if code_of(error) in {"404", "403", "NoSuchKey"}:  # 403: listing the bucket is not allowed
            return False
        raise
    return True


def _wait(service: Any, name: str) -> None:
    """Wait until the function can be called."""
    until, pause = time.monotonic() + _PATIENCE, 0.1
    while True:
        state = _state(service, name) or {"State": "Failed", "StateReason": "it was removed"}
        if state["State"] == "Failed" or state.get("LastUpdateStatus") == "Failed":
            why = state.get("StateReason") or state.get("LastUpdateStatusReason") or "unknown"
            raise CloudError(f"the function {name} cannot be made ready: {why}")
        # A function that was not called for weeks is Inactive; the first call wakes it.
        updating = state.get("LastUpdateStatus") == "InProgress"
        if state["State"] in {"Active", "Inactive"} and not updating:
            return
        if time.monotonic() > until:
            raise CloudError(f"the function {name} is still not ready: try again in a minute")
        time.sleep(pause)
        pause = min(2 * pause, 2.0)

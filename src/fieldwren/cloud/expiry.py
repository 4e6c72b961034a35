"""The rule by which S3 itself removes what calls have left in the bucket.

Calls clear up behind them; what a killed client or a late answer leaves, nobody fetches any more. A
bucket has one list of rules, which is written as a whole: rules of others go back as they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldwren.cloud.bucket import bucket_exists
from fieldwren.cloud.steps import Step
from fieldwren.engine.aws_lambda.client import client, code_of, explaining

if TYPE_CHECKING:
    from fieldwren.cloud.account import Account
    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["expiry_found", "expiry_removal", "expiry_step"]

Rule = dict[str, Any]


def expiry_step(options: LambdaOptions, account: Account) -> Step:
    """S3 removes what calls have left."""

    def make() -> str:
        others, more = _rules(options)
        # AWS takes no list in which some rules have a filter and some, in the older way, have none.
        old_way = any("Prefix" in rule for rule in others)
        _write(options, [*others, _rule(options, old_way=old_way)], more)
        return "added"

    return Step(
        name=f"expiry in bucket {options.bucket}",
        says=f"have S3 remove what is left under {_start(options)} after a day",
        is_done=lambda: bucket_exists(options, account) and expiry_found(options),
        do=make,
        optional=True,
    )


def expiry_removal(options: LambdaOptions) -> Step:
    """Our rule is gone."""

    def remove() -> str:
        _write(options, *_rules(options))
        return "removed"

    return Step(
        name=f"expiry in bucket {options.bucket}",
        says="remove our rule",
        is_done=lambda: not expiry_found(options),
        do=remove,
        optional=True,
    )


def expiry_found(options: LambdaOptions) -> bool:
    """Whether our rule is there, as it is to be.

    Raises:
        CloudError: the rules may not be looked at.
    """
    found = _found(options).get("Rules", [])
    return any(_rule(options, old_way=old_way) in found for old_way in (False, True))


def _start(options: LambdaOptions) -> str:
    return f"{options.prefix.strip('/')}/calls/"


def _rule(options: LambdaOptions, *, old_way: bool) -> Rule:
    """The rule, as S3 tells it."""
    start = {"Prefix": _start(options)}
    return {
        "ID": _name(options),
        "Status": "Enabled",
        **(start if old_way else {"Filter": start}),
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }


def _name(options: LambdaOptions) -> str:
    return f"fieldwren: {_start(options)}"


def _found(options: LambdaOptions) -> dict[str, Any]:
    """What S3 says of the bucket's rules; empty where there are none."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - heavy

    with explaining(f"look at the lifecycle rules of bucket {options.bucket}"):
        try:
            return client("s3", options).get_bucket_lifecycle_configuration(Bucket=options.bucket)
        except ClientError as error:
            if code_of(error) == "NoSuchLifecycleConfiguration":
                return {}
            raise


def _rules(options: LambdaOptions) -> tuple[list[Rule], dict[str, Any]]:
    """The rules of others, and what else is to be written with them so that it stays."""
    found, size = _found(options), "TransitionDefaultMinimumObjectSize"
    others = [rule for rule in found.get("Rules", []) if rule.get("ID") != _name(options)]
    return others, {size: found[size]} if size in found else {}


def _write(options: LambdaOptions, rules: list[Rule], more: dict[str, Any]) -> None:
    s3, bucket = client("s3", options), options.bucket
    with explaining(f"change the lifecycle rules of bucket {bucket}"):
        if rules:
            s3.put_bucket_lifecycle_configuration(
                Bucket=bucket, LifecycleConfiguration={"Rules": rules}, **more
            )
        else:
            s3.delete_bucket_lifecycle(Bucket=bucket)

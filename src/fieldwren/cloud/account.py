"""Who is asking: the AWS account and user behind the credentials, and the region to work in."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fieldwren.engine.aws_lambda.client import client, explaining
from fieldwren.errors import MissingExtraError, OptionError

if TYPE_CHECKING:
    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["NEAR_LANDSAT", "Account", "account_of", "check_region", "usual_region"]

NEAR_LANDSAT: Final = "us-west-2"
"""Where the buckets of Landsat and of the Sentinel-2 COGs are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who the credentials belong to."""

    id: str
    """Account number, 12 digits; "*" where it is not known."""
    arn: str = ""
    """ARN of the user or role."""
    partition: str = "aws"
    """Part of all ARNs: ``aws``, ``aws-us-gov`` or ``aws-cn``."""


def account_of(options: LambdaOptions) -> Account:
    """Ask AWS whose credentials these are.

    Raises:
        CloudError: there are none, or they are not accepted.
    """
    somewhere = options if options.region else replace(options, region=usual_region(options))
    with explaining("find out whose credentials these are"):
        found = client("sts", somewhere).get_caller_identity()
    return Account(id=found["Account"], arn=found["Arn"], partition=found["Arn"].split(":")[1])


def usual_region(options: LambdaOptions) -> str:
    """The region of the options, of the profile or environment, or else the one near the data."""
    if options.region:
        return options.region
    boto3 = _boto3()
    with explaining("read the AWS configuration"):
        return boto3.Session(profile_name=options.profile or None).region_name or NEAR_LANDSAT


def check_region(region: str) -> None:
    """Refuse a region that is none.

    Raises:
        OptionError: AWS has no such region, as far as the installed boto3 knows.
    """
    session = _boto3().Session()
    known = sorted(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("lambda", partition)
    )
    if region not in known:
        near = difflib.get_close_matches(region, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"such as {NEAR_LANDSAT} or eu-central-1"
        raise OptionError(f"AWS has no region {region!r} with Lambda: {hint}")


def _boto3() -> Any:
    try:
        import boto3  # noqa: PLC0415 - optional and heavy
    except ImportError:
        raise MissingExtraError("AWS", "aws") from None
    return boto3

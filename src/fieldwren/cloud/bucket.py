"""The bucket for packages and large payloads: whether it is free, ours, or somebody else's."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

from fieldwren.cloud.steps import Step
from fieldwren.engine.aws_lambda.client import client, code_of, explaining
from fieldwren.errors import CloudError

if TYPE_CHECKING:
    from fieldwren.cloud.account import Account
    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["bucket_exists", "bucket_removal", "bucket_step", "made_here", "suggested_name"]

TAG: Final = "fieldwren"
"""Tag of all that setup makes; its value is the prefix."""


def suggested_name(account: Account, region: str) -> str:
    """A name that is the same at every try and that nobody else is likely to have."""
    return f"fieldwren-{account.id}-{region}"


def bucket_exists(options: LambdaOptions, account: Account) -> bool:
    """Whether the bucket is there, in this account and region.

    Raises:
        CloudError: the name is another account's, the bucket is in another region, or it may not
            be looked at.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - heavy

    s3 = client("s3", options)
    with explaining(f"look at bucket {options.bucket}"):
        try:
            found = s3.head_bucket(Bucket=options.bucket, ExpectedBucketOwner=account.id)
        except ClientError as error:
            code = code_of(error)
            if code in {"404", "NoSuchBucket"}:
                return False
            if code in {"403", "AccessDenied"}:  # credentials were accepted before, by STS
                raise CloudError(
                    f"bucket {options.bucket} belongs to another AWS account, or you may not use"
                    " it: choose another name"
                ) from error
            if code not in {"301", "PermanentRedirect"}:
                raise
            found = error.response
    headers: dict[str, str] = found.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    where = str(found.get("BucketRegion") or headers.get("x-amz-bucket-region") or options.region)
    if where != options.region:
        raise CloudError(
            f"bucket {options.bucket} is in {where}, not in {options.region}: choose another"
            f" bucket, or --region {where}"
        )
    return True


def bucket_step(options: LambdaOptions, account: Account) -> Step:
    """The bucket is there."""

    def make() -> str:
        s3, name = client("s3", options), options.bucket
        place: Any = {"LocationConstraint": options.region}
        how = {} if options.region == "us-east-1" else {"CreateBucketConfiguration": place}
        with explaining(f"create bucket {name}"), ExitStack() as undo:
            s3.create_bucket(Bucket=name, **how)
            # Half made it would have no tag, and be taken for the user's own ever after.
            undo.callback(_forget, s3, name)
            s3.get_waiter("bucket_exists").wait(Bucket=name, WaiterConfig={"Delay": 1})
            s3.put_bucket_tagging(
                Bucket=name, Tagging={"TagSet": [{"Key": TAG, "Value": options.prefix}]}
            )
            s3.put_public_access_block(
                Bucket=name,
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                },
            )
            undo.pop_all()
        return "created"

    return Step(
        name=f"bucket {options.bucket}",
        says=f"create it in {options.region}, closed to the public",
        is_done=lambda: bucket_exists(options, account),
        do=make,
    )


def _forget(s3: Any, name: str) -> None:
    """Remove a bucket that could not be finished; what stopped it is the error that counts."""
    with suppress(s3.exceptions.ClientError):
        s3.delete_bucket(Bucket=name)


def made_here(options: LambdaOptions) -> bool:
    """Whether setup created the bucket: it has the tag."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - heavy

    with explaining(f"read the tags of bucket {options.bucket}"):
        try:
            found = client("s3", options).get_bucket_tagging(Bucket=options.bucket)
        except ClientError as error:
            if code_of(error) == "NoSuchTagSet":
                return False
            raise
    return {"Key": TAG, "Value": options.prefix} in found["TagSet"]


def bucket_removal(options: LambdaOptions, account: Account) -> Step:
    """The bucket is gone; it must be empty by then."""

    def remove() -> str:
        with explaining(f"remove bucket {options.bucket}"):
            client("s3", options).delete_bucket(Bucket=options.bucket)
        return "removed"

    return Step(
        name=f"bucket {options.bucket}",
        says="remove it, empty as it is then",
        is_done=lambda: not bucket_exists(options, account),
        do=remove,
    )

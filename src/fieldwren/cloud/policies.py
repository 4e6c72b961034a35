"""Who may do what: the policies of the role and of the person who runs setup, as plain values.

Nothing here contacts AWS. Service authorization reference:
https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fieldwren.archive.access import ACCESS

if TYPE_CHECKING:
    from fieldwren.cloud.account import Account
    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["TRUST", "person_policy", "role_arn", "role_name", "worker_policy"]

Policy = dict[str, Any]

TRUST: Final[Policy] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
"""The trust policy of the role: Lambda may act as it, and nobody else."""


def role_name(options: LambdaOptions) -> str:
    """The role's name, which is the last part of its ARN."""
    return options.role.rpartition("/")[2]


def role_arn(options: LambdaOptions, account: Account) -> str:
    """The role's ARN."""
    if options.role.startswith("arn:"):
        return options.role
    return f"arn:{account.partition}:iam::{account.id}:role/{options.role}"


def worker_policy(options: LambdaOptions, account: Account) -> Policy:
    """What workers may do: write their own log, keep their payloads, read archives that charge.

    Archives that charge the requester (usgs-landsat) are read with the worker's own credentials;
    all others are read without any.
    """
    aws = f"arn:{account.partition}"
    charging = sorted(b for rule in ACCESS.values() if rule.requester_pays for b in rule.buckets)
    keys = f"{aws}:s3:::{_keys(options)}"
    return _policy(
        OwnLogs=(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            [f"{_log_groups(options, account)}:*"],
        ),
        OwnKeys=(
            ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [keys],
        ),
        RequesterPays=(["s3:GetObject"], [f"{aws}:s3:::{bucket}/*" for bucket in charging]),
    )


_PERSON: Final = {
    "Look": (
        ["*"],
        [
            "lambda:GetAccountSettings",
            "lambda:ListFunctions",
            "logs:DescribeLogGroups",
            "sts:GetCallerIdentity",
        ],
    ),
    "Role": (
        ["{role}"],
        [
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "iam:PutRolePolicy",
            "iam:TagRole",
        ],
    ),
    "PassRole": (["{role}"], ["iam:PassRole"]),
    "Functions": (
        ["{aws}:lambda:{here}:function:{function}-*"],
        [
            "lambda:CreateFunction",
            "lambda:DeleteFunction",
            "lambda:GetFunctionConfiguration",
            "lambda:InvokeFunction",
            "lambda:ListTags",
            "lambda:TagResource",
        ],
    ),
    "Bucket": (
        ["{aws}:s3:::{bucket}"],
        [
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:GetBucketTagging",
            "s3:GetLifecycleConfiguration",
            "s3:ListBucket",
            "s3:ListBucketVersions",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutLifecycleConfiguration",
        ],
    ),
    "Keys": (
        ["{aws}:s3:::{keys}"],
        ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject"],
    ),
    "Logs": (
        ["{logs}", "{logs}:*"],
        [
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:FilterLogEvents",
            "logs:GetLogEvents",
            "logs:PutRetentionPolicy",
        ],
    ),
    "Dashboard": (
        ["{aws}:cloudwatch::{account}:dashboard/{function}-*"],
        ["cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"],
    ),
}
"""By name of the statement, on what (see :func:`person_policy`) the person may do what."""


def person_policy(options: LambdaOptions, account: Account) -> Policy:
    """What the person needs who runs setup, hello, runs, logs, dashboard, doctor and teardown."""
    names = {
        "account": account.id,
        "aws": f"arn:{account.partition}",
        "bucket": options.bucket,
        "function": options.function,
        "here": f"{options.region}:{account.id}",
        "keys": _keys(options),
        "logs": _log_groups(options, account),
        "role": role_arn(options, account),
    }
    policy = _policy(
        **{
            sid: (actions, [resource.format_map(names) for resource in resources])
            for sid, (resources, actions) in _PERSON.items()
        }
    )
    passing = next(s for s in policy["Statement"] if s["Sid"] == "PassRole")
    passing["Condition"] = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    return policy


def _keys(options: LambdaOptions) -> str:
    return f"{options.bucket}/{options.prefix.strip('/')}/*"


def _log_groups(options: LambdaOptions, account: Account) -> str:
    where = f"arn:{account.partition}:logs:{options.region}:{account.id}"
    return f"{where}:log-group:/aws/lambda/{options.function}-*"


def _policy(**statements: tuple[list[str], list[str]]) -> Policy:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
            for sid, (actions, resources) in statements.items()
        ],
    }

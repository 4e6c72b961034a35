"""The role that workers run under, with as few permissions as they need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fieldwren.cloud.policies import TRUST, role_arn, role_name, worker_policy
from fieldwren.cloud.steps import Step
from fieldwren.engine.aws_lambda.client import client, code_of, explaining
from fieldwren.errors import CloudError

if TYPE_CHECKING:
    from fieldwren.cloud.account import Account
    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["POLICY", "is_ours", "role_found", "role_removal", "role_steps"]

POLICY: Final = "fieldwren-worker"
"""Name of the role's inline policy."""


def role_steps(options: LambdaOptions, account: Account) -> list[Step]:
    """The role is there, Lambda may act as it, and it may do what workers do.

    A role that setup did not make is used as it is: its permissions are its owner's business.
    """
    name = role_name(options)
    return [
        Step(
            name=f"role {name}",
            says="create it, for AWS Lambda alone",
            is_done=lambda: usable_role(options, account),
            do=lambda: _make_role(options),
        ),
        Step(
            name=f"permissions of role {name}",
            says="its own log, its own keys in the bucket, reading archives that charge",
            is_done=lambda: _permissions_are_there(options, account),
            do=lambda: _permit(options, account),
        ),
    ]


def usable_role(options: LambdaOptions, account: Account) -> bool:
    """Whether the role is there and Lambda may act as it.

    Raises:
        CloudError: it is there and cannot be used, or it may not be looked at.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - heavy

    name, arn = role_name(options), role_arn(options, account)
    if account.id not in {arn.split(":")[4], "*"}:
        raise CloudError(f"role {arn} is in another AWS account: give one of account {account.id}")
    with explaining(f"look at role {name}"):
        try:
            role = role_found(options)
        except ClientError as error:
            # Whoever names a role by its ARN was given it, and need not be allowed to look at it.
            if code_of(error) == "AccessDenied" and options.role.startswith("arn:"):
                return True
            raise
    if role is None and options.role.startswith("arn:"):
        raise CloudError(
            f"role {arn} does not exist: correct it, or give a name alone and it is created"
        )
    if role is not None and not _trusts_lambda(role["AssumeRolePolicyDocument"]):
        raise CloudError(
            f"role {name} is there, but AWS Lambda may not act as it: choose another name, or add"
            " the trust policy that `fieldwren setup --print-policy trust` prints"
        )
    return role is not None


def role_found(options: LambdaOptions) -> dict[str, Any] | None:
    """What IAM says of the role; None where there is none."""
    iam = client("iam", options)
    try:
        return iam.get_role(RoleName=role_name(options))["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None


def is_ours(role: dict[str, Any] | None, options: LambdaOptions) -> bool:
    """Whether setup made the role: it has the tag."""
    tags = [] if role is None else role.get("Tags", [])
    return {"Key": "fieldwren", "Value": options.prefix} in tags


def _trusts_lambda(document: dict[str, Any]) -> bool:
    for statement in _list(document.get("Statement")):
        principal = statement.get("Principal", {})
        services = _list(principal.get("Service")) if isinstance(principal, dict) else []
        actions = _list(statement.get("Action"))
        if (
            statement.get("Effect") == "Allow"
            and "lambda.amazonaws.com" in services
            and any(str(a).lower() in {"sts:assumerole", "sts:*", "*"} for a in actions)
        ):
            return True
    return False


def _list(value: Any) -> list[Any]:
    """What a policy may write as one value or as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _make_role(options: LambdaOptions) -> str:
    iam, name = client("iam", options), role_name(options)
    with explaining(f"create role {name}"):
        iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(TRUST),
            Description="Workers of fieldwren on AWS Lambda",
            Tags=[{"Key": "fieldwren", "Value": options.prefix}],
        )
        iam.get_waiter("role_exists").wait(RoleName=name, WaiterConfig={"Delay": 1})
    return "created"


def _permissions_are_there(options: LambdaOptions, account: Account) -> bool:
    iam = client("iam", options)
    if not options.role.startswith("arn:"):
        with explaining(f"look at the permissions of role {options.role}"):
            role = role_found(options)
            if role is None:
                return False
            if is_ours(role, options):
                try:
                    found = iam.get_role_policy(RoleName=options.role, PolicyName=POLICY)
                except iam.exceptions.NoSuchEntityException:
                    return False
                return found["PolicyDocument"] == worker_policy(options, account)
    return True


def _permit(options: LambdaOptions, account: Account) -> str:
    with explaining(f"give role {options.role} its permissions"):
        client("iam", options).put_role_policy(
            RoleName=options.role,
            PolicyName=POLICY,
            PolicyDocument=json.dumps(worker_policy(options, account)),
        )
    return "written"


def role_removal(options: LambdaOptions) -> Step:
    """The role is gone, with its inline policies; managed policies on it are only detached."""
    name = role_name(options)

    def remove() -> str:
        iam = client("iam", options)
        with explaining(f"remove role {name}"):
            for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
                for policy in page["PolicyNames"]:
                    iam.delete_role_policy(RoleName=name, PolicyName=policy)
            for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
                for policy in page["AttachedPolicies"]:
                    iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
            iam.delete_role(RoleName=name)
        return "removed"

    def is_gone() -> bool:
        with explaining(f"look at role {name}"):
            return not is_ours(role_found(options), options)

    return Step(name=f"role {name}", says="remove it", is_done=is_gone, do=remove)

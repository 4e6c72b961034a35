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

__all__ = ["keys_are_shared", "role_removal", "role_steps", "usable_role"]

_POLICIES: Final = "fieldwren-worker-"
"""Start of the names of the role's inline policies; the mark of the set-up follows, so that set-ups
with different buckets share a role."""
_TAG: Final = {"Key": "fieldwren", "Value": "worker"}


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
            role = _found(options)
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


def _found(options: LambdaOptions) -> dict[str, Any] | None:
    """What IAM says of the role; None where there is none."""
    iam = client("iam", options)
    try:
        return iam.get_role(RoleName=role_name(options))["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None


def _is_ours(role: dict[str, Any] | None) -> bool:
    """Whether setup made the role: it has the tag."""
    return role is not None and _TAG in role.get("Tags", [])


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
            Tags=[_TAG],
        )
        iam.get_waiter("role_exists").wait(RoleName=name, WaiterConfig={"Delay": 1})
    return "created"


def _permissions_are_there(options: LambdaOptions, account: Account) -> bool:
    iam = client("iam", options)
    if not options.role.startswith("arn:"):
        with explaining(f"look at the permissions of role {options.role}"):
            role = _found(options)
            if role is None:
                return False
            if _is_ours(role):
                try:
                    found = iam.get_role_policy(RoleName=options.role, PolicyName=_policy(options))
                except iam.exceptions.NoSuchEntityException:
                    return False
                return found["PolicyDocument"] == worker_policy(options, account)
    return True


def _permit(options: LambdaOptions, account: Account) -> str:
    with explaining(f"give role {options.role} its permissions"):
        client("iam", options).put_role_policy(
            RoleName=options.role,
            PolicyName=_policy(options),
            PolicyDocument=json.dumps(worker_policy(options, account)),
        )
    return "written"


def role_removal(options: LambdaOptions) -> tuple[list[Step], list[str]]:
    """Steps after which the role is gone; and what is left of it, and why.

    Inline policies go with the role, managed policies on it are only detached. A role that another
    set-up uses loses the permissions of this one alone.
    """
    name = role_name(options)
    with explaining(f"look at role {name}"):
        role = _found(options)
        if role is None:
            return [], []
        if not _is_ours(role):
            return [], [f"role {name}: setup did not create it"]
        ours = [p for p in _inline_policies(options) if p.startswith(_POLICIES)]
    if set(ours) - {_policy(options)}:
        return [_policy_removal(options)], [f"role {name}: another set-up uses it"]
    return [_whole_removal(options)], []


def keys_are_shared(options: LambdaOptions, account: Account) -> bool:
    """Whether another set-up keeps its keys where this one does, going by the role of both."""
    iam, name = client("iam", options), role_name(options)
    ours = worker_policy(options, account)["Statement"]
    keys = next(s["Resource"] for s in ours if s["Sid"] == "OwnKeys")
    with explaining(f"look at the permissions of role {name}"):
        if not _is_ours(_found(options)):
            return False
        for policy in set(_inline_policies(options)) - {_policy(options)}:
            found = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            if any(s.get("Resource") == keys for s in found["Statement"]):
                return True
    return False


def _policy_removal(options: LambdaOptions) -> Step:
    """The permissions that this set-up gave to the role are gone."""
    name = role_name(options)

    def is_gone() -> bool:
        with explaining(f"look at the permissions of role {name}"):
            return _policy(options) not in _inline_policies(options)

    def remove() -> str:
        with explaining(f"take permissions from role {name}"):
            iam = client("iam", options)
            iam.delete_role_policy(RoleName=name, PolicyName=_policy(options))
        return "removed"

    return Step(name=f"permissions of role {name}", says="remove ours", is_done=is_gone, do=remove)


def _whole_removal(options: LambdaOptions) -> Step:
    name = role_name(options)

    def remove() -> str:
        iam = client("iam", options)
        with explaining(f"remove role {name}"):
            for policy in _inline_policies(options):
                iam.delete_role_policy(RoleName=name, PolicyName=policy)
            for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
                for policy in page["AttachedPolicies"]:
                    iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
            iam.delete_role(RoleName=name)
        return "removed"

    def is_gone() -> bool:
        with explaining(f"look at role {name}"):
            return _found(options) is None

    return Step(name=f"role {name}", says="remove it", is_done=is_gone, do=remove)


def _policy(options: LambdaOptions) -> str:
    """Name of the inline policy of this set-up."""
    return f"{_POLICIES}{options.mark}"


def _inline_policies(options: LambdaOptions) -> list[str]:
    """Names of all inline policies of the role."""
    pages = client("iam", options).get_paginator("list_role_policies")
    found = pages.paginate(RoleName=role_name(options))
    return [policy for page in found for policy in page["PolicyNames"]]

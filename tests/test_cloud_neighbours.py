"""Two set-ups in one account that share names: neither changes or removes what is the other's."""

from __future__ import annotations

import json

import boto3
import pytest

from aws import ARCHITECTURE
from cloud_account import SMALL, contents
from fieldwren.cli import main

ROLE = "fieldwren-worker"


def set_up(file, *arguments):
    script = ["setup", "--yes", "--config", file, "--architecture", ARCHITECTURE, *SMALL]
    assert main([*script, *arguments, "--no-hello", "-q"]) == 0


@pytest.fixture
def use(monkeypatch):
    """Has commands read a set-up's configuration file."""
    return lambda file: monkeypatch.setenv("FIELDWREN_CONFIG", file)


@pytest.fixture(params=["bucket", "prefix", "function"])
def two(account, use, request):
    """Set-ups that differ in one answer, "one.toml" and "two.toml"; and the account with one."""
    other = {
        "bucket": ("--bucket", "two"),
        "prefix": ("--bucket", "one", "--prefix", "two"),
        "function": ("--bucket", "one", "--function", "two"),
    }
    use("one.toml")
    set_up("one.toml", "--bucket", "one")
    assert main(["dashboard", "-q"]) == 0
    first = contents(account)
    use("two.toml")
    set_up("two.toml", *other[request.param])
    assert main(["dashboard", "-q"]) == 0
    return first


def test_each_has_functions_logs_dashboard_and_permissions_of_its_own(two, account):
    first, both = json.loads(two), json.loads(contents(account))
    for kind in ("function", "logs", "dashboard"):
        assert sum(name.startswith(kind) for name in both) == 2
    assert len(both[f"role {ROLE}"][1]) == 2
    assert first[f"role {ROLE}"][1].items() < both[f"role {ROLE}"][1].items()
    assert all(name in both for name in first)


def test_teardown_of_one_leaves_the_other_whole_and_the_last_leaves_nothing(
    two, account, use, capsys, request, monkeypatch
):
    assert main(["teardown", "--yes"]) == 0
    said = capsys.readouterr().out
    assert f"permissions of role {ROLE}: removed" in said
    assert f"role {ROLE}: another set-up uses it" in said
    shared = request.node.callspec.id == "function"
    assert ("keys in bucket one: another set-up uses them" in said) == shared
    assert contents(account) == two
    use("one.toml")
    assert main(["hello", "-q"]) == 0
    monkeypatch.delenv("FIELDWREN_CONFIG")
    assert main(["teardown", "--yes", "-q", "--config", "one.toml"]) == 0
    assert contents(account) == "{}"


def test_a_role_of_another_prefix_is_given_permissions_too(account, use):
    use("one.toml")
    set_up("one.toml", "--bucket", "one", "--prefix", "first")
    use("two.toml")
    set_up("two.toml", "--bucket", "two", "--prefix", "second")
    iam = boto3.client("iam")
    allowed = [
        iam.get_role_policy(RoleName=ROLE, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    ]
    statements = [s for policy in allowed for s in policy["Statement"] if s["Sid"] == "OwnKeys"]
    assert sorted(s["Resource"] for s in statements) == [
        ["arn:aws:s3:::one/first/*"],
        ["arn:aws:s3:::two/second/*"],
    ]

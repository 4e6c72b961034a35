"""What calls leave in the bucket expires, what workers wrote too, and rules of others stay."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from aws import ARCHITECTURE
from cloud_account import BUCKET, SMALL, contents, rules
from fieldwren.cli import main

SCRIPT = (
    *("setup", "--yes", "--no-hello", "--config", "here"),
    *("--architecture", ARCHITECTURE, *SMALL),
)
CALLS = "fieldwren: fieldwren/calls/"
TOO_OLD = {
    "ID": "too old",
    "Status": "Enabled",
    "Filter": {"Prefix": "archive/"},
    "Expiration": {"Days": 400},
}
OLDER_WAY = {"ID": "x", "Status": "Disabled", "Prefix": "a/", "Expiration": {"Days": 9}}


def run(*arguments):
    return main([*SCRIPT, *arguments])


def give(bucket, *theirs):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": list(theirs)}
    )
    return rules(bucket)


@pytest.fixture
def denied(monkeypatch):
    """From each call of it on, those operations are refused as by AWS."""
    call = BaseClient._make_api_call

    def deny(*operations):
        def guarded(self, operation, parameters):
            if operation in operations:
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
            return call(self, operation, parameters)

        monkeypatch.setattr(BaseClient, "_make_api_call", guarded)

    return deny


def test_what_calls_leave_expires_after_a_day(account):
    assert run("-q") == 0
    (rule,) = rules(BUCKET)
    assert rule == {
        "ID": CALLS,
        "Status": "Enabled",
        "Filter": {"Prefix": "fieldwren/calls/"},
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }


@pytest.mark.parametrize("theirs", [(TOO_OLD,), (OLDER_WAY,), (TOO_OLD, {**TOO_OLD, "ID": "2"})])
def test_rules_of_others_stay_through_setup_setup_and_teardown(account, theirs, capsys):
    before = give("mine", *theirs)
    assert run("--dry-run", "--bucket", "mine") == 0
    assert "expiry in bucket mine: have S3 remove what is left under" in capsys.readouterr().out
    assert rules("mine") == before
    for _ in range(2):
        assert run("--bucket", "mine", "-q") == 0
        assert rules("mine")[:-1] == before
        assert rules("mine")[-1]["ID"] == CALLS
    assert ("Prefix" in rules("mine")[-1]) == ("Prefix" in theirs[0])
    assert main(["teardown", "--yes"]) == 0
    assert "expiry in bucket mine: removed" in capsys.readouterr().out
    assert rules("mine") == before


def test_a_rule_of_ours_that_was_changed_is_set_right(account):
    give("mine", TOO_OLD, {**TOO_OLD, "ID": CALLS, "Filter": {"Prefix": "fieldwren/"}})
    assert run("--bucket", "mine", "-q") == 0
    assert [(r["ID"], r["Filter"]["Prefix"]) for r in rules("mine")] == [
        ("too old", "archive/"),
        (CALLS, "fieldwren/calls/"),
    ]


def test_the_last_rule_leaves_none(account):
    boto3.client("s3").create_bucket(Bucket="mine")
    assert run("--bucket", "mine", "-q") == 0
    assert main(["teardown", "--yes", "-q"]) == 0
    assert json.loads(contents(account)) == {"bucket mine": []}


@pytest.mark.parametrize("operation", ["Get", "Put"])
def test_without_the_permission_setup_says_so_and_goes_on(account, denied, operation, capsys):
    denied(f"{operation}BucketLifecycleConfiguration")
    assert run() == 0
    said = capsys.readouterr().out
    (line,) = [x for x in said.splitlines() if "✗" in x]
    assert line.startswith(f"  ✗ expiry in bucket {BUCKET}: cannot ")
    assert f"do not allow the operation {operation}BucketLifecycleConfiguration" in line
    assert line.endswith("; all else works without")
    assert "✓ engine lambda: written" in said
    assert main(["teardown", "--yes", "-q"]) == 0
    assert contents(account) == "{}"


def test_the_program_that_reads_the_answer_is_told_on_the_side(account, denied, capsys):
    denied("PutBucketLifecycleConfiguration")
    assert run("--json") == 0
    said = capsys.readouterr()
    told = {s["name"]: s for s in json.loads(said.out)["steps"]}
    assert not told[f"expiry in bucket {BUCKET}"]["changed"]
    assert "do not allow the operation PutBucketLifecycle" in said.err


@pytest.mark.usefixtures("no_archives")
def test_doctor_says_when_the_rule_is_missing(account, denied, capsys):
    assert run("-q") == 0
    boto3.client("s3").delete_bucket_lifecycle(Bucket=BUCKET)
    assert main(["doctor"]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "aws expiry" in x]
    assert line.startswith("no  ")
    assert f"leave under {BUCKET}/fieldwren/calls/ stays for ever: run `fieldwren setup`" in line
    denied("GetBucketLifecycleConfiguration")
    assert main(["doctor"]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "aws expiry" in x]
    assert "do not allow the operation GetBucketLifecycleConfiguration" in line


def test_logs_are_kept_for_a_month_but_where_another_limit_was_set(account):
    logs = boto3.client("logs")
    assert run("-q") == 0
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group["retentionInDays"] == 30
    logs.put_retention_policy(logGroupName=group["logGroupName"], retentionInDays=365)
    assert run("-q") == 0
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group["retentionInDays"] == 365


def test_logs_get_their_limit_as_soon_as_that_may_be_set(account, denied, capsys):
    denied("PutRetentionPolicy")
    assert run() == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "✗" in x]
    assert "logs of function fieldwren: cannot set the days for which the log" in line
    denied()
    assert run() == 0
    (group,) = boto3.client("logs").describe_log_groups()["logGroups"]
    assert group["retentionInDays"] == 30
    assert capsys.readouterr().out.count("✓") == 8

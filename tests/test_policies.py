"""The printed policies allow what is needed, and no more."""

from __future__ import annotations

import json
import urllib.request

import boto3
import pytest
from botocore.client import BaseClient

from aws import ARCHITECTURE
from cloud_account import SMALL, contents
from fieldwren.cli import main
from fieldwren.engine import executor

NAMES = {  # IAM's names of operations that are called otherwise
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:AbortMultipartUpload": "s3:AbortMultipartUpload",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteObjects": "s3:DeleteObjectVersion",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:UploadPart": "s3:PutObject",
}
BESIDE = {  # needed by an operation of another name
    "iam:PassRole": "lambda:CreateFunction",
    "iam:TagRole": "iam:CreateRole",
    "lambda:TagResource": "lambda:CreateFunction",
    "s3:DeleteObject": "s3:DeleteObjectVersion",
}


def policies(capsys, *arguments):
    assert main(["setup", "--print-policy", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def everything():
    """All that a person does with the account."""
    script = ["setup", "--yes", "--config", "here", *SMALL, "--architecture", ARCHITECTURE]
    assert main([*script, "-q"]) == 0
    with executor("lambda") as pool:
        assert pool.submit(len, b"1" * 7 * 2**20).result() == 7 * 2**20
    for command in (["logs"], ["logs", "--last"], ["dashboard"], ["doctor"], ["teardown", "--yes"]):
        assert main([*command, "-q"]) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("no_archives")
def test_the_person_may_do_what_commands_do_and_nothing_else(account, monkeypatch, capsys):
    called, call = set(), BaseClient._make_api_call

    def noted(self, operation, parameters):
        service = self.meta.service_model.service_name
        called.add(NAMES.get(f"{service}:{operation}", f"{service}:{operation}"))
        return call(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    everything()
    capsys.readouterr()
    called -= {"logs:CreateLogStream", "logs:PutLogEvents"}  # the emulator
    person = policies(capsys)["person"]
    allowed = {action for s in person["Statement"] for action in s["Action"]}
    assert called - allowed == set()
    unused = allowed - called - {"iam:DetachRolePolicy"}  # where somebody attached one
    assert {BESIDE.get(action, action) for action in unused} <= called
    assert contents(account) == "{}"


@pytest.fixture
def enforced(account, monkeypatch):
    """From the call of it on, moto refuses what the person's policies do not allow."""

    def only(policy):
        policy = {**policy, "Statement": [for_moto(s) for s in policy["Statement"]]}
        iam = boto3.client("iam")
        iam.create_user(UserName="ana")
        iam.put_user_policy(UserName="ana", PolicyName="all", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="ana")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        authorise(account, "0")

    yield only
    authorise(account, "inf")


def for_moto(statement):
    """What moto takes otherwise than AWS: some names of actions; resources of S3 alone, and keys
    that are removed many at once by the resource of their bucket.
    """
    sid, resources = statement["Sid"], statement["Resource"]
    actions = [a.replace("cloudwatch:", "monitoring:") for a in statement["Action"]]
    if sid == "Bucket":
        actions += ["s3:HeadBucket", "s3:PutPublicAccessBlock"]
    elif sid == "Keys":
        resources = [*resources, resources[0].rpartition("/fieldwren/")[0]]
    else:
        resources = "*"
    return {**statement, "Action": actions, "Resource": resources}


def authorise(account, after):
    """moto checks permissions after so many requests."""
    request = urllib.request.Request(
        f"{account.endpoint}/moto-api/reset-auth",
        method="POST",
        data=after.encode(),
        headers={"Content-Type": "text/plain"},
    )
    urllib.request.urlopen(request).close()


@pytest.mark.usefixtures("no_archives")
def test_a_person_with_the_printed_policy_gets_through(account, enforced, monkeypatch, capsys):
    def code(where):  # Lambda reads it with the permissions of whoever creates the function
        s3 = boto3.Session().client("s3")
        return s3.get_object(Bucket=where["S3Bucket"], Key=where["S3Key"])["Body"].read()

    monkeypatch.setattr(account.emulator, "_code", code)
    monkeypatch.setattr(account.emulator, "logs", False)
    enforced(policies(capsys)["person"])
    script = ["setup", "--yes", "--config", "here", *SMALL, "--architecture", ARCHITECTURE]
    assert main([*script, "-q"]) == 0
    for command in (["logs"], ["dashboard"], ["doctor"], ["teardown", "--yes"]):
        assert main([*command, "-q"]) == 0


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("Role", "do not allow iam:GetRole"),
        ("Bucket", "belongs to another AWS account, or you may"),
    ],
)
def test_without_a_part_of_it_the_missing_permission_is_named(enforced, statement, words, capsys):
    person = policies(capsys)["person"]
    person["Statement"] = [s for s in person["Statement"] if s["Sid"] != statement]
    enforced(person)
    assert main(["setup", "--yes", "-q", "--no-hello"]) == 2
    assert words in capsys.readouterr().err


def test_each_policy_can_be_printed_alone(account, capsys):
    whole = policies(capsys, "--bucket", "fields", "--role", "ours")
    for name in ("trust", "role", "person"):
        assert main(["setup", "--print-policy", name, "--bucket", "fields", "--role", "ours"]) == 0
        assert json.loads(capsys.readouterr().out) == whole[name]
    assert "arn:aws:iam::123456789012:role/ours" in json.dumps(whole["person"])
    assert "arn:aws:s3:::fields/fieldwren/*" in json.dumps(whole["role"])
    assert contents(account) == "{}"


def test_without_credentials_the_policies_are_those_of_any_account(account, monkeypatch, capsys):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    whole = policies(capsys, "--bucket", "fields", "--region", "eu-central-1")
    assert "arn:aws:iam::*:role/fieldwren-worker" in json.dumps(whole["person"])
    assert "arn:aws:logs:eu-central-1:*:log-group:/aws/lambda/fieldwren-*:*" in json.dumps(
        whole["role"]
    )


def test_passing_the_role_is_allowed_to_lambda_alone(account, capsys):
    person = policies(capsys)["person"]
    (passing,) = [s for s in person["Statement"] if s["Action"] == ["iam:PassRole"]]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    assert all(action != "*" for s in person["Statement"] for action in s["Action"])

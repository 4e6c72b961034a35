"""What goes wrong with an account is one sentence that says what to do, and holds no secret."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from cloud_account import BUCKET, contents, empty
from fieldwren.cli import main
from fieldwren.engine.aws_lambda.options import LambdaOptions

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"  # in the manner of AWS's documentation


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stub(monkeypatch):
    """A server that answers as AWS does: ``stub.say(action or method, status, body)``."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode(errors="replace")
            target = self.headers.get("X-Amz-Target", "")
            line = f"{self.command} {self.path}"
            keys = [k for k in answers if k in body or k in target or k == line]
            status, headers, said = answers[keys[0]] if keys else (200, {}, IDENTITY)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            data = said.encode()
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    for method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)

    answers = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    surroundings(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}")
    yield answers
    server.shutdown()
    server.server_close()


def surroundings(monkeypatch, endpoint):
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ana</Arn><UserId>AIDA</UserId>
<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


def query_error(code, message):
    """As STS and IAM answer."""
    return f"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>
<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>
<RequestId>8a9b</RequestId></ErrorResponse>"""


def s3_error(code, message):
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{message}</Message><RequestId>8A9B</RequestId></Error>"""


def refused(capsys, *arguments):
    """The sentence with which a command ends."""
    assert main([*arguments]) == 2
    said = capsys.readouterr().err
    (line,) = [x for x in said.splitlines() if x]
    assert line.startswith("fieldwren: ")
    assert SECRET not in said
    assert "AKIA" not in said
    return line


SETUP = ("setup", "--yes", "--architecture", "x86_64", "-q", "--no-hello")


def test_no_credentials(monkeypatch, capsys):
    surroundings(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no AWS credentials are found: run `aws configure`" in refused(capsys, *SETUP)


def test_half_of_the_credentials(monkeypatch, capsys):
    surroundings(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "both key id and secret are needed" in refused(capsys, *SETUP)


def test_no_such_profile(monkeypatch, capsys):
    surroundings(monkeypatch, "http://127.0.0.1:9")
    said = refused(capsys, *SETUP, "--profile", "nobody")
    assert "there is no such AWS profile" in said


def test_a_service_that_cannot_be_reached(monkeypatch, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        surroundings(monkeypatch, f"http://127.0.0.1:{free.getsockname()[1]}")
    assert "AWS does not answer there: check the network" in refused(capsys, *SETUP)


@pytest.mark.parametrize(
    ("status", "code", "message", "words"),
    [
        (403, "ExpiredToken", "The security token included in the request is expired", "expired"),
        (403, "InvalidClientTokenId", "The security token is invalid.", "does not know these"),
        (403, "SignatureDoesNotMatch", "Signature expired: 20261124", "check the keys"),
        (403, "RequestTimeTooSkewed", "The difference is too large", "the clock of this machine"),
    ],
)
def test_credentials_that_are_not_accepted(stub, status, code, message, words, capsys):
    stub["GetCallerIdentity"] = (status, {}, query_error(code, message))
    assert words in refused(capsys, *SETUP)


def test_a_bucket_of_somebody_else(stub, capsys):
    stub["HEAD /fields"] = (403, {"x-amz-bucket-region": "us-west-2"}, "")
    said = refused(capsys, *SETUP, "--bucket", "fields")
    assert "bucket fields belongs to another AWS account, or you may not use it" in said
    assert "choose another name" in said


def test_a_bucket_in_another_region(stub, capsys):
    stub["HEAD /fields"] = (301, {"x-amz-bucket-region": "eu-central-1"}, "")
    said = refused(capsys, *SETUP, "--bucket", "fields")
    assert "bucket fields is in eu-central-1, not in us-west-2: choose another bucket" in said


def test_a_name_that_was_taken_in_the_meantime(stub, capsys):
    stub["HEAD /fields"] = (404, {}, "")
    message = "The requested bucket name is not available."
    stub["PUT /fields"] = (409, {}, s3_error("BucketAlreadyExists", message))
    stub["GetRole"] = (404, {}, query_error("NoSuchEntity", "The role cannot be found."))
    said = refused(capsys, *SETUP, "--bucket", "fields")
    assert said == (
        "fieldwren: cannot create bucket fields: the name is taken by another account: choose"
        " another one"
    )


def test_a_permission_that_is_missing_is_named(stub, capsys):
    message = (
        "User: arn:aws:iam::123456789012:user/ana is not authorized to perform: iam:CreateRole on"
        " resource: arn:aws:iam::123456789012:role/fieldwren-worker because no identity-based"
        " policy allows the iam:CreateRole action"
    )
    stub["HEAD /fields"] = (200, {"x-amz-bucket-region": "us-west-2"}, "")
    stub["GetRole"] = (404, {}, query_error("NoSuchEntity", "The role cannot be found."))
    stub["CreateRole"] = (403, {}, query_error("AccessDenied", message))
    said = refused(capsys, *SETUP, "--bucket", "fields")
    assert "cannot create role fieldwren-worker" in said
    assert "do not allow iam:CreateRole" in said
    assert "ask your administrator" in said
    assert "--print-policy" in said


def test_a_role_that_may_not_be_looked_at_is_named(stub, capsys):
    message = "User: x is not authorized to perform: iam:GetRole on resource: role fieldwren-worker"
    stub["HEAD /fields"] = (200, {"x-amz-bucket-region": "us-west-2"}, "")
    stub["GetRole"] = (403, {}, query_error("AccessDenied", message))
    said = refused(capsys, *SETUP, "--bucket", "fields")
    assert "do not allow iam:GetRole" in said


def test_a_log_that_may_not_be_read_is_named(stub, capsys):
    group = f"/aws/lambda/fieldwren-2048-{LambdaOptions().mark}-0123456789ab"
    start = f"START RequestId: {uuid.UUID(int=7)} Version: $LATEST"
    message = "User: x is not authorized to perform: logs:GetLogEvents on resource: y"
    for action, status, said in (
        ("DescribeLogGroups", 200, {"logGroups": [{"logGroupName": group}]}),
        (
            "FilterLogEvents",
            200,
            {"events": [{"logStreamName": "s", "timestamp": 1, "message": start}]},
        ),
        ("GetLogEvents", 400, {"__type": "AccessDeniedException", "message": message}),
    ):
        stub[action] = (status, {}, json.dumps(said))
    for which in ("--last", str(uuid.UUID(int=7))):
        assert "do not allow logs:GetLogEvents" in refused(capsys, "logs", which)


def test_the_smoke_test_says_what_it_needs(tmp_path):
    surroundings = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "FIELDWREN_"))}
    smoke = Path(__file__).with_name("test_aws_smoke.py")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "smoke_aws", smoke]
    done = subprocess.run(
        command,
        env={
            **surroundings,
            "HOME": str(tmp_path),
            "AWS_EC2_METADATA_DISABLED": "true",
            "FIELDWREN_SMOKE_AWS": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "a real AWS account that `fieldwren setup` has made ready" in done.stdout
    assert "no AWS credentials are found" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--region", "us-west-9"], "did you mean us-west-2"),
        (["--region", "Oregon"], "AWS has no region 'Oregon'"),
        (["--bucket", "My Fields"], "3 to 63 lower-case letters"),
        (["--bucket", "10.0.0.1"], "3 to 63 lower-case letters"),
        (["--bucket", ""], "a bucket needs a name"),
        (["--prefix", "/"], "the prefix needs at least one letter"),
        (["--memory", "64"], "memory must be from 128 to 10240"),
        (["--timeout", "1000"], "timeout must be from 1 to 900"),
        (["--architecture", "sparc"], "choose one of arm64, x86_64"),
        (["--role", "my role"], "give a role's name"),
        (["--function", "f" * 31], "30 at most"),
        (["--dedicated", "mainframe"], "choose one of no, dask, lithops"),
        (["--scheduler", "the big one"], "tcp://10.0.0.1:8786"),
        (["--instance-role", "a b"], "name of an instance profile"),
        (["--instance-role", "m", "--package", "a; b"], "the address of a wheel"),
        (["--engine", "warp"], "choose one of lambda"),
        (["--config", "/proc"], "/proc is a folder"),
        (["--role", "arn:aws:iam::210987654321:role/theirs"], "is in another AWS account"),
        (["--role", "arn:aws:iam::123456789012:role/nowhere"], "does not exist"),
    ],
)
def test_an_answer_that_cannot_be_used(aws, arguments, words, capsys):
    empty(aws)
    rest = ["setup", "--yes", "-q", "--no-hello"]
    assert words in refused(capsys, *rest, *arguments)
    assert contents(aws) == "{}"


def test_a_role_that_lambda_may_not_use(aws, capsys):
    empty(aws)
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": {**trust, "Action": "sts:AssumeRole"}}
    boto3.client("iam").create_role(
        RoleName="fieldwren-worker", AssumeRolePolicyDocument=json.dumps(document)
    )
    before = contents(aws)
    said = refused(capsys, *SETUP)
    assert "role fieldwren-worker is there, but AWS Lambda may not act as it" in said
    assert "--print-policy trust" in said
    assert contents(aws) == before


def test_the_suggested_name_gives_way_where_somebody_has_it(stub, capsys):
    usual = "fieldwren-123456789012-us-west-2"
    stub[f"HEAD /{usual}"] = (403, {}, "")
    stub[f"HEAD /{usual}-2"] = (404, {}, "")
    stub["GetRole"] = (404, {}, query_error("NoSuchEntity", "The role cannot be found."))
    assert main(["setup", "--yes", "--dry-run"]) == 0
    assert f"bucket {usual}-2: create it" in capsys.readouterr().out


def test_a_damaged_configuration_file_is_named(aws, tmp_path, capsys):
    (tmp_path / "fieldwren.toml").write_text("[lambda\n")
    assert "fieldwren.toml cannot be read as TOML" in refused(capsys, *SETUP)


@pytest.mark.usefixtures("no_archives")
def test_a_bucket_that_was_removed_is_named(aws, capsys, tmp_path):
    (tmp_path / "fieldwren.toml").write_text(f'[lambda]\nbucket = "{BUCKET}-gone"\n')
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"there is no bucket {BUCKET}-gone: run `fieldwren setup`" in said


@pytest.mark.parametrize("command", [SETUP, ("teardown", "--yes"), ("logs",), ("dashboard",)])
def test_a_missing_library_is_named(command, monkeypatch, capsys):
    for name in [n for n in sys.modules if n.partition(".")[0] in {"boto3", "botocore"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("FIELDWREN_LAMBDA_REGION", "us-west-2")
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore", None)
    assert 'pip install "fieldwren[aws]"' in refused(capsys, *command)

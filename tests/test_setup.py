"""The wizard and its opposite, through the command line, in an account on this machine."""

from __future__ import annotations

import base64
import builtins
import io
import json
import os
import pty
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from aws import ARCHITECTURE
from cloud_account import BUCKET, SMALL, contents
from fieldwren.cli import main
from fieldwren.cloud import steps
from fieldwren.engine.aws_lambda.options import LambdaOptions

SCRIPT = ("setup", "--yes", "--architecture", ARCHITECTURE, *SMALL)


@pytest.fixture
def types(monkeypatch):
    """Answers typed on a terminal; gives back the prompts that were shown."""

    def script(*answers):
        left, prompts = list(answers), []

        def typed(prompt=""):
            prompts.append(prompt)
            if not left:
                raise EOFError
            return left.pop(0)

        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(builtins, "input", typed)
        return prompts

    return script


def run(*arguments):
    return main([str(a) for a in arguments])


def settings(path="~/.config/fieldwren/config.toml"):
    return tomllib.loads(Path(path).expanduser().read_text())


def test_the_role_may_do_what_workers_do_and_no_more(account):
    assert run(*SCRIPT, "--no-hello", "-q") == 0
    iam = boto3.client("iam")
    role = iam.get_role(RoleName="fieldwren-worker")["Role"]
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert role["Tags"] == [{"Key": "fieldwren", "Value": "worker"}]
    assert iam.list_attached_role_policies(RoleName="fieldwren-worker")["AttachedPolicies"] == []
    (name,) = iam.list_role_policies(RoleName="fieldwren-worker")["PolicyNames"]
    policy = iam.get_role_policy(RoleName="fieldwren-worker", PolicyName=name)["PolicyDocument"]
    allowed = {s["Sid"]: (s["Action"], s["Resource"]) for s in policy["Statement"]}
    assert allowed["OwnKeys"] == (
        ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
        [f"arn:aws:s3:::{BUCKET}/fieldwren/*"],
    )
    assert allowed["RequesterPays"][0] == ["s3:GetObject"]
    assert "arn:aws:s3:::usgs-landsat/*" in allowed["RequesterPays"][1]
    assert allowed["OwnLogs"][1] == [
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fieldwren-*:*"
    ]
    assert not any("*" in action for actions, _ in allowed.values() for action in actions)


def test_a_new_bucket_is_closed_and_marked_as_ours(account):
    assert run(*SCRIPT, "--no-hello", "-q") == 0
    s3 = boto3.client("s3")
    closed = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}
    assert s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == [
        {"Key": "fieldwren", "Value": "fieldwren"}
    ]


def test_a_bucket_that_could_not_be_marked_is_made_anew(account, monkeypatch, capsys):
    call = BaseClient._make_api_call

    def no_tags(self, operation, parameters):
        if operation == "PutBucketTagging":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
        return call(self, operation, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", no_tags)
        assert run(*SCRIPT, "--no-hello", "-q") == 2
    assert "do not allow the operation PutBucketTagging" in capsys.readouterr().err
    assert run("setup", "--yes", "--no-hello", "-q") == 0
    assert run("teardown", "--yes", "-q") == 0
    assert contents(account) == "{}"


def test_a_dry_run_says_all_and_makes_nothing(account, capsys):
    blank = contents(account)
    assert run(*SCRIPT, "--dry-run") == 0
    said = capsys.readouterr().out
    for words in ("bucket", "role fieldwren-worker", "permissions", "function", "engine lambda"):
        assert words in said
    assert "nothing was made" in said
    assert contents(account) == blank
    assert not list(Path.home().rglob("*.toml"))


def test_a_dry_run_of_teardown_removes_nothing(account, capsys):
    assert run(*SCRIPT, "-q") == 0
    there, file = contents(account), settings()
    assert run("teardown", "--dry-run") == 0
    assert f"bucket {BUCKET}: remove it" in capsys.readouterr().out
    assert (contents(account), settings()) == (there, file)


def test_a_second_run_changes_nothing(account, capsys):
    assert run(*SCRIPT, "-q") == 0
    there, file = contents(account), settings()
    capsys.readouterr()
    assert run("setup", "--yes", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["steps"] == []
    assert said["hello"].startswith("Hello ")
    assert (contents(account), settings()) == (there, file)


def test_setup_goes_on_wherever_it_was_interrupted(account, tmp_path, monkeypatch, capsys):
    assert run(*SCRIPT, "--no-hello", "-q") == 0
    undisturbed, file = contents(account), settings()
    assert run("teardown", "--yes", "-q") == 0
    perform = steps.perform

    def one_step(step, done=[]):  # noqa: B006 - remembers over runs, on purpose
        if step.name in done:
            raise AssertionError(f"{step.name} was done twice")
        if len(done) % 2:
            done.append("")
            raise KeyboardInterrupt
        done.append(step.name)
        return perform(step)

    monkeypatch.setattr(steps, "perform", one_step)
    tries = [run(*SCRIPT, "--no-hello", "-q")]
    while tries[-1] == 130:
        assert "the same command goes on where it stopped" in capsys.readouterr().err
        tries.append(run("setup", "--yes", "--no-hello", "-q"))
    assert tries == [*[130] * 6, 0]
    assert (contents(account), settings()) == (undisturbed, file)


def test_a_role_that_is_not_known_everywhere_yet_is_waited_for(account, monkeypatch, capsys):
    monkeypatch.setattr(account.emulator, "role_failures", 2)
    monkeypatch.setattr("fieldwren.engine.aws_lambda.deploy.time.sleep", lambda _: None)
    assert run(*SCRIPT) == 0
    assert "Hello " in capsys.readouterr().out
    assert account.emulator.role_failures == 0


def test_teardown_leaves_what_is_not_ours(account, capsys):
    s3, iam, logs = boto3.client("s3"), boto3.client("iam"), boto3.client("logs")
    s3.create_bucket(Bucket="mine")
    s3.put_object(Bucket="mine", Key="fieldwren/results.csv", Body=b"1")
    for key in ("fieldwrens/calls/1", "fieldwren/calls/mine.csv", "fieldwren/packages/mine.zip"):
        s3.put_object(Bucket="mine", Key=key, Body=b"1")
    iam.create_role(RoleName="fieldwren-other", AssumeRolePolicyDocument="{}")
    logs.create_log_group(logGroupName="/aws/lambda/fieldwren-other")
    logs.create_log_group(logGroupName="/aws/lambda/fieldwren")
    boto3.client("cloudwatch").put_dashboard(
        DashboardName="fieldwren-mine", DashboardBody='{"widgets": []}'
    )
    foreign = {"Runtime": "python3.12", "Role": "r", "Handler": "h", "Code": {"ZipFile": zipped()}}
    like_ours = f"fieldwren-256-{LambdaOptions(bucket='mine').mark}-0123456789ab"
    for name in ("fieldwren-other", like_ours, "fieldwren-256-01234567-0123456789ab"):
        account.emulator.create({**foreign, "FunctionName": name})
    before = contents(account)
    assert run(*SCRIPT, "--bucket", "mine") == 0
    assert contents(account) != before
    capsys.readouterr()
    assert run("teardown", "--yes") == 0
    said = capsys.readouterr().out
    assert contents(account) == before
    assert "bucket mine: setup did not create it" in said
    assert f"function {like_ours}: it has no tag of fieldwren" in said


def zipped():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("h.py", "")
    return base64.b64encode(data.getvalue()).decode()


def test_teardown_keeps_a_bucket_that_others_use_by_now(account, capsys):
    assert run(*SCRIPT, "-q") == 0
    boto3.client("s3").put_object(Bucket=BUCKET, Key="fieldwren/mine.csv", Body=b"1")
    assert run("teardown", "--yes") == 0
    assert "it holds other keys, such as fieldwren/mine.csv" in capsys.readouterr().out
    assert json.loads(contents(account)) == {f"bucket {BUCKET}": ["fieldwren/mine.csv"]}


def test_what_steers_a_terminal_in_a_key_of_others_is_not_printed(account, capsys):
    assert run(*SCRIPT, "-q") == 0
    boto3.client("s3").put_object(Bucket=BUCKET, Key="mine\u202e.csv", Body=b"1")
    assert run("teardown", "--dry-run") == 0
    assert "it holds other keys, such as mine\ufffd.csv" in capsys.readouterr().out


def test_teardown_takes_old_versions_too(account):
    assert run(*SCRIPT, "-q") == 0
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    key = f"fieldwren/calls/{'0' * 32}/1"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"2")
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert run("teardown", "--yes", "-q") == 0
    assert json.loads(contents(account)) == {}


def test_a_role_of_the_users_is_used_as_it_is_and_stays(account, capsys):
    iam = boto3.client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]},
        "Action": ["sts:AssumeRole"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName="ours", AssumeRolePolicyDocument=document, Path="/team/")[
        "Role"
    ]["Arn"]
    before = contents(account)
    assert run(*SCRIPT, "--role", arn, "--no-hello", "-q") == 0
    assert iam.list_role_policies(RoleName="ours")["PolicyNames"] == []
    assert run("teardown", "--yes") == 0
    assert "role ours: setup did not create it" in capsys.readouterr().out
    assert contents(account) == before


def test_the_conversation(account, types, capsys):
    prompts = types(
        "us-west-9",  # no region
        "",
        "Not_A_Bucket",
        "",
        "/maps/",
        "y",
        "",
        "",
        "lots",
        "256",
        "30",
        ARCHITECTURE,
        "",
        "",
        "here",
        "y",
    )
    assert run("setup") == 0
    said = capsys.readouterr().out
    assert "AWS has no region 'us-west-9' with Lambda: did you mean us-west-2?" in said
    assert "3 to 63 lower-case letters" in said
    assert "lambda memory must be a whole number" in said
    assert "Hello " in said
    assert len(prompts) == 16
    written = settings("fieldwren.toml")
    assert written["lambda"]["prefix"] == "maps"
    assert written["lambda"]["memory"] == 256
    (package,) = json.loads(contents(account))[f"bucket {BUCKET}"]
    assert package.startswith("maps/packages/worker-")


def test_whoever_says_no_gets_nothing(account, types, capsys):
    blank = contents(account)
    types(*[""] * 7, "n")
    assert run("setup") == 0
    assert "Nothing was changed." in capsys.readouterr().out
    assert contents(account) == blank
    assert run(*SCRIPT, "-q") == 0
    there = contents(account)
    types("")  # Enter does not remove anything
    assert run("teardown") == 0
    assert "Nothing was removed." in capsys.readouterr().out
    assert contents(account) == there


def test_the_end_of_the_answers_ends_setup(account, types):
    types("")
    assert run("setup") == 130


@pytest.mark.parametrize("command", ["setup", "teardown"])
def test_without_a_terminal_yes_is_needed(account, command, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert run(command) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "give --yes" in line


def test_other_settings_are_not_overwritten_unasked(account, capsys):
    old = '# mine\n[lambda]\nbucket = "another"\n'
    Path("fieldwren.toml").write_text(old)
    boto3.client("s3").create_bucket(Bucket="fields")
    assert run(*SCRIPT, "--bucket", "fields", "--config", "here", "-q") == 2
    said = capsys.readouterr().err
    assert 'says bucket = "another" in [lambda]: give --overwrite' in said
    assert Path("fieldwren.toml").read_text() == old
    assert run(*SCRIPT, "--bucket", "fields", "--config", "here", "--overwrite", "-q") == 0
    assert settings("fieldwren.toml")["lambda"]["bucket"] == "fields"
    assert "# mine\n[lambda]\n" in Path("fieldwren.toml").read_text()


def test_settings_in_a_file_that_commands_do_not_look_for(account, monkeypatch, capsys):
    assert run(*SCRIPT, "--bucket", "fields", "--config", "a b.toml", "--no-hello") == 0
    file = Path("a b.toml").resolve()
    hint = f"do not read a b.toml by themselves: export FIELDWREN_CONFIG='{file}'"
    assert hint in capsys.readouterr().out
    there = contents(account)
    assert run("setup", "--yes", "--config", "a b.toml", "--no-hello") == 0
    assert contents(account) == there
    assert run("teardown", "--yes", "--config", "nowhere.toml") == 2
    assert "--config nowhere.toml: there is no such file" in capsys.readouterr().err
    monkeypatch.setenv("FIELDWREN_CONFIG", str(file))
    assert run("setup", "--yes", "--no-hello") == 0
    assert "FIELDWREN_CONFIG" not in capsys.readouterr().out
    monkeypatch.delenv("FIELDWREN_CONFIG")
    assert run("teardown", "--yes", "--config", "a b.toml") == 0
    assert contents(account) == "{}"
    assert not file.exists()


def test_all_else_in_the_file_stays_through_setup_and_teardown(account):
    old = '# mine\nsensor = "sentinel-2"\n\n# the cluster\n[dask]\nscheduler = "tcp://a:1"\n'
    Path("fieldwren.toml").write_text(old)
    assert run(*SCRIPT, "--no-hello", "-q") == 0
    assert settings("fieldwren.toml")["dask"] == {"scheduler": "tcp://a:1"}
    assert run("teardown", "--yes", "-q") == 0
    assert Path("fieldwren.toml").read_text() == old


def test_a_real_terminal(account):
    """Enter, all along, in a process with a terminal of its own."""
    ours, theirs = pty.openpty()
    arguments = [*SCRIPT[2:], "--config", "here"]
    with subprocess.Popen(
        [sys.executable, "-m", "fieldwren", "setup", *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        os.write(ours, b"\n" * 7)
        said, _ = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, said
    assert "Which S3 bucket may it use?" in said
    assert "Hello " in said
    assert settings("fieldwren.toml")["engine"] == "lambda"

"""hello, logs, dashboard and doctor, and the log of fieldwren itself."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
import uuid

import boto3
import pytest

from aws import ARCHITECTURE
from cloud_account import BUCKET, SMALL, contents, empty
from fieldwren.cli import main
from fieldwren.cloud.dashboard import dashboard_name
from fieldwren.engine.aws_lambda.options import LambdaOptions
from fieldwren.log import plain


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FIELDWREN_LOGLEVEL", raising=False)
    yield
    logging.getLogger("fieldwren").handlers.clear()
    logging.getLogger("fieldwren").setLevel(logging.NOTSET)


@pytest.fixture
def account(aws, monkeypatch):
    """An account in which setup has run."""
    empty(aws)
    monkeypatch.setattr(aws.emulator, "logs", True)
    script = ["setup", "--yes", "--no-hello", "-q", "--config", "here", *SMALL]
    assert main([*script, "--architecture", ARCHITECTURE]) == 0
    return aws


STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO fieldwren\.cloud\.hello: .+")


def test_hello_runs_on_an_engine_and_says_when(capsys):
    assert main(["hello", "--engine", "local"]) == 0
    said = capsys.readouterr()
    assert re.match(r"Hello \S+, from .+: Python \d", said.out)
    lines = [line for line in said.err.splitlines() if line]
    assert len(lines) == 4
    assert all(STAMPED.fullmatch(line) for line in lines)


def test_hello_on_lambda_comes_from_the_deployed_function(account, capsys):
    assert main(["hello", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["engine"] == "lambda"
    (function,) = account.emulator.functions
    assert f"from {function}: Python" in said["answer"]


def test_an_unknown_engine_is_refused(capsys):
    assert main(["hello", "--engine", "warp", "-q"]) == 2
    assert "unknown engine 'warp'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("level", "lines"), [("", 4), ("info", 4), ("DEBUG", 4), ("WARNING", 0), ("critical", 0)]
)
def test_the_log_is_as_loud_as_asked(level, lines):
    done = subprocess.run(
        [sys.executable, "-m", "fieldwren", "hello", "--engine", "local"],
        env={**os.environ, "FIELDWREN_LOGLEVEL": level},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(STAMPED.findall(done.stderr)) == lines


def test_an_unknown_level_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("FIELDWREN_LOGLEVEL", "loud")
    assert main(["hello", "--engine", "local"]) == 2
    said = capsys.readouterr().err
    assert "FIELDWREN_LOGLEVEL must be one of DEBUG, INFO" in said
    assert "not 'loud'" in said


def test_text_from_elsewhere_cannot_steer_the_terminal():
    assert plain("a\x1b[31mred\x07\x9b\tb\nc\r") == "a\ufffd[31mred\ufffd\ufffd\tb\nc\ufffd"


def test_logs_of_one_call_of_the_last_and_of_all(account, capsys):
    for _ in range(2):
        assert main(["hello", "-q"]) == 0
    capsys.readouterr()
    assert main(["logs"]) == 0
    everything = capsys.readouterr().out
    calls = re.findall(r"START RequestId: (\S+)", everything)
    assert len(calls) == 2
    assert main(["logs", "--last"]) == 0
    last = capsys.readouterr().out
    assert re.findall(r"RequestId: (\S+)", last) == [calls[1]] * 3
    assert main(["logs", calls[0], "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["lines"]
    assert [line["text"].split()[0] for line in first] == ["START", "END", "REPORT"]
    assert {line["text"].split()[2] for line in first} == {calls[0]}


def test_lines_of_other_calls_and_controls_of_the_terminal_stay_out(account, capsys):
    logs, (function,) = boto3.client("logs"), account.emulator.functions
    group, stream, now = f"/aws/lambda/{function}", "2026/11/24/[$LATEST]0f", int(time.time() * 1e3)
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    said = [
        f"START RequestId: {first} Version: $LATEST\n",
        "\x1b[2J\x1b]0;owned\x07fields\n",
        f"REPORT RequestId: {first} Duration: 1 ms\n",
        f"START RequestId: {second} Version: $LATEST\n",
        "of another call\n",
    ]
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": now + n, "message": m} for n, m in enumerate(said)],
    )
    assert main(["logs", first]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "fields" in out
    assert "another" not in out
    assert len(out.splitlines()) == 3
    assert main(["logs", "--last"]) == 0
    assert [x.split(maxsplit=2)[2] for x in capsys.readouterr().out.splitlines()] == [
        f"START RequestId: {second} Version: $LATEST",
        "of another call",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["logs", str(uuid.UUID(int=7))], "there is no log of call 00000000-"),
        (["logs", "x"], "'x' is no request id"),
        (["logs", "--last"], "has logged anything yet"),
        (["logs", "--since", "soon"], "give a time such as 30s, 10m, 2h or 3d"),
    ],
)
def test_what_has_no_log_is_said(account, arguments, words, capsys):
    assert main([*arguments, "-q"]) == 2
    assert words in capsys.readouterr().err


def test_the_dashboard_shows_what_was_promised(account, capsys):
    assert main(["dashboard"]) == 0
    link = capsys.readouterr().out.strip()
    name = dashboard_name(LambdaOptions(bucket=BUCKET))
    assert link == (
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        f"#dashboards/dashboard/{name}"
    )
    body = boto3.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
    for metric in ("ConcurrentExecutions", "Throttles", "Invocations", "Duration", "Errors"):
        assert f'MetricName=\\"{metric}\\"' in body
    there = contents(account)
    assert main(["dashboard", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"link": link, "changed": False}
    assert contents(account) == there


def test_a_dashboard_of_others_is_left_alone(account, capsys):
    cloudwatch, name = boto3.client("cloudwatch"), dashboard_name(LambdaOptions(bucket=BUCKET))
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')
    assert main(["dashboard", "-q"]) == 2
    assert "that fieldwren did not make" in capsys.readouterr().err
    assert main(["teardown", "--yes", "-q"]) == 0
    assert cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"] == '{"widgets": []}'


def checks(capsys, *arguments):
    assert main(["doctor", "--json", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)["checks"]
    return {c["name"]: (c["ok"], c["says"]) for c in found if c["name"].startswith("aws ")}


def test_doctor_finds_all_in_order_after_setup(account, no_archives, capsys):
    there = contents(account)
    found = checks(capsys)
    assert {name: ok for name, (ok, _) in found.items()} == dict.fromkeys(
        ("aws identity", "aws bucket", "aws expiry", "aws role", "aws function", "aws versions"),
        True,
    )
    python = f"Python {sys.version_info[0]}.{sys.version_info[1]} here and in the workers"
    assert found["aws versions"][1].startswith(python)
    assert contents(account) == there
    assert "example" not in str(found)


def test_doctor_says_what_is_missing(account, no_archives, capsys):
    (function,) = account.emulator.functions
    account.emulator.delete(function)
    iam = boto3.client("iam")
    for policy in iam.list_role_policies(RoleName="fieldwren-worker")["PolicyNames"]:
        iam.delete_role_policy(RoleName="fieldwren-worker", PolicyName=policy)
    iam.delete_role(RoleName="fieldwren-worker")
    found = checks(capsys)
    assert found["aws role"] == (
        False,
        "there is no role fieldwren-worker: run `fieldwren setup`",
    )
    assert found["aws function"][0] is False
    assert found["aws bucket"][0] is True


def test_doctor_looks_at_the_account_only_where_it_is_used(aws, no_archives, capsys):
    assert checks(capsys) == {}
    assert checks(capsys, "--cloud")["aws bucket"] == (
        False,
        "no bucket is named in [lambda]: run `fieldwren setup`",
    )


def test_doctor_says_what_is_wrong_with_the_settings(no_archives, tmp_path, capsys):
    (tmp_path / "fieldwren.toml").write_text("[lambda]\nmemroy = 1\n")
    assert checks(capsys)["aws settings"][1].endswith("did you mean memory?")

"""Failures of AWS in words, reports of calls, prices."""

from __future__ import annotations

import base64
import json
import sys

import botocore.exceptions as boto
import pytest

from fieldwren.engine.aws_lambda.client import client, code_of, explained, explaining
from fieldwren.engine.aws_lambda.cost import Meter, call_dollars
from fieldwren.engine.aws_lambda.invoke import _failure, _refusal
from fieldwren.engine.aws_lambda.options import LambdaOptions
from fieldwren.engine.aws_lambda.report import Report, parse_report
from fieldwren.errors import CloudError, MissingExtraError


def refused(code, message="", *, operation="CreateFunction", status=400):
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return boto.ClientError(response, operation)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (boto.NoCredentialsError(), "no AWS credentials are found: run `aws configure`"),
        (boto.PartialCredentialsError(provider="env", cred_var="x"), "credentials are incomplete"),
        (boto.ProfileNotFound(profile="work"), "there is no such AWS profile"),
        (boto.NoRegionError(), "no AWS region is set: set region in"),
        (boto.EndpointConnectionError(endpoint_url="https://x"), "AWS does not answer there"),
        (boto.ReadTimeoutError(endpoint_url="https://x"), "AWS does not answer in time"),
        (boto.ConnectionClosedError(endpoint_url="https://x"), "the connection broke"),
        (boto.SSOTokenLoadError(error_msg="x"), "run `aws sso login`"),
        (refused("ExpiredToken"), "the AWS credentials have expired: sign in again"),
        (refused("InvalidClientTokenId"), "AWS does not know these credentials"),
        (refused("SignatureDoesNotMatch"), "the clock of this machine may be wrong"),
        (refused("NoSuchBucket"), "there is no such bucket: run `fieldwren setup`"),
        (refused("BucketAlreadyExists"), "the name is taken by another account"),
        (refused("PermanentRedirect"), "the bucket is in another region"),
        (refused("301"), "the bucket is in another region"),
        (refused("TooManyRequestsException"), "asked too often at the moment"),
        (refused("ServiceException", status=500), "a failure of its own"),
    ],
)
def test_failures_are_said_in_one_sentence_with_what_to_do(error, words):
    said = str(explained(error, "make the function f"))
    assert said.startswith("cannot make the function f: ")
    assert words in said
    assert "\n" not in said


def test_a_missing_permission_names_the_action():
    message = (
        "User: arn:aws:iam::123456789012:user/a is not authorized to perform: "
        "lambda:CreateFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:f"
    )
    said = str(explained(refused("AccessDeniedException", message), "make the function f"))
    assert "do not allow lambda:CreateFunction; ask your administrator" in said
    said = str(explained(refused("AccessDenied", operation="PutObject"), "upload"))
    assert "do not allow the operation PutObject" in said


def test_what_is_not_known_is_told_without_keys():
    message = (
        "key AKIAABCDEFGHIJKLMNOP with wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY and"
        " https://x?X-Amz-Signature=abc123\nis odd"
    )
    said = str(explained(refused("Odd", message), "do it"))
    assert "is odd" in said
    for secret in ("AKIAABCDEFGHIJKLMNOP", "wJalrXUtn", "abc123", "\n"):
        assert secret not in said


def test_explaining_turns_failures_of_aws_and_no_others():
    with (
        pytest.raises(CloudError, match="cannot do it: there is no such bucket"),
        explaining("do it"),
    ):
        raise refused("NoSuchBucket")
    with pytest.raises(ZeroDivisionError), explaining("do it"):
        _ = 1 / 0


def test_the_code_of_other_errors_is_empty():
    assert code_of(refused("NoSuchBucket")) == "NoSuchBucket"
    assert code_of(ValueError("x")) == ""


def test_without_boto3_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r'pip install "fieldwren\[aws\]"'):
        client("s3", LambdaOptions())


def test_a_profile_that_is_not_there_is_named(aws):
    with pytest.raises(CloudError, match="there is no such AWS profile"):
        client("s3", LambdaOptions(profile="absent"))


REPORT = (
    "START RequestId: 1-a Version: $LATEST\nhello\nEND RequestId: 1-a\n"
    "REPORT RequestId: 8f5e-1\tDuration: 1532.10 ms\tBilled Duration: 1917 ms\t"
    "Memory Size: 2048 MB\tMax Memory Used: 213 MB\tInit Duration: 384.51 ms\t\n"
)


def test_the_report_line_is_read():
    report = parse_report(base64.b64encode(REPORT.encode()).decode())
    assert report == Report(
        request_id="8f5e-1", billed_ms=1917, memory_mb=2048, used_mb=213, init_ms=384.51
    )
    assert report.gb_seconds == pytest.approx(3.834)


@pytest.mark.parametrize("log", ["", "!", base64.b64encode(b"no report").decode()])
def test_a_log_without_a_report_gives_none(log):
    assert parse_report(log) is None


def test_calls_cost_what_the_price_list_says():
    a_million = call_dollars(calls=1_000_000, seconds=1_000_000, memory=1024, architecture="x86_64")
    assert a_million == pytest.approx(0.20 + 16.6667)
    meter = Meter("arm64")
    with meter.invocation(2048) as invocation:
        invocation.report = parse_report(base64.b64encode(REPORT.encode()).decode())
    facts = meter.facts()
    assert facts["dollars"] == pytest.approx(0.2e-6 + 3.834 * 0.0000133334, abs=1e-6)
    assert facts["cold_starts"] == 1
    assert (facts["unreported"], facts["at_least"]) == (0, False)


def test_what_aws_does_not_report_costs_at_least_the_time_it_was_waited_for(monkeypatch):
    clock = iter([0, 10, 20, 25, 30])
    monkeypatch.setattr("fieldwren.engine.aws_lambda.cost.time.monotonic", lambda: next(clock))
    meter = Meter("arm64")
    with meter.invocation(2048) as cut:  # from 0 to 10
        cut.lost = True
    with meter.invocation(1024):  # from 20, and at 25 it still runs
        facts = meter.facts()
    assert (facts["invocations"], facts["unreported"], facts["at_least"]) == (0, 2, True)
    assert facts["gb_seconds"] == 2 * 10 + 1 * 5
    assert facts["dollars"] == pytest.approx(25 * 0.0000133334 + 2 * 0.2e-6, abs=1e-6)
    assert meter.facts()["unreported"] == 1  # the second was refused, and has not run


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused("TooManyRequestsException", status=429), "busy"),
        (refused("ServiceException", status=500), "busy"),
        (refused("SomethingNew", status=503), "busy"),
        (refused("ResourceConflictException", status=409), "busy"),
        (refused("ResourceNotFoundException", status=404), "gone"),
    ],
)
def test_refusals_that_pass_are_told_from_those_that_do_not(error, kind):
    assert _refusal(error, "f").kind == kind


def test_a_refusal_for_good_is_an_error():
    assert isinstance(_refusal(refused("AccessDeniedException", status=403), "f"), CloudError)


def full(used):
    return Report(request_id="1", billed_ms=1, memory_mb=512, used_mb=used, init_ms=0)


KILLED = "RequestId: 1 Error: Runtime exited with error: signal: killed"


@pytest.mark.parametrize(
    ("said", "report", "kind"),
    [
        ({"errorMessage": "2024-01-01T00:00:00Z 1-2 Task timed out after 3 seconds"}, None, "late"),
        ({"errorType": "Runtime.OutOfMemory", "errorMessage": "x"}, None, "memory"),
        ({"errorType": "Runtime.ExitError", "errorMessage": KILLED}, full(512), "memory"),
        ({"errorType": "Runtime.ExitError", "errorMessage": KILLED}, full(100), "died"),
        ({"errorType": "Runtime.ImportModuleError", "errorMessage": "numpy"}, None, "broken"),
        ({}, None, "died"),
    ],
)
def test_ends_without_an_answer_are_told_apart(said, report, kind):
    assert _failure(json.dumps(said).encode(), report, "1").kind == kind


def test_an_end_without_words_is_told_from_none_at_all():
    assert _failure(b"not json", None, "1").kind == "died"

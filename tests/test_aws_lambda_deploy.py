"""Deploying: once for the same content, shared, patient with AWS; and what the emulator refuses."""

from __future__ import annotations

import base64
import io
import os
import threading
import time
import zipfile
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from fieldwren.engine.aws_lambda import deploy
from fieldwren.engine.aws_lambda.deploy import TAGS, ensure_function, role_arn
from fieldwren.errors import CloudError


@pytest.fixture
def fresh(aws, request):
    """Options whose function is not there yet."""
    start = "f" + str(abs(hash(request.node.name)))[:12]
    return replace(aws.options, function=start)


def packages(aws):
    found = aws.client("s3").list_objects_v2(Bucket=aws.bucket).get("Contents", [])
    return [k["Key"] for k in found]


def test_a_function_is_made_once_and_found_by_everybody_after(aws, fresh):
    name = ensure_function(fresh)
    assert ensure_function(fresh) == name
    assert aws.emulator.counts["creates"] == 1
    assert len(packages(aws)) == 1
    assert packages(aws)[0].startswith("fieldwren/packages/worker-")


def test_its_name_holds_what_runs_in_it(aws, fresh):
    small, large = ensure_function(fresh), ensure_function(replace(fresh, memory=1024))
    assert small.startswith(f"{fresh.function}-512-")
    assert large.startswith(f"{fresh.function}-1024-")
    assert ensure_function(replace(fresh, timeout=31)) not in {small, large}


def test_it_is_tagged_and_knows_no_secret(aws, fresh):
    name = ensure_function(fresh)
    found = aws.client("lambda").get_function(FunctionName=name)
    assert found["Tags"] == TAGS
    told = found["Configuration"]
    assert told["Environment"] == {}
    assert told["Role"] == "arn:aws:iam::123456789012:role/fieldwren-worker"
    assert told["MemorySize"] == 512
    assert told["Timeout"] == 30
    assert "AKIA" not in str(found)


def test_a_role_that_is_not_known_everywhere_yet_is_waited_for(aws, fresh, monkeypatch):
    monkeypatch.setattr(deploy.time, "sleep", lambda _: None)
    aws.emulator.role_failures = 3
    ensure_function(fresh)
    assert aws.emulator.role_failures == 0


def test_a_role_that_lambda_may_not_assume_is_named(aws, fresh, monkeypatch):
    monkeypatch.setattr(deploy.time, "sleep", lambda _: None)
    monkeypatch.setattr(deploy, "_PATIENCE", 0.0)
    monkeypatch.setattr(aws.emulator, "role_failures", 1000)
    with pytest.raises(CloudError, match="Lambda may not act as arn:aws:iam::1234"):
        ensure_function(fresh)


def test_a_role_that_is_not_there_is_named_at_once(aws, fresh, monkeypatch):
    monkeypatch.setattr(aws.emulator, "role_failures", 1000)
    start = time.monotonic()
    with pytest.raises(CloudError, match=r"there is no role arn:\S+/nobody; run `fieldwren setup`"):
        ensure_function(replace(fresh, role="nobody"))
    assert time.monotonic() - start < 30


def test_a_function_that_is_still_being_made_is_waited_for(aws, fresh, monkeypatch):
    monkeypatch.setattr(aws.emulator, "pending", 0.5)
    name = ensure_function(fresh)
    assert aws.client("lambda").get_function_configuration(FunctionName=name)["State"] == "Active"


def test_two_who_deploy_at_the_same_time_share_one_function(aws, fresh):
    names = []
    threads = [
        threading.Thread(target=lambda: names.append(ensure_function(fresh))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 4
    assert len(set(names)) == 1
    assert aws.emulator.counts["creates"] == 1


def test_without_a_bucket_the_package_travels_in_the_request(aws, fresh):
    ensure_function(replace(fresh, bucket=""))
    assert aws.emulator.counts["creates"] == 1
    assert packages(aws) == []


def test_a_bucket_that_is_not_there_is_named(aws, fresh):
    with pytest.raises(CloudError, match="upload the worker package to the bucket not-there-4711"):
        ensure_function(replace(fresh, bucket="not-there-4711"))


def test_the_role_is_found_in_the_callers_account(aws):
    assert role_arn(aws.options) == "arn:aws:iam::123456789012:role/fieldwren-worker"
    named = "arn:aws-cn:iam::210987654321:role/some/path/worker"
    assert role_arn(replace(aws.options, role=named)) == named


# The emulator refuses what AWS refuses


def zipped(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            package.writestr(f"{name}.py", content)
    return data.getvalue()


def create(aws, code, **settings):
    name = "quota-" + base64.b32encode(os.urandom(5)).decode().lower().rstrip("=")
    service = aws.client("lambda")
    service.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="main.handle",
        Role=role_arn(aws.options),
        Code={"ZipFile": code},
        Timeout=settings.pop("timeout", 5),
        **settings,
    )
    service.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return service, name


def test_quotas_of_sizes_are_those_of_aws(aws):
    with pytest.raises(ClientError, match="Unzipped size must be smaller"):
        create(aws, zipped(main=bytes(251 * 2**20)))
    service, name = create(aws, zipped(main="def handle(event, context): return 'x' * event['n']"))
    with pytest.raises(ClientError, match="RequestTooLarge"):
        service.invoke(FunctionName=name, Payload=b'"' + b"x" * (6 * 2**20) + b'"')
    answer = service.invoke(FunctionName=name, Payload=b'{"n": 7000000}')
    assert answer["FunctionError"] == "Unhandled"
    assert b"ResponseSizeTooLarge" in answer["Payload"].read()


def test_an_asynchronous_call_runs_and_gives_no_answer(aws, tmp_path):
    mark = tmp_path / "mark"
    source = f"def handle(event, context): open({str(mark)!r}, 'w').write(event)"
    service, name = create(aws, zipped(main=source))
    answer = service.invoke(FunctionName=name, Payload=b'"ran"', InvocationType="Event")
    assert answer["StatusCode"] == 202
    for _ in range(100):
        if mark.exists() and mark.read_text() == "ran":
            return
        threading.Event().wait(0.1)
    pytest.fail("the call did not run")


def test_functions_are_listed_tagged_updated_and_removed(aws):
    service, name = create(aws, zipped(main="def handle(e, c): return 1"), Tags={"a": "b"})
    arn = service.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    pages = service.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
    assert name in [f["FunctionName"] for page in pages for f in page["Functions"]]
    service.tag_resource(Resource=arn, Tags={"c": "d"})
    service.untag_resource(Resource=arn, TagKeys=["a"])
    assert service.list_tags(Resource=arn)["Tags"] == {"c": "d"}
    service.update_function_code(
        FunctionName=name, ZipFile=zipped(main="def handle(e, c): return 2")
    )
    service.update_function_configuration(FunctionName=name, MemorySize=256)
    assert service.invoke(FunctionName=name)["Payload"].read() == b"2"
    service.delete_function(FunctionName=name)
    with pytest.raises(ClientError, match="Function not found"):
        service.invoke(FunctionName=name)

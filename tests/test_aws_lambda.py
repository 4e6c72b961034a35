"""The Lambda engine against the emulator: the really deployed zip in processes of its own.

What all engines have in common is in test_engine.py; here is what is Lambda's own.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from concurrent.futures import wait
from dataclasses import replace

import numpy as np
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from fieldwren.engine import executor
from fieldwren.engine.aws_lambda.executor import LambdaExecutor
from fieldwren.engine.usage import Metered
from fieldwren.errors import CallTimeoutError, CloudError, EngineError, LostCallError, OptionError


@pytest.fixture
def engine(aws):
    with executor("lambda", **aws.engine) as made:
        yield made


def with_options(aws, **changed):
    return LambdaExecutor(replace(aws.options, **changed))


def keys(aws):
    """Keys in the bucket that are not packages."""
    found = aws.client("s3").list_objects_v2(Bucket=aws.bucket).get("Contents", [])
    return [k["Key"] for k in found if "/packages/" not in k["Key"]]


def test_map_keeps_the_order(engine):
    assert list(engine.map(pow, range(20), [2] * 20)) == [x * x for x in range(20)]


def test_a_chunk_travels_in_one_call(engine):
    assert list(engine.map(abs, range(-40, 0), chunksize=10)) == list(range(40, 0, -1))
    assert engine.usage()["calls"] == 4


def test_calls_run_in_a_process_of_lambdas_own_with_the_package(engine):
    def look():
        import deflate  # noqa: PLC0415
        import numpy as np  # noqa: PLC0415
        import obstore  # noqa: PLC0415

        return os.getpid(), [m.__file__ for m in (np, obstore, deflate)], "shapely" in sys.modules

    pid, files, heavy = engine.submit(look).result()
    assert pid != os.getpid()
    assert all("/code-" in f for f in files)
    assert not heavy


def test_what_is_installed_here_is_not_there(engine):
    def import_heavy():
        import shapely  # noqa: PLC0415

        return shapely

    with pytest.raises(ModuleNotFoundError, match="shapely"):
        engine.submit(import_heavy).result()


def test_calls_run_at_the_same_time_and_sandboxes_are_used_again(aws, engine):
    list(engine.map(time.sleep, [0.3] * 8))
    assert aws.emulator.counts["most_at_once"] == 4
    assert aws.emulator.counts["starts"] == 4


def test_large_arguments_and_results_travel_through_the_bucket_and_leave_nothing(aws):
    array = np.arange(7 * 2**20 // 8, dtype=np.float64)
    with executor("lambda", **aws.engine) as engine:
        back = engine.submit(np.negative, array).result()
    np.testing.assert_array_equal(back, -array)
    assert keys(aws) == []


def test_a_large_function_is_uploaded_once_for_a_map(aws):
    table = np.arange(5 * 2**20 // 8, dtype=np.float64)
    with executor("lambda", **aws.engine) as engine:
        futures = engine.map(lambda i: table[i], range(12))
        assert list(futures) == list(range(12))
        assert len(keys(aws)) == 1
    assert keys(aws) == []


def test_a_large_function_is_put_there_again_before_it_expires(aws, monkeypatch):
    monkeypatch.setattr("fieldwren.engine.aws_lambda.executor._FRESH", -1.0)
    table = np.arange(5 * 2**20 // 8, dtype=np.float64)
    with with_options(aws, workers=1) as engine:
        assert list(engine.map(lambda i: table[i], range(3))) == list(range(3))
        assert len(keys(aws)) == 3
    assert keys(aws) == []


def test_what_cannot_be_removed_from_the_bucket_costs_no_result(aws, monkeypatch, caplog):
    call = BaseClient._make_api_call

    def no_deletes(self, operation, parameters):
        if operation == "DeleteObject":
            answer = {"Error": {"Code": "AccessDenied", "Message": "no"}}
            raise ClientError(answer, operation)
        return call(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", no_deletes)
    with with_options(aws, workers=1) as engine:
        futures = [engine.submit(bytes.upper, bytes(5_000_000)) for _ in range(3)]
        assert wait(futures, timeout=60).not_done == set()
    assert [len(f.result()) for f in futures] == [5_000_000] * 3
    assert caplog.text.count(f"cannot clear up in the bucket {aws.bucket}") == 1


def test_without_a_bucket_small_calls_work_and_large_ones_say_what_is_missing(aws):
    with with_options(aws, bucket="") as engine:
        assert engine.submit(abs, -1).result() == 1
        with pytest.raises(EngineError, match="too large for AWS Lambda without a bucket"):
            engine.submit(len, bytes(5_000_000)).result()
        with pytest.raises(EngineError, match=r"an answer of more than 4\.4 MB needs a bucket"):
            engine.submit(bytes, 7_000_000).result()


def test_queued_calls_can_be_cancelled(aws):
    with with_options(aws, workers=1) as engine:
        first = engine.submit(time.sleep, 0.5)
        others = [engine.submit(time.sleep, 0) for _ in range(20)]
        while not first.running():
            time.sleep(0.01)
        cancelled = [f.cancel() for f in others]
        assert all(cancelled)
        assert not first.cancel()
        assert len(wait([first, *others], timeout=5).done) == 21
    assert aws.emulator.counts["calls"] == 1


def test_shutdown_can_cancel_what_is_queued(aws):
    engine = with_options(aws, workers=1)
    futures = [engine.submit(time.sleep, 0.2) for _ in range(10)]
    engine.shutdown(cancel_futures=True)
    assert wait(futures, timeout=1).not_done == set()
    assert sum(f.cancelled() for f in futures) >= 8
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine.submit(abs, 1)
    engine.shutdown(cancel_futures=True)
    lanes = [t for t in threading.enumerate() if t.name.startswith("fieldwren-lambda")]
    for lane in lanes:
        lane.join(5)
    assert not any(lane.is_alive() for lane in lanes)


def test_ctrl_c_stops_what_is_queued_and_says_what_runs(aws, caplog):
    futures = []

    def interrupted():
        with with_options(aws, workers=2) as engine:
            futures.extend(engine.submit(time.sleep, 3) for _ in range(10))
            while sum(f.running() for f in futures) < 2:
                time.sleep(0.01)
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < 5 * 3, "those queued are not waited for"
    assert "2 calls still run" in caplog.text
    assert sum(f.cancelled() for f in futures) == 8
    wait(futures, timeout=10)


def test_a_machine_with_few_threads_makes_do_with_them(aws, monkeypatch, caplog):
    start = threading.Thread.start

    def two_only(self):
        if self.name in {f"fieldwren-lambda-{n}" for n in range(3, 10)}:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", two_only)
    with with_options(aws, workers=6) as engine:
        assert list(engine.map(abs, range(-12, 0))) == list(range(12, 0, -1))
    assert caplog.text.count("no more threads: 2 calls at a time") == 1


def test_usage_counts_and_costs(engine):
    assert isinstance(engine, Metered)
    list(engine.map(time.sleep, [0.2] * 4))
    usage = engine.usage()
    assert usage["engine"] == "lambda"
    assert usage["calls"] == usage["invocations"] == 4
    assert 1 <= usage["cold_starts"] <= 4
    assert usage["billed_seconds"] >= 0.8
    assert usage["gb_seconds"] == pytest.approx(usage["billed_seconds"] / 2, rel=0.01)
    assert usage["dollars"] == pytest.approx(
        usage["gb_seconds"] * 0.0000166667 + 4 * 0.2e-6, rel=0.3, abs=1e-6
    )
    assert len({r.request_id for r in engine.reports}) == 4


# Trouble


def test_refusals_and_failures_of_aws_are_overcome(aws, engine):
    aws.emulator.script.extend(["throttle"] * 3 + ["failure"] * 2 + ["drop", "drop_answer"])
    assert engine.submit(abs, -5).result() == 5
    usage = engine.usage()
    assert usage["throttles"] == 5
    assert usage["retries"] == 2
    assert usage["unreported"] == 2
    assert usage["at_least"]


def test_refusals_and_lost_connections_are_no_retries_of_a_call(aws):
    faults = ["throttle"] * 4 + ["failure", "drop_answer", "drop"] * 2
    aws.emulator.script.extend(faults)
    with with_options(aws, retries=0) as engine:
        assert engine.submit(abs, -5).result() == 5
    assert aws.emulator.counts["requests"] == len(faults) + 1


def test_a_service_that_refuses_for_long_is_named_in_the_log_once(aws, engine, monkeypatch, caplog):
    monkeypatch.setattr("fieldwren.engine.aws_lambda.invoke._SILENCE", 0.0)
    aws.emulator.script.extend(["throttle"] * 6)
    assert list(engine.map(abs, [-1, -2])) == [1, 2]
    assert caplog.text.count("asked too often at the moment") == 1


def test_a_crashed_sandbox_costs_a_retry_not_the_call(aws, engine):
    aws.emulator.script.extend(["crash", "timeout"])
    assert engine.submit(abs, -5).result() == 5
    assert engine.usage()["retries"] == 2


def test_a_call_whose_worker_always_dies_is_lost_with_its_request_id(engine):
    with pytest.raises(LostCallError, match=r"_exit was tried 5 times .*exit status 9 \(request "):
        engine.submit(os._exit, 9).result()
    assert engine.submit(abs, -1).result() == 1


def test_a_call_that_takes_too_long_says_so(aws):
    with (
        with_options(aws, timeout=1, retries=0) as engine,
        pytest.raises(CallTimeoutError, match=r"sleep took longer than 1 s: .*\(request "),
    ):
        engine.submit(time.sleep, 20).result()


def test_out_of_memory_is_tried_again_with_twice_the_memory(aws):
    def hold(megabytes):
        data = bytearray(megabytes * 2**20)
        time.sleep(0.3)
        return len(data)

    with with_options(aws, memory=128, workers=1) as engine:
        assert engine.submit(hold, 200).result() == 200 * 2**20
    memories = sorted(f.settings["MemorySize"] for f in aws.emulator.functions.values())
    assert {128, 256} <= set(memories)


def test_a_memory_error_is_tried_again_with_twice_the_memory_like_a_killed_sandbox(aws):
    def fits():
        memory = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
        return bytearray(10**16 if memory < 512 else 10), memory

    with with_options(aws, memory=128) as engine:
        assert engine.submit(fits).result() == (bytearray(10), 512)
        assert engine.usage()["retries"] == 2


def test_a_memory_error_stays_one_where_the_greatest_size_is_too_small(aws, monkeypatch, caplog):
    monkeypatch.setattr("fieldwren.engine.aws_lambda.invoke._MOST_MEMORY", 256)
    with with_options(aws, memory=128) as engine:
        with pytest.raises(MemoryError, match=r"Unable to allocate 1\.00 PiB") as caught:
            engine.submit(np.empty, 2**50, np.int8).result()
        assert engine.usage()["invocations"] == 2
    assert "Unable to allocate" in str(caught.value.__cause__)
    assert "the call of empty needs more than 256 MiB of memory" in caplog.text


@pytest.mark.parametrize("wait_for", ["results", "shutdown"])
def test_a_straggler_is_called_twice_and_the_first_answer_counts(
    aws, tmp_path, monkeypatch, wait_for
):
    monkeypatch.setattr("fieldwren.engine.aws_lambda.executor._STRAGGLES", (3.0, 0.5))
    marker = tmp_path / "first"

    def slow_the_first_time(item):
        if item == 11 and not marker.exists():
            marker.touch()
            time.sleep(15)
        return item

    with with_options(aws, workers=3) as engine:
        start = time.monotonic()
        futures = [engine.submit(slow_the_first_time, i) for i in range(12)]
        if wait_for == "results":
            wait(futures)
    assert time.monotonic() - start < 10
    assert [f.result() for f in futures] == list(range(12))
    usage = engine.usage()
    assert usage["duplicates"] == 1
    assert usage["unreported"] == 1  # it still runs, and is billed
    assert usage["at_least"]


def test_a_call_that_waits_for_its_turn_is_no_straggler(aws, monkeypatch):
    monkeypatch.setattr("fieldwren.engine.aws_lambda.executor._STRAGGLES", (3.0, 1.0))
    monkeypatch.setattr(aws.emulator, "concurrency", 2)
    with with_options(aws, workers=20) as engine:
        assert list(engine.map(abs, range(12))) == list(range(12))  # what a call takes
        engine.map(time.sleep, [0.4] * 20)
    assert engine.usage()["throttles"] > 0
    assert engine.usage()["duplicates"] == 0


def test_a_call_that_was_overtaken_is_not_tried_again(aws, tmp_path, monkeypatch):
    monkeypatch.setattr("fieldwren.engine.aws_lambda.executor._STRAGGLES", (3.0, 0.5))
    marker, ran = tmp_path / "first", tmp_path / "ran"

    def slow_the_first_time(item):
        if item < 11:
            return item
        with ran.open("a") as log:
            log.write("x")
        if not marker.exists():
            marker.touch()
            time.sleep(4)
            os._exit(1)
        return item

    engine = with_options(aws, workers=3)
    assert list(engine.map(slow_the_first_time, range(12))) == list(range(12))
    while aws.emulator._running:
        time.sleep(0.05)
    time.sleep(1.5)  # more than the pause before another try
    engine.shutdown()
    assert ran.read_text() == "xx"
    assert engine.usage()["retries"] == 0


def test_a_function_removed_by_somebody_else_is_made_again(aws, engine):
    assert engine.submit(abs, -1).result() == 1
    for name in list(aws.emulator.functions):
        aws.emulator.delete(name)
    assert engine.submit(abs, -2).result() == 2


def test_the_accounts_limit_bounds_the_calls_in_flight(aws, monkeypatch):
    monkeypatch.setattr(aws.emulator, "concurrency", 3)
    with with_options(aws, workers=0) as engine:
        assert engine.capacity.calls == 3
        list(engine.map(time.sleep, [0.1] * 9))
    assert aws.emulator.counts["over_limit"] == 0


def test_more_calls_than_the_account_allows_wait_their_turn(aws, monkeypatch):
    monkeypatch.setattr(aws.emulator, "concurrency", 2)
    with with_options(aws, workers=6) as engine:
        assert list(engine.map(abs, range(-12, 0))) == list(range(12, 0, -1))
    assert aws.emulator.counts["most_at_once"] <= 2


def test_a_long_queue_is_no_failure_while_other_calls_are_answered(aws, monkeypatch):
    monkeypatch.setattr("fieldwren.engine.aws_lambda.invoke._PATIENCE", 1.0)
    monkeypatch.setattr(aws.emulator, "concurrency", 1)
    with with_options(aws, workers=6) as engine:
        began = time.monotonic()
        assert list(engine.map(time.sleep, [0.3] * 12)) == [None] * 12
    assert time.monotonic() - began > 3 * 1.0


def test_a_service_that_is_not_there_is_named_in_one_sentence(aws, engine, monkeypatch):
    monkeypatch.setattr("fieldwren.engine.aws_lambda.invoke._PATIENCE", 0.5)
    aws.emulator.inject(drop=1.0)
    with pytest.raises(CloudError, match="cannot call abs: the connection broke"):
        engine.submit(abs, 1).result()


def test_a_log_level_that_is_none_is_refused_before_any_call(aws, monkeypatch):
    monkeypatch.setenv("FIELDWREN_LOGLEVEL", "loud")
    with pytest.raises(OptionError, match="FIELDWREN_LOGLEVEL must be one of DEBUG"):
        executor("lambda", **aws.engine)


def test_an_unknown_option_is_refused(aws):
    with pytest.raises(OptionError, match=r"unknown option 'memori' .* did you mean memory"):
        executor("lambda", **aws.engine, memori=3)


def test_calls_may_be_submitted_from_many_threads(engine):
    results = {}

    def submit(k):
        results[k] = engine.submit(abs, -k).result()

    threads = [threading.Thread(target=submit, args=(k,)) for k in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {k: k for k in range(20)}


def test_no_credentials_travel_with_a_call(aws, engine):
    def secrets():
        with contextlib.suppress(OSError):
            return dict(os.environ)

    there = engine.submit(secrets).result()
    assert os.environ["AWS_ACCESS_KEY_ID"] not in there.values()
    assert there["AWS_ACCESS_KEY_ID"] == "ASIAROLE"
    configured = next(iter(aws.emulator.functions.values())).settings["Environment"]
    assert configured == {}

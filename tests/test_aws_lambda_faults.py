"""Faults in every fifth call and default options: nothing is lost, nothing comes twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from fieldwren.engine.aws_lambda.executor import LambdaExecutor
from fieldwren.engine.stream import stream


def test_under_bursts_crashes_and_time_outs_every_call_gives_its_answer_once(aws):
    emulator = aws.emulator
    with LambdaExecutor(replace(aws.options, workers=8)) as engine:
        list(engine.map(abs, range(8)))
        emulator.inject(
            throttle=0.05, failure=0.05, crash=0.05, timeout=0.05, drop=0.02, drop_answer=0.02
        )
        found = Counter()
        for item, future in stream(engine, lambda x: (x, x * x), range(240), ahead=24):
            assert future.result() == (item, item**2)
            found[item] += 1
        usage = engine.usage()
    assert found == Counter(range(240))
    assert usage["calls"] == 248
    for fault in ("throttle", "failure", "crash", "timeout", "drop", "drop_answer"):
        assert emulator.counts[fault] > 0
    refused = emulator.counts["throttle"] + emulator.counts["failure"]
    ended = sum(emulator.counts[f] for f in ("crash", "timeout", "drop", "drop_answer"))
    # A straggler that was overtaken is not tried again after its last fault.
    assert refused - usage["duplicates"] <= usage["throttles"] <= refused
    assert usage["throttles"] + usage["retries"] >= refused + ended - usage["duplicates"]

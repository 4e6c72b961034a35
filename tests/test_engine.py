"""Engines: any function over any items, in the vocabulary of concurrent.futures."""

from __future__ import annotations

import threading
import time

import pytest

from fieldwren.engine import ENGINES, executor
from fieldwren.engine.stream import stream
from fieldwren.errors import OptionError


@pytest.fixture(params=sorted(set(ENGINES) - {"lambda"}))  # see test_aws_lambda.py
def engine(request):
    with executor(request.param, workers=2) as made:
        yield made


def test_map_keeps_the_order(engine):
    assert list(engine.map(lambda x: x * x, range(50))) == [x * x for x in range(50)]


def test_an_exception_keeps_its_type(engine):
    with pytest.raises(ZeroDivisionError):
        engine.submit(lambda: 1 / 0).result()


def test_an_empty_map_is_empty(engine):
    assert list(engine.map(str, [])) == []


def test_stream_yields_every_item_once_with_its_result(engine):
    found = {item: future.result() for item, future in stream(engine, str, range(100), ahead=7)}
    assert found == {x: str(x) for x in range(100)}


def test_stream_runs_a_bounded_number_ahead(engine):
    started = []

    def note(x):
        started.append(x)
        return x

    for _seen, _pair in enumerate(stream(engine, note, range(40), ahead=4), start=1):
        assert len(started) <= _seen + 4


def test_stopping_a_stream_cancels_what_is_queued(engine):
    running, ran = threading.Event(), []

    def slow(x):
        running.set()
        time.sleep(0.05)
        ran.append(x)

    for _ in stream(engine, slow, range(100), ahead=50):
        break
    engine.shutdown()
    assert len(ran) < 10


def test_an_unknown_engine_is_refused():
    with pytest.raises(OptionError, match="unknown engine 'warp'"):
        executor("warp")

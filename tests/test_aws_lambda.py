"""The Lambda engine against the emulator: the really deployed zip in processes of its own."""

from __future__ import annotations

import pytest

from fieldwren.engine import executor


@pytest.fixture
def engine(aws):
    with executor("lambda", **aws.engine) as made:
        yield made


def test_map_keeps_the_order(engine):
    assert list(engine.map(pow, range(20), [2] * 20)) == [x * x for x in range(20)]

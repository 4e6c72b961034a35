"""Where tasks run, and what a worker there may use."""

from __future__ import annotations

from fieldwren.config import resolve
from fieldwren.engine.base import Capacity
from fieldwren.site import read_options


def test_a_file_that_hangs_is_given_up_before_its_call_is_ended():
    settings = resolve(timeout=30, deadline=120)
    short = Capacity(calls=8, per_machine=1, here=False, seconds=30)
    options = read_options(settings, short)
    assert options.deadline == options.timeout == 10
    endless = Capacity(calls=8, per_machine=1, here=False)
    assert read_options(settings, endless).deadline == 120

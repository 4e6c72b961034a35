"""The bars on the terminal: full after the work, where they were after a failure."""

from __future__ import annotations

import pytest

from fieldwren.progress import Event
from fieldwren.screen import Screen


def test_bars_are_full_after_the_work(capsys):
    with Screen() as screen:
        screen(Event(phase="reading", done=24, total=400))
    assert "400/400" in capsys.readouterr().err


def test_a_failure_leaves_the_bar_where_it_was(capsys):
    def interrupted() -> None:
        with Screen() as screen:
            screen(Event(phase="reading", done=24, total=400))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    shown = capsys.readouterr().err
    assert "24/400" in shown
    assert "400/400" not in shown

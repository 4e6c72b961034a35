"""The ledger: whole segments or none, later rows win, other recipes are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from fieldwren.errors import LedgerError
from fieldwren.ledger import Ledger, words_and_codes
from fieldwren.model import Done, Failed, Timing

PLACES = ["p1", "p2"]


def done(scene, values, status="ok"):
    return Done(
        scene_key=scene,
        statuses=(status,) * len(values),
        reasons=(None,) * len(values),
        columns={"ndvi": np.array(values, float)},
        timing=Timing(),
    )


def failed(scene):
    return Failed(scene_key=scene, status="read_error", reason="gone", timing=Timing())


def ledger(folder, recipe="r"):
    return Ledger(folder, recipe, ["ndvi"])


def test_what_was_written_is_there_again(tmp_path):
    with ledger(tmp_path) as first:
        first.append([done("s1", [0.1, np.nan])], PLACES)
    with ledger(tmp_path) as second:
        table = second.table()
        assert table["ndvi"].to_pylist() == [0.1, None]
        assert second.done() == {"s1": {"p1", "p2"}}


def test_failed_rows_are_not_done(tmp_path):
    with ledger(tmp_path) as first:
        first.append([failed("s1"), done("s2", [0.1, 0.2])], PLACES)
        assert first.done() == {"s2": {"p1", "p2"}}


def test_a_recipe_does_not_see_the_rows_of_another(tmp_path):
    with ledger(tmp_path) as first:
        first.append([done("s1", [0.1, 0.2])], PLACES)
    with ledger(tmp_path, "other") as second:
        assert second.done() == {}


def test_without_a_folder_it_keeps_rows_in_memory():
    with ledger(None) as memory:
        memory.append([done("s1", [0.1, 0.2])], PLACES)
        words, codes = words_and_codes(memory.table(), "place_key")
        assert [words[c] for c in codes] == PLACES


def test_an_empty_ledger_has_its_columns(tmp_path):
    with ledger(tmp_path) as empty:
        assert "ndvi" in empty.table().column_names
        assert empty.done() == {}


def test_a_half_written_segment_is_not_seen(tmp_path):
    with ledger(tmp_path) as first:
        first.append([done("s1", [0.1, 0.2])], PLACES)
    (tmp_path / "r" / "000007.partial").write_bytes(b"ARROW1")
    with ledger(tmp_path) as second:
        assert second.table().num_rows == 2


def test_a_damaged_segment_is_named(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "000001.arrow").write_bytes(b"not arrow")
    with pytest.raises(LedgerError, match=r"000001.arrow is damaged.*delete it"), ledger(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be written"), ledger(tmp_path / "file"):
        pass

"""One acquisition counts once, whatever the order of the rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fieldwren.acquisitions import best_of_acquisition

START = np.datetime64("2018-01-01T10:00:00", "ms")
STATUSES = ["ok", "low_coverage", "cloud", "fill", "read_error", "duplicate"]

ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["landsat-8", "landsat-9"]),
        st.integers(0, 3).map(lambda day: day * 86_400) | st.integers(0, 60),
        st.sampled_from(STATUSES),
        st.integers(0, 9),
    ),
    max_size=30,
)


def best(rows):
    return best_of_acquisition(
        place=np.array([r[0] for r in rows], np.int64),
        platform=[r[1] for r in rows],
        moment=START + np.array([r[2] for r in rows], "timedelta64[s]"),
        status=np.array([r[3] for r in rows], dtype=object),
        n_clear=np.array([r[4] for r in rows], float),
    )


def test_the_ok_row_wins_then_the_one_with_most_clear_pixels_then_the_first():
    rows = [
        (0, "landsat-8", 0, "cloud", 0),
        (0, "landsat-8", 24, "ok", 5),
        (0, "landsat-8", 48, "ok", 9),
        (0, "landsat-8", 60, "ok", 9),
    ]
    assert best(rows).tolist() == [2, 2, 2, 2]


def test_other_days_places_and_platforms_are_other_acquisitions():
    rows = [
        (0, "landsat-8", 0, "ok", 1),
        (0, "landsat-9", 0, "ok", 1),
        (1, "landsat-8", 0, "ok", 1),
        (0, "landsat-8", 86_400, "ok", 1),
    ]
    assert best(rows).tolist() == [0, 1, 2, 3]


def test_a_row_that_could_not_be_read_neither_wins_nor_is_hidden():
    rows = [(0, "landsat-8", 0, "read_error", 0), (0, "landsat-8", 24, "cloud", 0)]
    assert best(rows).tolist() == [0, 1]


@given(ROWS)
def test_of_every_acquisition_exactly_one_row_stays(rows):
    winners = best(rows)
    assert (winners[winners] == winners).all()
    for row, winner in enumerate(winners.tolist()):
        assert rows[row][:2] == rows[winner][:2]
        if winner != row:
            assert rows[winner][3] not in {"read_error", "duplicate"}


@given(ROWS, st.randoms(use_true_random=False))
def test_the_kinds_of_rows_that_stay_do_not_depend_on_their_order(rows, random):
    shuffled = random.sample(rows, len(rows))

    def staying(given):
        winners = best(given)
        return sorted(
            (place, satellite, status, clear)
            for k, (place, satellite, _, status, clear) in enumerate(given)
            if winners[k] == k
        )

    assert staying(rows) == staying(shuffled)

"""How long the season takes: curves, outliers, seasons, anomalies of many places of ten years.

    python bench/season.py [places]

Each place has 350 clear observations, 15 % of them lowered as by missed cloud. The solver of
whittaker-eilers is measured too where it is installed (pip install whittaker-eilers).
"""

from __future__ import annotations

import itertools
import os
import sys
import time

import numpy as np

from fieldwren.season.anomaly import dekad_means, find_anomalies
from fieldwren.season.methods import smooth_by
from fieldwren.season.outliers import find_drops
from fieldwren.season.phenology import find_seasons
from fieldwren.season.smooth import Series, smooth
from fieldwren.season.whittaker import fit, make_knots

YEARS, DATES = 10, 350


def observations(places: int) -> tuple[np.ndarray, ...]:
    """Days, values, weights and series."""
    rng = np.random.default_rng(0)
    n = int(YEARS * 365.25)
    days = np.sort(rng.permuted(np.tile(np.arange(n), (places, 1)), axis=1)[:, :DATES], axis=1)
    values = 0.5 + 0.25 * np.sin(2 * np.pi * days / 365.25) + rng.normal(0, 0.03, days.shape)
    values -= np.where(rng.random(days.shape) < 0.15, rng.uniform(0.1, 0.5, days.shape), 0)
    series = np.repeat(np.arange(places), DATES)
    return days.ravel(), values.ravel(), np.ones(days.size), series


def timed(function, *arguments, **options):
    start, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments, **options)
    return result, time.perf_counter() - start, time.process_time() - cpu


def line(name, places, seconds, cpu):
    print(f"| {name:<44} | {places:>7,} | {seconds:>8.2f} | {cpu:>8.2f} |")


def main() -> None:
    places = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    few = min(places, 100)
    made = observations(places)
    known = Series.of(*made)
    print(f"{places:,} places, {YEARS} years, {DATES} clear dates each, {os.cpu_count()} cores\n")
    print(f"| {'step':<44} | {'places':>7} | {'seconds':>8} | {'CPU s':>8} |")
    print(f"|{'-' * 46}|{'-' * 8}:|{'-' * 9}:|{'-' * 9}:|")
    curves, *cost = timed(smooth, known)
    line("whittaker: lambda chosen, band, gaps (default)", places, *cost)
    line("whittaker: lambda fixed, band, gaps", places, *timed(smooth, known, lam=1e3)[1:])
    line("outliers", places, *timed(find_drops, *made)[1:])
    means, *cost = timed(dekad_means, curves.series, curves.day, curves.smooth, places)
    line("dekads", places, *cost)
    line("anomalies", places, *timed(find_anomalies, means[1])[1:])
    starts = np.searchsorted(curves.series, np.arange(few + 1))
    half = (curves.high - curves.low) / 2

    def seasons():
        for a, b in itertools.pairwise(starts):
            find_seasons(curves.smooth[a:b], half[a:b])

    line("seasons", few, *timed(seasons)[1:])
    some = Series.of(*observations(few))
    for name in ("savgol", "harmonic", "workshop"):
        line(name, few, *timed(smooth_by, name, some)[1:])
    solvers(made)


def solvers(made):
    """One solution with a given lambda: ours for a block of series, theirs one by one."""
    days, values, weights, _ = (a[: DATES * 512] for a in made)
    k = len(days) // DATES
    knots = make_knots(days.reshape(k, DATES).T, values.reshape(k, DATES).T, np.full(k, DATES))
    w, lam = weights.reshape(k, DATES).T, np.full(k, 1e3)
    line("one solution, ours", k, *timed(fit, knots, w, lam)[1:])
    line("one solution and its inverse, ours", k, *timed(fit, knots, w, lam, inverse=True)[1:])
    try:
        from whittaker_eilers import WhittakerSmoother
    except ImportError:
        print("\nwhittaker-eilers is not installed")
        return

    def theirs(method, count):
        for i in range(count):
            part = slice(i * DATES, (i + 1) * DATES)
            n = days[part][-1] - days[part][0] + 1
            y, u = np.zeros((2, n))
            y[days[part] - days[part][0]], u[days[part] - days[part][0]] = values[part], 1
            one = WhittakerSmoother(lmbda=1e3, order=2, data_length=int(n), weights=u.tolist())
            getattr(one, method)(y.tolist())

    for name, count in (("smooth", k), ("smooth_and_cross_validate", 20)):
        line(f"whittaker-eilers: {name}", count, *timed(theirs, name, count)[1:])


if __name__ == "__main__":
    main()

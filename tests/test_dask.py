"""The Dask engine on real schedulers and workers: runs, deaths, versions, refusals."""

from __future__ import annotations

import json

import pandas as pd
import psutil
import pytest

import fieldwren as fw
from engines import DaskCluster, run_script_that_ends_nothing
from fake_archive import field, write_archive
from fieldwren import site
from fieldwren.cli import main
from fieldwren.engine.dask import mismatches
from fieldwren.errors import EngineError, OptionError

PLACES = [field("north"), field("south", row=40)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return str(write_archive(tmp_path_factory.mktemp("archive"), scenes=24))


@pytest.fixture(scope="module")
def here(archive):
    return fw.observe(PLACES, archive=archive).table


@pytest.fixture
def fragile(tmp_path):
    """For a test that kills a part of it."""
    running = DaskCluster(tmp_path)
    yield running
    running.close()


def test_a_run_whose_worker_is_killed_gives_the_identical_table(
    archive, here, fragile, monkeypatch
):
    monkeypatch.setenv("FIELDWREN_DASK_SCHEDULER", str(fragile.file))
    monkeypatch.setenv("FIELDWREN_DASK_MIN_WORKERS", "2")
    monkeypatch.setenv("FIELDWREN_DASK_PATIENCE", "200")
    killed = []

    def kill_one(event):
        if event.phase == "reading" and event.done and not killed:
            for child in psutil.Process(fragile.workers[0].pid).children(recursive=True):
                killed.append(child.pid)
                child.kill()

    there = fw.observe(PLACES, archive=archive, engine="dask", workers=4, progress=kill_one).table
    assert killed
    pd.testing.assert_frame_equal(there, here)


def test_the_command_writes_the_same_table_as_here(archive, dask_cluster, tmp_path, monkeypatch):
    (tmp_path / "fields.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": PLACES})
    )
    monkeypatch.setenv("FIELDWREN_DASK_SCHEDULER", str(dask_cluster.file))
    monkeypatch.setenv("FIELDWREN_DASK_PATIENCE", "200")
    tables = []
    for engine in ("local", "dask"):
        out = tmp_path / engine
        run = ["run", str(tmp_path / "fields.geojson"), "--archive", archive, "--out", str(out)]
        assert main([*run, "--engine", engine, "--plots", "none", "--chips", "0", "-q"]) == 0
        tables.append((out / "observations.csv").read_bytes())
    assert tables[0] == tables[1]
    assert tables[0].count(b"\n") == 1 + 2 * 24


def test_a_local_cluster_is_started_where_no_scheduler_is_named(archive, here):
    there = fw.observe(PLACES, archive=archive, engine="dask", workers=1)
    pd.testing.assert_frame_equal(there.table, here)


def test_a_local_cluster_ends_with_the_script_that_did_not_end_it(tmp_path):
    told = run_script_that_ends_nothing("dask", {"workers": 2}, tmp_path)
    assert told == (["7", "1"], "", [])


def test_large_common_data_are_sent_once(dask_cluster):
    with fw.executor(
        "dask", scheduler=str(dask_cluster.file), min_workers=2, patience=200
    ) as engine:
        sent = engine.shared(len.__class__)
        assert sent is len.__class__  # small: with each call
        table = list(range(100_000))
        look_up = engine.shared(lambda i: table[i])
        data, _ = engine.pack(look_up, (5,), {})
        assert len(data) < 200
        assert [engine.submit(look_up, i).result() for i in (5, 7)] == [5, 7]


def test_an_executor_of_ones_own_client_leaves_it_open(dask_cluster):
    import distributed  # noqa: PLC0415 - slow to import

    with distributed.Client(scheduler_file=str(dask_cluster.file), set_as_default=False) as client:
        with fw.executor("dask", scheduler=client) as engine:
            assert engine.submit(abs, -1).result() == 1
        assert client.status == "running"


def test_a_scheduler_that_goes_away_ends_the_run_and_what_is_done_is_kept(
    archive, here, fragile, monkeypatch, tmp_path
):
    monkeypatch.setenv("FIELDWREN_DASK_SCHEDULER", str(fragile.file))
    with fw.executor("dask", min_workers=2, patience=200):
        pass  # it is there, so that it need not be waited for
    monkeypatch.setenv("FIELDWREN_DASK_PATIENCE", "1")

    def kill_scheduler(event):
        if event.phase == "reading" and event.done:
            fragile.processes[0].kill()

    out = tmp_path / "out"
    with pytest.raises(EngineError, match=r"the Dask scheduler at tcp:.* is gone: start it"):
        fw.observe(
            PLACES, archive=archive, engine="dask", workers=1, out=out, progress=kill_scheduler
        )
    read = []
    found = fw.observe(PLACES, archive=archive, out=out, progress=read.append).table
    pd.testing.assert_frame_equal(found, here)
    assert 0 < next(e.total for e in read if e.phase == "reading" and e.total) < 24


def test_a_scheduler_that_is_not_there_is_told():
    with pytest.raises(EngineError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 "):
        fw.executor("dask", scheduler="tcp://127.0.0.1:9", patience=1)


@pytest.mark.parametrize(
    ("scheduler", "error", "words"),
    [
        ("/no/such.json", EngineError, "there is no Dask scheduler file /no/such.json after 1 s"),
        ("nowhere", EngineError, "no Dask scheduler answers at nowhere"),
        (5, OptionError, "dask scheduler must be an address, a cluster or a Client, not 5"),
    ],
)
def test_what_cannot_be_a_scheduler_is_told(scheduler, error, words):
    with pytest.raises(error, match=words):
        fw.executor("dask", scheduler=scheduler, patience=1)


def test_too_few_workers_are_told(dask_cluster):
    with pytest.raises(EngineError, match=r"has \d workers, not 5, after 2 s"):
        fw.executor("dask", scheduler=str(dask_cluster.file), min_workers=5, patience=2)


def test_certificates_must_be_there():
    with pytest.raises(OptionError, match=r"dask tls_ca_file: there is no file /no/ca.pem"):
        fw.executor("dask", scheduler="tls://127.0.0.1:9", tls_ca_file="/no/ca.pem")


HERE = {"python": "3.11.7.final.0", "dask": "2026.8.0", "numpy": "2.1.0", "fieldwren": "0.1.0"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"python": "3.11.2.final.0", "numpy": "2.4.1"}, []),
        ({"python": "3.12.1.final.0"}, ["python is 3.11.7.final.0 here and 3.12.1.final.0 on w"]),
        ({"numpy": "1.26.4"}, ["numpy is 2.1.0 here and 1.26.4 on w"]),
        ({"fieldwren": None}, ["fieldwren is not installed on w"]),
        ({"dask": "2025.1.0"}, ["dask is 2026.8.0 here and 2025.1.0 on w"]),
    ],
)
def test_versions_that_break_are_named(changed, words):
    assert mismatches(HERE, {"w": HERE | changed, "v": HERE}) == words


class Elsewhere:
    """An executor whose workers are far away."""

    class Answer:
        def __init__(self, answer):
            self.answer = answer

        def result(self):
            return self.answer

    def __init__(self, *, sees):
        self.sees = sees

    def submit(self, function, path):
        assert function(path)
        return self.Answer(self.sees)


def test_files_that_the_workers_do_not_see_are_refused(archive):
    tasks = fw.plan(PLACES, archive=archive).tasks
    site.check_files(Elsewhere(sees=True), tasks)
    with pytest.raises(OptionError, match=r"do not see the file /.*tif of this machine"):
        site.check_files(Elsewhere(sees=False), tasks)

"""Pictures of a run, from places to files, through the pipeline."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fake_archive import CLEAR, CLOUD, field, write_archive
from fake_results import HOSTILE
from fieldwren.cli import main
from fieldwren.errors import OptionError
from fieldwren.pipeline import observe
from fieldwren.present import plot_files
from fieldwren.present.chip_files import load_chips

HOSTILE_ID = "../../etc/<b>$x</b> & {{ 7*7 }}\n葡萄园"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(
        tmp_path_factory.mktemp("a"),
        scenes=4,
        qa=lambda k: CLOUD if k == 1 else CLEAR,
        visible=True,
    )


def places(*features):
    return {
        "type": "FeatureCollection",
        "features": list(features) or [field("a"), field("b", row=40)],
    }


def run(archive, out=None, what=None, **settings):
    return observe(what or places(), archive=str(archive), out=out, **settings)


def decoded(png):
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def test_a_run_makes_pictures_of_its_clear_dates_and_keeps_them(archive, tmp_path):
    results = run(archive, tmp_path)
    assert list(results.chips) == ["a", "b"]
    (picture,) = results.chips["a"]
    row = results.table.set_index(["place_id", "scene_id"]).loc["a", picture.scene_id]
    assert row["status"] == "ok"
    assert picture.date == row["datetime"].date()
    assert f"NDVI {row['ndvi']:.2f}" in picture.caption
    for png in (picture.index_png, picture.colour_png):
        assert decoded(png).shape == (180, 180, 3)
    table = pd.read_csv(tmp_path / "chips.csv")
    assert list(table) == ["place_id", "date", "scene_id", "files", "caption"]
    index_file, colour_file = table["files"][0].split()
    assert (tmp_path / index_file).read_bytes() == picture.index_png
    assert (tmp_path / colour_file).read_bytes() == picture.colour_png
    assert load_chips(tmp_path) == dict(results.chips)
    assert json.loads((tmp_path / "receipt.json").read_text())["chips"]["pictures"] == 2


def test_the_costs_are_in_the_receipt(archive):
    with_chips, without = run(archive), run(archive, chips=0)
    told = with_chips.receipt["chips"]
    assert told["requests"] > 0
    total = without.receipt["cost"]["requests"] + told["requests"]
    assert with_chips.receipt["cost"]["requests"] == total
    assert without.receipt["chips"]["pictures"] == 0
    assert without.chips == {}


def test_a_second_run_reads_no_pixels(archive, tmp_path):
    first, second = run(archive, tmp_path), run(archive, tmp_path)
    assert second.receipt["chips"]["reused"] == second.receipt["chips"]["pictures"] == 2
    assert second.receipt["cost"]["requests"] == 0
    assert dict(first.chips) == dict(second.chips)


@pytest.mark.parametrize(
    "change",
    [
        {"index": ["savi"]},
        {"mask": "none"},
        {"what": places(field("a", side=8), field("b", row=40))},
    ],
)
def test_what_would_show_something_else_is_made_anew(archive, tmp_path, change):
    first, second = run(archive, tmp_path), run(archive, tmp_path, **change)
    assert second.receipt["chips"]["reused"] == (1 if "what" in change else 0)
    assert [p.index_png for p in first.chips["a"]] != [p.index_png for p in second.chips["a"]]


def test_a_damaged_picture_is_made_anew(archive, tmp_path):
    first = run(archive, tmp_path)
    for path in (tmp_path / "chips").rglob("*.png"):
        path.write_bytes(b"damaged")
    second = run(archive, tmp_path)
    assert second.receipt["chips"]["reused"] == 0
    assert dict(first.chips) == dict(second.chips)


def test_only_so_many_places_get_pictures(archive):
    features = [field(f"f{k}", row=3 * k) for k in range(8)]
    assert list(run(archive, what=places(*features), chips=3).chips) == ["f0", "f1", "f2"]


def test_plots_are_written_as_asked_for(archive, tmp_path):
    for kind, endings in (("both", {".png", ".svg"}), ("svg", {".svg"}), ("none", set())):
        out = tmp_path / kind
        run(archive, out, places(field("a")), chips=0, plots=kind)
        assert {path.suffix for path in out.glob("plots/*")} == endings
        for path in out.glob("plots/*"):
            path.unlink()
        main(["season", str(out), "-q"])  # draws what the run did
        assert {path.suffix for path in out.glob("plots/*")} == endings
    with pytest.raises(OptionError, match="--plots bmp: choose one of png, svg, both, none"):
        run(archive, plots="bmp")


def test_many_plots_are_drawn_by_processes_and_are_the_same(archive, tmp_path, monkeypatch):
    features = [field(HOSTILE_ID), *(field(f"f{k}", row=3 * k) for k in range(4))]
    told = []
    for folder, few in (("here", 24), ("processes", 1)):
        monkeypatch.setattr(plot_files, "_FEW", few)
        monkeypatch.setattr(plot_files, "default_workers", lambda: 2)
        observe(
            places(*features), archive=str(archive), out=tmp_path / folder, progress=told.append
        )
    drawn = [
        {p.name: p.read_bytes() for p in tmp_path.glob(f"{f}/plots/*")}
        for f in ("here", "processes")
    ]
    assert len(drawn[0]) == 5
    assert drawn[0] == drawn[1]
    assert [e.done for e in told if e.phase == "plots" and e.total] == [0, 1, 2, 3, 4] * 2


def test_results_draw_what_their_analysis_notes(tmp_path):
    results = run(write_archive(tmp_path, scenes=1), what=places(field("a")), chips=0)
    (note,) = results.analysis.notes["a"]
    drawn = [text.get_text() for text in results.plot("a").texts]
    assert note in drawn
    assert "<iframe" in results.map()._repr_html_()


def test_hostile_names_stay_in_the_folder_and_are_found_again(archive, tmp_path):
    feature = field(HOSTILE_ID) | {"properties": {"name": HOSTILE}}
    out = tmp_path / "deep" / "out"
    results = run(archive, out, places(feature))
    (place,) = results.places
    assert len(results.chips[place.id]) == 1
    assert load_chips(out) == dict(results.chips)
    kept = {p.relative_to(out / "chips").parts[0] for p in (out / "chips").rglob("*.png")}
    assert len(kept) == 1
    assert not [p for p in tmp_path.rglob("*.png") if out not in p.parents]


def test_a_list_of_pictures_cannot_name_other_files(archive, tmp_path):
    run(archive, tmp_path / "out")
    secret = tmp_path / "secret.index.png"
    secret.write_bytes(b"secret")
    path = tmp_path / "out" / "chips.csv"
    table = pd.read_csv(path).assign(files="../secret.index.png", scene_id="../../../secret")
    table.to_csv(path, index=False)
    assert load_chips(tmp_path / "out") == {}


@pytest.mark.parametrize(
    "text", [None, "", "a,b\n1,2\n", "place_id,date,scene_id,caption\nx,y,z,\n"]
)
def test_without_a_usable_list_there_are_no_pictures(tmp_path, text):
    if text is not None:
        (tmp_path / "chips.csv").write_text(text)
    assert load_chips(tmp_path) == {}


def test_a_scene_that_is_gone_costs_its_pictures_and_is_told(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=1, visible=True)
    out, notes = tmp_path / "out", []
    run(archive, out, chips=0)
    for path in archive.parent.glob("*_nir08.tif"):
        path.unlink()
    results = observe(places(), archive=str(archive), out=out, progress=notes.append)
    assert (results.table["status"] == "ok").all(), "rows stand in the ledger"
    assert results.chips == {}
    problems = results.receipt["chips"]["problems"]
    assert results.receipt["chips"]["failed"] == len(problems) == 2
    assert all("nir08" in problem for problem in problems)
    assert any(e.warning and "2 of 2 chips could not be read" in e.note for e in notes)


def test_places_without_a_clear_date_have_none(tmp_path):
    archive = write_archive(tmp_path, scenes=2, qa=lambda _: CLOUD)
    results = run(archive)
    assert results.chips == {}
    assert results.receipt["chips"]["problems"] == []


def test_simulated_scenes_are_called_so(tmp_path):
    def simulate(_, item):
        item["properties"]["fieldwren:simulated"] = True

    archive = write_archive(tmp_path, scenes=1, visible=True, change=simulate)
    results = run(archive)
    assert results.chips["a"][0].caption.startswith("simulated: ")
    with Image.open(io.BytesIO(results.chips["a"][0].index_png)) as image:
        assert image.info["Description"].startswith("simulated: ")

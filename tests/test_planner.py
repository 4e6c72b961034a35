"""The planner: every pair once, tasks that fit, nothing done twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import shapely

from fieldwren.model import Asset, Place, Recipe, Scene
from fieldwren.pixels.indices import INDICES
from fieldwren.planner import make_plan, place_key, recipe_key, scene_key
from fieldwren.site import Site

NDVI = Recipe(indices=(INDICES["ndvi"],))


def place(number, lon=-122.3, lat=38.3):
    square = shapely.box(lon, lat, lon + 0.002, lat + 0.002)
    return Place(id=f"p{number}", name="", geometry=square)


def scene(day, *, tile="044033", crs="EPSG:32610", cloud=10.0, version="1", west=-123.0):
    assets = {b: Asset(key=b, href=f"/{b}.tif", band=b) for b in ("red", "nir", "qa", "blue")}
    return Scene(
        id=f"{tile}-{day}-{version}",
        collection="landsat-c2-l2",
        archive="a",
        platform="landsat-8",
        datetime=datetime(2018, 1, 1, 18, tzinfo=UTC) + timedelta(days=day),
        footprint=shapely.box(west, 38, west + 2, 39),
        assets=assets,
        cloud_cover=cloud,
        tile=tile,
        version=version,
        crs=crs,
        quality="qa_pixel",
    )


def test_every_pair_is_a_candidate_once():
    planned = make_plan([place(0), place(1, lon=10)], [scene(0), scene(16)], NDVI)
    pairs = list(zip(planned.place_at.tolist(), planned.scene_at.tolist(), strict=True))
    assert sorted(pairs) == [(0, 0), (0, 1)]


def test_tasks_hold_every_scene_once_and_only_the_bands_that_are_needed():
    scenes = [scene(16 * k) for k in range(50)]
    planned = make_plan([place(0)], scenes, NDVI, site=Site(workers=2))
    read = [s.id for task in planned.tasks for s in task.scenes]
    assert sorted(read) == sorted(s.id for s in scenes)
    assert len(planned.tasks) >= 4
    assert set(planned.tasks[0].scenes[0].assets) == {"red", "nir", "qa"}


def test_many_pixels_make_small_tasks():
    park = Place(id="park", name="", geometry=shapely.box(-122.9, 38.1, -121.5, 38.9))
    planned = make_plan([park], [scene(16 * k) for k in range(6)], NDVI)
    assert all(len(task.scenes) == 1 for task in planned.tasks)


def test_what_is_done_is_not_read_again():
    scenes, places = [scene(0), scene(16)], [place(0), place(1)]
    done = {scene_key(scenes[0]): {place_key(p) for p in places}}
    done[scene_key(scenes[1])] = {place_key(places[0])}
    planned = make_plan(places, scenes, NDVI, done=done)
    (task,) = planned.tasks
    assert [s.id for s in task.scenes] == [scenes[1].id]
    assert task.shapes.ids == ("p1",)
    assert len(planned.place_at) == 4


def test_verdicts_that_need_no_pixels_cost_nothing():
    scenes = [
        scene(0, cloud=90),
        scene(16, crs=None),
        scene(32, version="1"),
        scene(32, version="2"),
    ]
    planned = make_plan([place(0)], scenes, NDVI, max_cloud=80)
    said = {scenes[s].id: status for s, (status, _) in planned.verdicts.items()}
    assert said == {
        "044033-0-1": "cloudy_scene",
        "044033-16-1": "read_error",
        "044033-32-1": "duplicate",
    }
    assert planned.estimate.scenes == 1


def test_scenes_in_other_coordinate_systems_are_other_tasks():
    scenes = [scene(0), scene(0, tile="045033", crs="EPSG:32611")]
    planned = make_plan([place(0)], scenes, NDVI)
    assert len({task.shapes.key for task in planned.tasks}) == 2


def test_the_estimate_grows_with_scenes_and_bands_but_not_with_places_on_one_tile():
    scenes = [scene(16 * k) for k in range(10)]
    one = make_plan([place(0)], scenes, NDVI).estimate
    many = make_plan([place(k, lon=-122.3 + 1e-4 * k) for k in range(20)], scenes, NDVI).estimate
    more = make_plan([place(0)], scenes, Recipe(indices=(INDICES["evi"],))).estimate
    assert many.requests <= 2 * one.requests
    assert more.bytes == pytest.approx(one.bytes * 4 / 3)
    assert make_plan([place(0)], scenes[:5], NDVI).estimate.bytes == one.bytes // 2


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda: (place(0), place(0, lat=38.4)), place_key),
        (lambda: (scene(0), scene(0, version="2")), scene_key),
        (lambda: (NDVI, Recipe(indices=NDVI.indices, mask="none")), recipe_key),
    ],
)
def test_keys_differ_where_results_would(change, key):
    one, other = change()
    assert key(one) != key(other)
    assert key(one) == key(change()[0])


def test_no_scenes_make_an_empty_plan():
    planned = make_plan([place(0)], [], NDVI)
    assert planned.tasks == ()
    assert planned.estimate.bytes == 0

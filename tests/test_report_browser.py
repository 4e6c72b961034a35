"""The report in a real browser, without a network: what a reader sees and can do."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import shutil
import time
import zlib
from struct import pack
from types import SimpleNamespace

import numpy as np
import pytest

from fake_analysis import make_analysis, repeat
from fake_results import HOSTILE, RECEIPT, make_observations, make_places
from fieldwren.present.chip_picture import ChipPicture
from fieldwren.present.report import write_report
from outside import BROWSER

CHROMIUM = next((p for n in ("chromium", "chromium-browser") if (p := shutil.which(n))), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", *BROWSER),
]
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
MINUS = "\N{MINUS SIGN}"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no browser on this machine: install Debian's chromium"
)


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="install playwright (extra dev)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Opens a report without a network; at the end nothing was requested and nothing complained."""
    contexts, troubles = [], []

    def open_page(path, *, at="", **options):
        standard = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        context = browser.new_context(offline=True, **standard | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        own = path.as_uri()
        page.on(
            "request",
            lambda request: (
                None
                if request.url.split("#")[0] == own or request.url.startswith("data:")
                else troubles.append(request.url)
            ),
        )
        page.goto(own + at)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def png(seed):
    """A picture of four by four grey pixels."""
    rows = b"".join(b"\0" + bytes((seed * 37 + 16 * k) % 256 for k in range(4)) for _ in range(4))
    chunks = [
        (b"IHDR", pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    parts = [pack(">I", len(d)) + k + d + pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chip(month, *, colour=True):
    return ChipPicture(
        date=dt.date(2016, month, 3),
        scene_id=f"LC08_<b>{month}",
        caption="The clearest of the season.",
        index_png=png(month),
        colour_png=png(month + 3) if colour else None,
    )


@pytest.fixture(scope="session")
def places():
    crops = ("coffee", "vines", "none", "grapes")
    return [
        dataclasses.replace(place, properties={"crop": crop})
        for place, crop in zip(make_places(), crops, strict=True)
    ]


@pytest.fixture(scope="session")
def analysis(places):
    table = make_observations(places)
    late = table["datetime"] > table["datetime"].max() - np.timedelta64(90, "D")
    for place, shift in (("napa", -0.15), ("sula", 0.12)):
        table.loc[late & (table["place_id"] == place), "ndvi"] += shift
    blind = (table["place_id"] == "death-valley") & (table["status"] == "ok")
    table.loc[blind, ["status", "reason"]] = ["cloud", "nothing clear: cloud 100%"]
    table.loc[blind, "ndvi"] = np.nan
    return make_analysis(places, table)


@pytest.fixture(scope="session")
def four(places, analysis, tmp_path_factory):
    path = tmp_path_factory.mktemp("four") / "report.html"
    chips = {"napa": [chip(4), chip(9, colour=False)]}
    return write_report(
        path, places=places, analysis=analysis, index="ndvi", facts=RECEIPT, chips=chips
    )


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    few = make_places(21)[5:]
    copies, tables = repeat(few, make_analysis(few, make_observations(few, years=5, step=5)), 25)
    picture = dataclasses.replace(chip(5), index_png=b"i" * 12_000, colour_png=b"c" * 12_000)
    path = tmp_path_factory.mktemp("many") / "report.html"
    return write_report(
        path,
        places=copies,
        analysis=tables,
        index="ndvi",
        facts=RECEIPT,
        chips={place.id: [picture] * 8 for place in copies},
    )


def marked(frame, look):
    """Where a drawing has marks of a look, in its own units; all of a look are one path."""
    paths = frame.locator(f"path.{look}").evaluate_all("all => all.map(e => e.getAttribute('d'))")
    return [(float(x), float(y)) for x, y in re.findall(r"M([-\d.]+) ([-\d.]+)", "".join(paths))]


def point_at(page, frame, spot):
    """Move the mouse to a mark."""
    frame.scroll_into_view_if_needed()
    box, width = frame.bounding_box(), frame.locator("svg").evaluate("e => e.viewBox.baseVal.width")
    x, y = (v * box["width"] / width for v in spot)
    page.mouse.move(box["x"] + x, box["y"] + y)


def names(page):
    return page.locator("#table tbody tr:not([hidden]) th a").all_inner_texts()


def test_all_places_are_drawn_when_they_come_into_sight(visit, four):
    page = visit(four)
    assert page.locator(".place.open").count() == 4
    page.locator("#place-2").scroll_into_view_if_needed()
    page.wait_for_selector("#place-2 .frame svg path.curve")
    section = page.locator("#place-2")
    assert section.locator("path.band").count() >= 1
    assert section.locator("rect.season").count() >= 5
    assert section.locator(".frame path.usual").count() == 1
    calendar = section.locator(".frame").nth(1)
    assert len(marked(calendar, "seen")) > 50
    assert len(marked(calendar, "clear")) > 100
    heads = section.locator("h4").all_inner_texts()
    assert heads == ["Series", "Calendar of passes", "Pictures", "Seasons"]


def test_every_observation_is_drawn_with_the_shape_of_its_status(visit, four, analysis):
    page = visit(four, at="#place-4")
    page.wait_for_selector("#place-4 path.curve")
    rows = analysis.observations[analysis.observations["place_id"] == "sula"]
    drawn = page.locator("#place-4 .frame").first
    for status, look in (("ok", "clear"), ("low_coverage", "partly"), ("outlier", "outlier")):
        assert len(marked(drawn, look)) == (rows["status"] == status).sum()
    marks = drawn.locator("path.lane").evaluate_all("all => all.map(e => e.getAttribute('d'))")
    elsewhere = rows["status"].isin({"ok", "low_coverage", "outlier", "duplicate"}).sum()
    assert sum(d.count("v") for d in marks) == len(rows) - elsewhere


def test_pointing_at_an_observation_says_all_about_it(visit, four):
    page = visit(four, at="#place-4")
    page.wait_for_selector("#place-4 path.curve")
    frame = page.locator("#place-4 .frame").first
    point_at(page, frame, marked(frame, "clear")[40])
    said = page.locator("#tip").inner_text().splitlines()
    assert said[0].startswith("201")
    assert said[1].startswith("NDVI 0.")
    assert said[1].endswith(", clear")
    assert any(line.startswith("clear part of the place") for line in said)
    assert any(line.startswith("curve 0.") for line in said)
    assert said[-1].startswith("LC08_L2SP_147046_")
    page.mouse.move(2, 2)
    assert page.locator("#tip").is_hidden()


def test_a_rejected_pass_says_why(visit, four):
    page = visit(four, at="#place-3")
    frame = page.locator("#place-3 .frame").first
    frame.wait_for()
    frame.focus()
    page.keyboard.press("Home")
    assert "nothing clear: cloud 100%" in page.locator("#tip").inner_text()


def test_arrow_keys_read_the_observations_one_by_one(visit, four, analysis):
    page = visit(four, at="#place-4")
    page.wait_for_selector("#place-4 path.curve")
    page.locator("#place-4 .frame").first.focus()
    rows = analysis.observations
    rows = rows[(rows["place_id"] == "sula") & (rows["status"] != "duplicate")]
    dates = rows["datetime"].sort_values().dt.strftime("%Y-%m-%d").tolist()
    page.keyboard.press("ArrowRight")
    assert page.locator("#said").inner_text().startswith(dates[0])
    page.keyboard.press("ArrowRight")
    assert page.locator("#said").inner_text().startswith(dates[1])
    page.keyboard.press("End")
    assert page.locator("#tip").inner_text().startswith(dates[-1])
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()


def test_years_are_chosen_and_drawn_over_with_the_mouse(visit, four):
    page = visit(four, at="#place-4")
    page.wait_for_selector("#place-4 path.curve")
    frame = page.locator("#place-4 .frame").first
    everything = len(marked(frame, "clear"))
    page.locator("#place-4 select").select_option("2015")
    assert 20 < len(marked(frame, "clear")) < everything / 3
    page.locator("#place-4").get_by_role("button", name="Later year").click()
    assert page.locator("#place-4 select").input_value() == "2016"
    page.locator("#place-4 select").select_option("")
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 120, steps=4)
    page.mouse.up()
    assert 5 < len(marked(frame, "clear")) < everything / 2
    assert page.locator("#place-4 select").input_value() == "own"


def test_the_calendar_says_what_a_month_had(visit, four):
    page = visit(four, at="#place-2")
    calendar = page.locator("#place-2 .frame").nth(1)
    calendar.wait_for()
    calendar.focus()
    page.keyboard.press("Home")
    said = page.locator("#tip").inner_text()
    assert said.startswith("Jun 2013\n4 passes expected, 4 found, ")
    assert "06-03" in said


def test_tables_unfold_with_the_latest_first(visit, four):
    page = visit(four, at="#place-2")
    section = page.locator("#place-2")
    section.get_by_text("ten-day periods").click()
    dates = section.locator("details").first.locator("tbody td:first-child").all_inner_texts()
    assert dates == sorted(dates, reverse=True)
    assert len(dates) > 150
    section.get_by_text("observations").last.click()
    scenes = section.locator("details").nth(1).locator("tbody td.id").all_inner_texts()
    assert scenes[0].startswith("LC08_L2SP_044033_2018")


def test_pictures_of_a_place_are_shown_with_their_words(visit, four):
    page = visit(four, at="#place-2")
    images = page.locator("#place-2 figure img")
    images.first.scroll_into_view_if_needed()
    for k in range(3):
        assert images.nth(k).evaluate("i => i.decode().then(() => i.naturalWidth)") == 4
    assert images.evaluate_all("all => all.map(i => i.alt)") == [
        "NDVI on 2016-04-03",
        "True colour on 2016-04-03",
        "NDVI on 2016-09-03",
    ]
    assert "LC08_<b>9" in page.locator("#place-2 figure").last.inner_text()


def test_the_table_is_searched_in_names_ids_and_properties(visit, four):
    page = visit(four)
    page.fill("#search", "VALLEY")
    assert names(page) == ["Napa Valley", "Death Valley"]
    page.fill("#search", "crop: grapes")
    assert names(page) == ["Sula Vineyards"]
    assert page.locator("#count").inner_text() == "1 of 4"
    assert page.locator("#map a.off").count() == 3
    page.fill("#search", "")
    assert len(names(page)) == 4


def test_the_table_is_filtered_by_what_is_known(visit, four):
    page = visit(four)
    for key, expected in (
        ("below", ["Napa Valley"]),
        ("above", ["Sula Vineyards"]),
        ("blind", ["Death Valley"]),
        ("noted", ["Death Valley"]),
    ):
        page.select_option("#filter", key)
        assert names(page) == expected


def test_the_table_is_sorted_up_and_down_with_the_unknown_last(visit, four):
    page = visit(four)
    head = page.locator("#table thead button", has_text="Anomaly")
    head.click()
    assert names(page)[0] == "Napa Valley"
    assert names(page)[-1] == "Death Valley"
    head.press("Enter")
    assert names(page)[0] == "Sula Vineyards"
    assert names(page)[-1] == "Death Valley"
    assert page.locator("#table thead th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator("#table thead button", has_text="Place").click()
    assert names(page) == sorted(names(page))


def test_the_map_is_read_with_the_keyboard_and_opens_a_place(visit, four):
    page = visit(four)
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    said = page.locator("#tip").inner_text()
    assert said.startswith("Napa Valley\nNDVI 0.")
    assert f"anomaly {MINUS}" in said
    page.keyboard.press("Enter")
    page.wait_for_url("**/report.html#place-2")
    assert page.evaluate("document.activeElement.id") == "place-2-name"


def test_the_map_zooms_to_what_the_table_shows(visit, four):
    page = visit(four)
    page.fill("#search", "valley")
    page.get_by_role("button", name="Show all places that the table shows").click()
    width = page.locator("#map svg").evaluate("svg => svg.viewBox.baseVal.width")
    assert width < 120
    page.get_by_role("button", name="Zoom out").click()
    assert page.locator("#map svg").evaluate("svg => svg.viewBox.baseVal.width") == pytest.approx(
        2 * width
    )
    circle = page.locator("#map a:not(.off) circle").first.bounding_box()
    assert 10 < circle["width"] < 18


def test_everything_is_reached_with_the_tab_key_and_shows_its_focus(visit, four):
    page = visit(four)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(() => { const e = document.activeElement, s = getComputedStyle(e);"
                " return [e.id || e.textContent.trim().slice(0, 20) || e.className,"
                " s.outlineStyle !== 'none' || s.boxShadow !== 'none']; })()"
            )
        )
    labels = [label for label, _ in reached]
    assert labels[0] == "Skip to the table of"
    for wanted in ("map", "search", "filter", "Place", "Napa Valley", "open-all", "print"):
        assert wanted in labels
    assert all(seen for _, seen in reached)


def test_arrow_keys_go_through_the_table_and_enter_opens(visit, four):
    page = visit(four)
    page.locator("#table tbody a").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "Napa Valley"
    page.keyboard.press("Enter")
    page.wait_for_selector("#place-2 path.curve")


def test_a_place_without_clear_dates_says_so_and_still_shows_its_passes(visit, four):
    page = visit(four, at="#place-3")
    section = page.locator("#place-3")
    section.locator(".frame").first.wait_for()
    assert "No clear observation in" in section.locator(".notes").inner_text()
    assert section.locator("path.lane").count() > 0
    assert "No season: too few clear dates" in section.inner_text()
    assert section.locator("path.curve").count() == 0


def test_dark_mode_and_phone_look_as_they_should(visit, four):
    light = visit(four)
    dark = visit(four, color_scheme="dark")
    paint = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert min(light.evaluate(paint)) > 200
    assert max(dark.evaluate(paint)) < 60
    assert light.screenshot() != dark.screenshot()
    phone = visit(
        four,
        **PHONE,
        at="#place-2",
    )
    phone.wait_for_selector("#place-2 path.curve")
    assert phone.evaluate("document.documentElement.scrollWidth") == 360
    assert phone.locator("#table td.wide").first.is_hidden()
    labels = phone.locator("#place-2 .frame svg text").first
    assert labels.evaluate("e => e.getBoundingClientRect().height") > 9


def test_touch_reads_an_observation(visit, four):
    page = visit(
        four,
        **PHONE,
        at="#place-4",
    )
    page.wait_for_selector("#place-4 path.curve")
    page.locator("#place-4 .frame").first.tap(position={"x": 180, "y": 90})
    tip = page.locator("#tip")
    assert "LC08_L2SP_147046" in tip.inner_text()
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360


@pytest.mark.parametrize("options", [{}, PHONE])
def test_a_place_that_is_chosen_is_what_is_seen(visit, four, options):
    page = visit(four, reduced_motion="no-preference", **options)
    top = "document.querySelector('#place-4').getBoundingClientRect().top"
    page.locator("#table a[href='#place-4']").click()
    page.wait_for_selector("#place-3 .frame svg, #place-4 .frame svg")
    page.wait_for_timeout(300)  # places above it are drawn, and make the page longer
    assert 0 <= page.evaluate(top) < 50


def test_a_curve_without_a_band_has_none_in_the_legend(visit, places, analysis, tmp_path):
    bare = SimpleNamespace(**vars(analysis))
    bare.series = analysis.series.assign(low=np.nan, high=np.nan)
    path = write_report(tmp_path / "r.html", places=places, analysis=bare, index="ndvi")
    page = visit(path, at="#place-2")
    words = page.locator("#place-2 .key li").all_inner_texts()
    assert "curve" in words
    assert not any("band" in said for said in words)


def test_paper_gets_the_overview_and_every_open_place(visit, four, tmp_path):
    page = visit(four)
    assert page.locator("path.band").count() < 4
    pdf = page.pdf(format="A4", path=tmp_path / "report.pdf")
    assert pdf.startswith(b"%PDF")
    assert 5 <= pdf.count(b"/Type /Page\n") <= 14
    page.emulate_media(media="print")
    assert page.locator("#tools").is_hidden()
    assert page.locator("#table").is_visible()
    drawn = "[...document.querySelectorAll('.place .frame svg')].length"
    assert page.evaluate(drawn) == 8


def test_without_scripts_the_overview_is_read(visit, four):
    page = visit(four, java_script_enabled=False)
    assert page.locator("#tools").is_hidden()
    assert page.locator("noscript").is_visible()
    assert page.locator("#place-2 .figures").is_visible()
    assert "No clear observation in" in page.locator("#place-3").inner_text()
    assert page.locator("#map circle").count() == 4


def test_hostile_text_is_shown_and_never_run(visit, tmp_path):
    bad = [HOSTILE, "</script><script>alert(2)</script>", "\u202eمزرعة 🌾\u2028", "n" * 300]
    places = [
        dataclasses.replace(place, name=name, properties={"<i>": '"><img src=x onerror=alert(4)>'})
        for place, name in zip(make_places(), bad, strict=True)
    ]
    table = make_observations(places, years=4).assign(
        reason="</script><img src=x onerror=alert(1)>", scene_id='<svg onload="alert(3)">'
    )
    path = write_report(
        tmp_path / "r.html",
        places=places,
        analysis=make_analysis(places, table),
        index="ndvi",
        facts=RECEIPT,
        chips={"napa": [dataclasses.replace(chip(4), caption="<script>alert(5)</script>")]},
    )
    page = visit(path, at="#place-2", viewport={"width": 360, "height": 740})
    page.wait_for_selector("#place-2 path.curve")
    page.locator("#place-2").get_by_text("observations").last.click()
    page.locator("#place-2 .frame").first.focus()
    page.keyboard.press("Home")
    assert '<svg onload="alert(3)">' in page.locator("#tip").inner_text()
    assert "</script><img" in page.locator("#place-2 details").last.inner_text()
    assert page.locator("svg[onload], img[src=x], i").count() == page.locator(".ramp i").count()
    assert page.locator("#table tbody th").nth(1).inner_text() == bad[1]
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("values", [[], [0.4], [0.5] * 30, [3.0, -7.0, 40.0] * 10])
def test_odd_series_are_drawn(values, visit, tmp_path):
    places = make_places()[:1]
    table = make_observations(places, years=1).head(len(values))
    table = table.assign(status="ok", ndvi=values, reason=None)
    path = write_report(
        tmp_path / "r.html", places=places, analysis=make_analysis(places, table), index="ndvi"
    )
    page = visit(path, at="#place-1")
    page.wait_for_selector("#place-1 h4")
    frames = page.locator("#place-1 .frame")
    assert len(marked(frames, "clear")) == 2 * len(values)
    marks = page.locator("#place-1 svg *").evaluate_all("all => all.map(e => e.outerHTML).join()")
    assert "NaN" not in marks
    assert "Infinity" not in marks


def test_a_stray_value_is_a_triangle_at_the_edge_and_said_when_pointed_at(visit, tmp_path):
    places = make_places()[1:2]
    table = make_observations(places, years=3).assign(status="ok", reason=None)
    table["ndvi"] = 0.5
    table.loc[table.index[60], "ndvi"] = 1.43
    path = write_report(
        tmp_path / "r.html", places=places, analysis=make_analysis(places, table), index="ndvi"
    )
    page = visit(path, at="#place-1")
    page.wait_for_selector("#place-1 path.curve")
    frame = page.locator("#place-1 .frame").first
    labels = frame.locator("svg text.end").all_text_contents()
    assert "1.0" in labels
    assert "1.2" not in labels
    assert len(marked(frame, "clear:not(.beyond)")) == len(table) - 1
    (mark,) = marked(frame, "clear.beyond")
    point_at(page, frame, mark)
    said = page.locator("#tip").inner_text().splitlines()
    assert said[0] == f"{table['datetime'].iloc[60]:%Y-%m-%d}"
    assert said[1] == "NDVI 1.430, clear"
    assert said[2] == "beyond the axis"
    assert page.locator("#place-1 .key").inner_text().count("beyond the axis") == 1
    assert page.locator("#place-1 .figures").inner_text().count("0.500") == 2  # latest and mean


def test_five_hundred_places_open_filter_and_draw_quickly(visit, many):
    assert many.stat().st_size < 25e6
    start = time.perf_counter()
    page = visit(many)
    loaded = time.perf_counter() - start
    assert page.locator("#table tbody tr").count() == 500
    assert page.locator(".place.open").count() == 0
    start = time.perf_counter()
    page.fill("#search", "-13")
    page.locator("#count", has_text="20 of 500").wait_for()
    filtered = time.perf_counter() - start
    page.locator("#table thead button", has_text="Mean").click()
    start = time.perf_counter()
    page.locator("#table tbody tr:not([hidden]) a").first.click()
    page.wait_for_selector(".place.open path.curve")
    drawn = time.perf_counter() - start
    assert (loaded < 15, filtered < 5, drawn < 5) == (True, True, True)
    page.get_by_role("button", name="Next place of the table").click()
    page.locator("#opened", has_text="1 of 500 open").wait_for()
    page.get_by_role("button", name="Open all").click()
    start = time.perf_counter()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert time.perf_counter() - start < 20
    assert page.locator(".place .frame svg").count() == 1000
    assert page.locator(".place svg *").count() < 200 * 500
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    section = page.locator("#place-300")
    section.scroll_into_view_if_needed()
    frame = section.locator(".frame").first
    page.wait_for_function(
        "f => f.firstChild.viewBox.baseVal.width === f.clientWidth", arg=frame.element_handle()
    )

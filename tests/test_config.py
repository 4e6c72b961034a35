"""Settings: argument over environment over file over default, each with its origin."""

from __future__ import annotations

import pytest

from fieldwren.config import resolve
from fieldwren.errors import OptionError


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_defaults_say_so():
    settings = resolve()
    assert settings.sensor == "landsat"
    assert set(settings.origins.values()) == {"default"}


def test_argument_over_environment_over_file(nowhere, monkeypatch):
    (nowhere / "fieldwren.toml").write_text('workers = 2\nmask = "none"\nsensor = "sentinel-2"\n')
    monkeypatch.setenv("FIELDWREN_WORKERS", "3")
    monkeypatch.setenv("FIELDWREN_MASK", "strict")
    settings = resolve(workers=4, mask=None)
    assert (settings.workers, settings.mask, settings.sensor) == (4, "strict", "sentinel-2")
    assert settings.origins["workers"] == "argument"
    assert settings.origins["mask"] == "environment"
    assert settings.origins["sensor"] == "fieldwren.toml"


def test_lists_come_from_commas_in_the_environment(monkeypatch):
    monkeypatch.setenv("FIELDWREN_INDEX", "ndvi, evi")
    assert resolve().index == ("ndvi", "evi")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"arhive": "demo"}, "did you mean archive"),
        ({"workers": "many"}, "workers \\(argument\\) must be a whole number, not 'many'"),
    ],
)
def test_what_cannot_be_used_is_named(given, message):
    with pytest.raises(OptionError, match=message):
        resolve(**given)


def test_a_misspelt_setting_in_the_file_is_named(nowhere):
    (nowhere / "fieldwren.toml").write_text("max_clouds = 3\n")
    with pytest.raises(OptionError, match=r"max_clouds.*fieldwren.toml.*did you mean max_cloud"):
        resolve()

"""Changing a configuration file leaves all else in it as it was."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldwren.cloud.settings_file import (
    MARK,
    read_text,
    with_engine,
    with_table,
    without,
    write_text,
)
from fieldwren.errors import OptionError

VALUES = {"bucket": "my-bucket", "region": "us-west-2", "memory": 2048}
LETTERS = "ab \"'\\#[]={}.\x85\xe9\u2028\N{BIRD}"
KEPT = """\
# my settings
sensor = "sentinel-2"  # the newer one

# a cluster at work
[dask]
scheduler = "tcp://10.0.0.1:8786"  # ask Ana
"""


def test_a_table_is_added_to_nothing():
    text = with_engine(with_table("", "lambda", VALUES), "lambda")
    assert tomllib.loads(text) == {"engine": "lambda", "lambda": VALUES}


def test_all_else_stays_line_by_line():
    text = with_engine(with_table(KEPT, "lambda", VALUES), "lambda")
    assert text == (
        '# my settings\nsensor = "sentinel-2"  # the newer one\nengine = "lambda"\n'
        + KEPT.partition("one\n")[2]
        + f'\n{MARK}\n[lambda]\nbucket = "my-bucket"\nregion = "us-west-2"\nmemory = 2048\n'
    )
    read = tomllib.loads(text)
    assert read["engine"] == "lambda"
    assert read["lambda"] == VALUES
    assert read["dask"] == {"scheduler": "tcp://10.0.0.1:8786"}


def test_a_table_is_changed_where_it_stands_and_keeps_what_is_not_asked():
    old = (
        '[lambda]\n# no more than 50\nworkers = 50\nbucket = "old"\n'
        '\n# next\n[dask]\nscheduler = "x"\n'
    )
    text = with_table(old, "lambda", VALUES)
    assert text == (
        '[lambda]\n# no more than 50\nworkers = 50\nbucket = "my-bucket"\nregion = "us-west-2"\n'
        'memory = 2048\n\n# next\n[dask]\nscheduler = "x"\n'
    )


def test_the_same_again_changes_nothing():
    once = with_engine(with_table(KEPT, "lambda", VALUES), "lambda")
    assert with_engine(with_table(once, "lambda", VALUES), "lambda") == once


@pytest.mark.parametrize("old", ["", KEPT, "# only a comment\n", 'sensor = "landsat"\n'])
def test_what_was_put_in_comes_out_again(old):
    text = with_engine(with_table(old, "lambda", VALUES), "lambda")
    assert without(with_engine(text, ""), "lambda", VALUES) == old


def test_keys_of_the_user_stay_when_ours_go():
    text = with_table("[lambda]\nworkers = 50\n", "lambda", VALUES)
    assert without(text, "lambda", VALUES) == "[lambda]\nworkers = 50\n"


@pytest.mark.parametrize(
    "old",
    [
        'lambda = { bucket = "b" }\n',
        'lambda.bucket = "b"\n',
        '[dask]\nscheduler = """\n[lambda]\n"""\n',
        "[[lambda]]\nbucket = 1\n",
    ],
)
def test_what_cannot_be_changed_line_by_line_is_refused(old):
    with pytest.raises(OptionError, match=r"change these lines yourself: \[lambda\]"):
        with_table(old, "lambda", VALUES)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "lambda", "engine", "dask"]),
        st.one_of(
            st.integers(0, 9),
            st.text(LETTERS, max_size=9),
            st.dictionaries(st.sampled_from(["x", "bucket"]), st.integers(0, 9)),
        ),
    ),
    st.text(LETTERS + "\n\t\x00\x7f", max_size=9),
)
def test_any_file_is_changed_rightly_or_refused(whole, bucket):
    flat = {k: v for k, v in whole.items() if not isinstance(v, dict)}
    text = "".join(with_line(k, v) for k, v in flat.items())
    for name in sorted(whole.keys() - flat.keys()):
        text += f"# {name}\n[{name}]\n" + "".join(with_line(k, v) for k, v in whole[name].items())
    try:
        changed = with_engine(with_table(text, "lambda", {"bucket": bucket}), "lambda")
    except OptionError:
        assert "lambda" in flat or "\x7f" in bucket or isinstance(whole.get("engine"), dict)
        return
    before = whole.get("lambda", {})
    assert tomllib.loads(changed) == {
        **whole,
        "lambda": {**before, "bucket": bucket},
        "engine": "lambda",
    }


def with_line(name, value):
    return f"{name} = {json.dumps(value, ensure_ascii=False)}\n"


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path):
    path = tmp_path / "fieldwren.toml"
    path.write_text("")
    path.chmod(0o600)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    write_text(link, "workers = 2\n")
    assert link.is_symlink()
    assert path.read_text() == "workers = 2\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert {p.name for p in tmp_path.iterdir()} == {"fieldwren.toml", "link.toml"}


def test_a_folder_is_made_and_an_empty_file_goes(tmp_path):
    path = tmp_path / "config" / "fieldwren" / "config.toml"
    write_text(path, "workers = 2\n")
    assert read_text(path) == "workers = 2\n"
    write_text(path, "\n")
    assert not path.exists()
    assert read_text(path) == ""


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "fieldwren.toml"
    path.write_text("engine = \n")
    with pytest.raises(OptionError, match=r"fieldwren\.toml cannot be read as TOML"):
        read_text(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be written"):
        write_text(tmp_path / "file" / "fieldwren.toml", "workers = 2\n")

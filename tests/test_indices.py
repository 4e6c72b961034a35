from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import rasterio
from hypothesis import example, given
from hypothesis import strategies as st

from fieldwren.errors import OptionError
from fieldwren.model import Index, Observation
from fieldwren.pixels import indices
from fieldwren.pixels.indices import BANDS, INDICES, evaluate, parse_index

# Written by hand from the catalogue of Awesome Spectral Indices, in its own letters.
FORMULAS = """
ndvi   (N - R) / (N + R)
evi    2.5 * (N - R) / (N + 6.0 * R - 7.5 * B + 1.0)
evi2   2.5 * (N - R) / (N + 2.4 * R + 1.0)
savi   (1.0 + 0.5) * (N - R) / (N + R + 0.5)
msavi  0.5 * (2.0 * N + 1 - (((2 * N + 1) ** 2) - 8 * (N - R)) ** 0.5)
osavi  (N - R) / (N + R + 0.16)
arvi   (N - (R - 1.0 * (B - R))) / (N + (R - 1.0 * (B - R)))
vari   (G - R) / (G + R - B)
gndvi  (N - G) / (N + G)
ndre   (N - RE1) / (N + RE1)
cire   (N / RE1) - 1
cig    (N / G) - 1.0
nirv   ((N - R) / (N + R)) * N
kndvi  math.tanh(((N - R) / (2 * (0.5 * (N + R)))) ** 2)
ndpi   (N - (0.74 * R + (1.0 - 0.74) * S1)) / (N + (0.74 * R + (1.0 - 0.74) * S1))
ndmi   (N - S1) / (N + S1)
lswi   (N - S1) / (N + S1)
ndwi   (G - N) / (G + N)
mndwi  (G - S1) / (G + S1)
nbr    (N - S2) / (N + S2)
nbr2   (S1 - S2) / (S1 + S2)
ndsi   (G - S1) / (G + S1)
"""
LETTERS = dict(zip(["B", "G", "R", "RE1", "RE2", "RE3", "N", "N2", "S1", "S2"], BANDS, strict=True))


def values(expression: str, **bands: float) -> list[float]:
    index = parse_index(f"test={expression}")
    return evaluate(index, {k: np.array([v]) for k, v in bands.items()}).tolist()


@given(st.lists(st.floats(0.001, 1), min_size=len(BANDS), max_size=len(BANDS)))
def test_indices_equal_the_formulas_of_awesome_spectral_indices(reflectances):
    letters = dict(zip(LETTERS, reflectances, strict=True))
    bands = {band: np.array([letters[letter]]) for letter, band in LETTERS.items()}
    formulas = dict(line.split(maxsplit=1) for line in FORMULAS.strip().splitlines())
    assert list(formulas) == list(INDICES)
    for name, formula in formulas.items():
        try:
            expected = eval(formula, {"math": math}, letters)
        except ZeroDivisionError:
            expected = math.nan
        got = evaluate(INDICES[name], bands)
        assert got == pytest.approx([expected], rel=1e-9, abs=1e-9, nan_ok=True), name


def test_an_index_lists_the_bands_it_needs():
    assert INDICES["evi"].bands == ("blue", "nir", "red")
    assert parse_index("mine=sqrt(swir22 * green)").bands == ("green", "swir22")


def test_a_known_index_is_found_whatever_its_case():
    assert parse_index(" NDVI ") is INDICES["ndvi"]


def test_an_index_written_out_and_parsed_again_is_the_same():
    for index in [*INDICES.values(), parse_index("a = nir -\n red")]:
        assert parse_index(f"{index.name}={index.expression}") == index


def test_names_of_other_columns_are_those_of_the_row():
    columns = {f.name for f in dataclasses.fields(Observation)}
    endings = {c.removeprefix("ndvi") for c in columns if c.startswith("ndvi_")}
    others = {c for c in columns if not c.startswith("ndvi")}
    assert endings == set(indices._ENDINGS)
    assert others | set(BANDS) == indices._TAKEN


@pytest.mark.parametrize("name", ["status", "red", "x_median", "ndvi", "1a", "a b", "", "A" * 99])
def test_a_name_that_would_mislead_is_refused(name):
    with pytest.raises(OptionError, match="cannot be called"):
        parse_index(f"{name}=nir - red")


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "().__class__",
        "nir.real",
        "nir[0]",
        "lambda: nir",
        "[nir for nir in (1,)]",
        "nir if red else blue",
        "nir and red",
        "nir < red",
        "nir // red",
        "nir % red",
        "nir @ red",
        "nir ^ 2",
        "~nir",
        "not nir",
        "nir + True",
        "nir + 1j",
        "nir + 'a'",
        "nir + None",
        "nir + ...",
        "(nir := red)",
        "f'{nir}'",
        "sqrt(nir, red)",
        "sqrt(x=nir)",
        "sqrt(*nir)",
        "sqrt",
        "eval(nir)",
        "nir(red)",
        "sqrt(nir)(red)",
        "await_ + nir",
        "nir ** red",
        "nir ** 11",
        "nir ** -11",
        "nir ** True ** nir",
        "nir ** (9 ** 9)",
        "nir + 1e999",
        "nir + " + "9" * 400,
        "1 + 2",
        "sqrt(2)",
        "",
        "nir +",
        "nir; red",
        "nir\0",
        "(" * 240 + "nir" + ")" * 240,
        "-" * 400 + "nir",
        "nir" + " + nir" * 50,
        "nir + red " * 100,
    ],
)
def test_what_is_not_on_the_allow_list_is_refused(expression):
    with pytest.raises(OptionError, match=r'Index "mine"'):
        parse_index(f"mine={expression}")
    with pytest.raises(OptionError, match=r'Index "mine"'):
        evaluate(Index(name="mine", expression=expression, bands=("nir",)), {"nir": np.ones(1)})


@given(st.text(max_size=60))
@example("a=nir" + "(" * 499)
@example("a=" + "9" * 5000)
def test_any_text_gives_an_index_or_an_option_error(text):
    try:
        index = parse_index(text)
    except OptionError as error:
        message = str(error)
        assert len(message) < 500
    else:
        assert index.bands


def test_a_typing_error_gets_a_hint():
    with pytest.raises(OptionError, match=r"did you mean ndwi or ndvi\?"):
        parse_index("nvdi")
    with pytest.raises(OptionError, match=r'"nri" is no band \(did you mean nir'):
        parse_index("mine=nri - red")
    with pytest.raises(OptionError, match=r"did you mean sqrt\?"):
        parse_index("mine=sqr(nir)")


def test_powers_signs_and_functions():
    assert values("-nir ** 2 + +red", nir=0.5, red=0.1) == pytest.approx([-0.15])
    assert values("nir ** -0.5", nir=0.25) == pytest.approx([2])
    assert values("2 ** 3 * nir", nir=1) == pytest.approx([8])
    assert values("log(exp(abs(-nir)))", nir=0.5) == pytest.approx([0.5])


def test_what_has_no_finite_value_is_nan_without_a_warning():
    assert np.isnan(values("nir / red", nir=1, red=0)).all()
    assert np.isnan(values("nir / (1 - 1)", nir=1)).all()
    assert np.isnan(values("sqrt(nir)", nir=-1)).all()
    assert np.isnan(values("log(nir)", nir=0)).all()
    assert np.isnan(values("exp(1000 * nir) * red", nir=1, red=1)).all()
    assert np.isnan(values("((9 ** 10) ** 10) ** 10 * nir ** -10", nir=1)).all()


def test_the_shape_is_kept_and_the_input_is_not_changed():
    bands = {"nir": np.full((2, 3), 0.4), "red": np.full((2, 3), 0.1)}
    got = evaluate(INDICES["ndvi"], bands)
    assert got.shape == (2, 3)
    assert got == pytest.approx(np.full((2, 3), 0.6))
    copy = evaluate(parse_index("same=nir"), bands)
    copy[:] = 0
    assert (bands["nir"] == 0.4).all()


def read(path):
    with rasterio.open(path) as file:
        return np.ma.masked_equal(file.read(), file.nodata)


def test_ndvi_equals_the_modis_product(shared_data):
    # The product truncates to four decimals; its pixels that are not scaled NDVI are fill.
    folder = shared_data / "modis/MYD13A1"
    (red,) = folder.glob("*_RR_B04.TIF")
    (nir,) = folder.glob("*_NIRR_B05.TIF")
    (ndvi,) = folder.glob("*_NDVI_B01.TIF")
    red, nir, published = read(red), read(nir), read(ndvi)
    valid = ~(np.ma.getmaskarray(red) | np.ma.getmaskarray(nir) | np.ma.getmaskarray(published))
    bands = {"red": red[valid].data / 1e4, "nir": nir[valid].data / 1e4}
    got = evaluate(INDICES["ndvi"], bands)
    assert valid.sum() == 146342
    assert np.abs(got - published[valid].data / 1e4).max() <= 1e-4


def test_ndvi_equals_the_modis_stack_of_dtwsat(shared_data):
    folder = shared_data / "modis/dtwSat_MT"
    red, nir, published = (read(folder / f"{band}.tif") for band in ("red", "nir", "ndvi"))
    got = evaluate(INDICES["ndvi"], {"red": red.data, "nir": nir.data})
    assert got.shape == (137, 27, 37)
    assert np.abs(got - published.data).max() <= 1e-4


def test_ndvi_equals_the_modis_table_of_dtwsat(shared_data):
    path = shared_data / "timeseries/dtwSat/ts_MODIS13Q1.csv"
    table = np.genfromtxt(path, delimiter=",", names=True, usecols=(1, 3, 4))
    got = evaluate(INDICES["ndvi"], {"red": table["red"], "nir": table["nir"]})
    assert len(got) == 93
    assert np.abs(got - table["ndvi"]).max() <= 1e-4


def test_an_expression_gives_the_reflectance_of_rio_toa(shared_data):
    mtl = shared_data / "mtl/precollection/LC81390452014295LGN00_MTL.json"
    metadata = json.loads(mtl.read_text())["L1_METADATA_FILE"]
    scale = metadata["RADIOMETRIC_RESCALING"]
    sine = math.sin(math.radians(metadata["IMAGE_ATTRIBUTES"]["SUN_ELEVATION"]))
    folder = shared_data / "landsat_l1/rio-toa"
    numbers = read(folder / "tiny_LC81390452014295LGN00_B5.TIF").astype(float)
    published = read(folder / "tiny_LC81390452014295LGN00_B5_refl.TIF").astype(float)
    toa = parse_index(
        f"toa=({scale['REFLECTANCE_MULT_BAND_5']} * nir"
        f" + {scale['REFLECTANCE_ADD_BAND_5']}) / {sine}"
    )
    got = evaluate(toa, {"nir": numbers.data})
    valid = (numbers.data > 0) & (published.data > 0)
    assert valid.sum() > 1000
    assert np.abs(got - published.data / 55000)[valid].max() <= 1.0 / 55000

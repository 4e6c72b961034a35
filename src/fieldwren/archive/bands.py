"""Which asset of a STAC item is which band, and how its numbers become reflectance.

Of a product in the table of ``sensors`` the table tells. Of any other the item itself: the common
names of its bands, or its asset keys; scale, offset and nodata as stated, else as the files say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldwren.archive.sensors import Collection

__all__ = [
    "Json",
    "believable",
    "find_bands",
    "number",
    "quality_encoding",
    "stated_numbers",
    "table_numbers",
]

Json = Mapping[str, Any]
"""A parsed JSON object."""

_BANDS: Final = ("blue", "green", "red", "nir", "nir08", "swir16", "swir22")
_RED_EDGE: Final = {"rededge071": "rededge1", "rededge075": "rededge2", "rededge078": "rededge3"}
"""Ours by the common names of the eo extension 2."""

_QUALITY: Final = {
    "qa_pixel": ("qa_pixel", "QA_PIXEL", "QA_PIXEL.TIF"),
    "scl": ("scl", "SCL", "SCL_20m"),
    "fmask": ("Fmask",),
    "cfmask": ("cfmask",),
}
"""Asset keys of quality bands by their encoding, for products that are not in the table."""


def find_bands(
    known: Collection | None, assets: Mapping[str, Json], item_bands: Any
) -> dict[str, str]:
    """The asset key of each band.

    Args:
        known: What the product is; None where it is not in the table.
        assets: The item's assets.
        item_bands: ``eo:bands`` of the item, to which numbers in assets of STAC 0.7 point.
    """
    if known:
        found = {band: _key(keys, assets) for band, keys in known.bands.items()}
        return {band: key for band, key in found.items() if key is not None}
    return _guess(assets, item_bands)


def quality_encoding(known: Collection | None, key: str | None) -> str | None:
    """The encoding of the quality band that has this asset key, a key of ``masks.ENCODINGS``."""
    if key is None:
        return None
    if known:
        return known.quality
    return next((name for name, keys in _QUALITY.items() if _key(keys, {key: {}})), None)


def table_numbers(known: Collection, properties: Json, baseline: str) -> dict[str, float]:
    """Scale, offset and nodata of a product in the table.

    Args:
        known: The product.
        properties: Of the item.
        baseline: Processing baseline such as "05.11", or "".

    Raises:
        ValueError: The offset depends on the baseline, and there is none.
    """
    offset = known.offset
    if any(properties.get(name) is True for name in known.offset_removed):
        offset = 0.0
    elif known.offset_since and not baseline:
        raise ValueError("it names no processing baseline, on which its offset depends")
    elif baseline < known.offset_since:
        offset = 0.0
    fill = {} if known.nodata is None else {"nodata": known.nodata}
    return {"scale": known.scale, "offset": offset, **fill}


def stated_numbers(asset: Json) -> dict[str, float]:
    """What an asset states of scale, offset and nodata (STAC 1.1, or raster extension 1)."""
    listed = asset.get("raster:bands") or asset.get("bands")
    band: Json = asset
    if isinstance(listed, list):
        only = listed[0] if len(listed) == 1 else None
        band = {**asset, **only} if isinstance(only, Mapping) else {}
    stated = {
        "scale": number(band.get("raster:scale", band.get("scale"))),
        "offset": number(band.get("raster:offset", band.get("offset"))),
        "nodata": number(band.get("nodata")),
    }
    return {name: value for name, value in stated.items() if value is not None}


def believable(numbers: Mapping[str, float]) -> dict[str, float]:
    """The digital numbers of reflectances above 0 and up to 1, as valid_min and valid_max.

    For Landsat these are 7273 and 43636, which the USGS publishes; for the others the same range of
    reflectance is used, so that sensors can be compared. Empty where the numbers are reflectances
    themselves, or nothing is known of them.
    """
    scale, offset = numbers.get("scale"), numbers.get("offset", 0.0)
    if scale is None or not 0 < scale < 0.1:
        return {}
    low, high = round(-offset / scale, 6), round((1 - offset) / scale, 6)
    return {"valid_min": math.floor(low) + 1, "valid_max": math.floor(high)}


def number(value: object) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _key(wanted: tuple[str, ...], assets: Mapping[str, Json]) -> str | None:
    """The first wanted key; else, some catalogs having file names as keys, one that ends so."""
    exact = next((key for key in wanted if key in assets), None)
    endings = tuple(separator + key for key in wanted for separator in "._")
    stems = ((key, re.sub(r"\.tiff?$", "", key, flags=re.IGNORECASE)) for key in assets)
    return exact or next((key for key, stem in stems if stem.endswith(endings)), None)


def _guess(assets: Mapping[str, Json], item_bands: Any) -> dict[str, str]:
    """Bands by the common names that the assets state, else by their keys."""
    named: dict[str, list[str]] = {}
    for key, asset in assets.items():
        bands = list(_described(asset, item_bands))
        if len(bands) == 1:  # not a picture made of several
            name = str(bands[0].get("eo:common_name") or bands[0].get("common_name") or "")
            named.setdefault(_RED_EDGE.get(name, name), []).append(key)
    found: dict[str, str | None] = {}
    for band in (*_BANDS, *_RED_EDGE.values()):
        best = min(named.get(band, ()), key=lambda k: _preference(k, assets[k]), default=None)
        found[band] = best or _key((band,), assets)
    found["nir"] = found["nir"] or found["nir08"]
    found["qa"] = next((key for keys in _QUALITY.values() if (key := _key(keys, assets))), None)
    return {band: key for band, key in found.items() if key}


def _described(asset: Json, item_bands: Any) -> Iterator[Json]:
    """Bands as of STAC 1.1 (bands), 0.8 to 1.0 (eo:bands), 0.7 (numbers into the item's list)."""
    for told in asset.get("bands") or asset.get("eo:bands") or ():
        band = item_bands[told] if isinstance(told, int) and item_bands else told
        if isinstance(band, Mapping):
            yield band


def _preference(key: str, asset: Json) -> tuple[object, ...]:
    """Of several assets of one band: what we can decode, then the finest, then the shortest key."""
    gsd = number(asset.get("gsd"))
    return ("jp2" in str(asset.get("type")), math.inf if gsd is None else gsd, len(key), key)

"""The frozen values that travel through fieldwren.

    Place, Scene ──► ReadTask (Shapes, SceneRead, Recipe) ──► Done | Failed ──► Observation

Everything a worker needs is in a :class:`ReadTask`; what it needs of the machine it runs on is in
:class:`ReadOptions`. Neither ever holds a credential. This module imports numpy only, because it
travels to every engine.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

__all__ = [
    "BANDS",
    "STATUSES",
    "Asset",
    "Done",
    "Failed",
    "Index",
    "Observation",
    "Outcome",
    "Place",
    "ReadOptions",
    "ReadTask",
    "Recipe",
    "Scene",
    "SceneRead",
    "Shapes",
    "Timing",
]


BANDS: Final = (
    "blue",
    "green",
    "red",
    "rededge1",
    "rededge2",
    "rededge3",
    "nir",
    "nir08",
    "swir16",
    "swir22",
)
"""Our names of spectral bands, by wavelength; STAC's common names, but that Landsat's near infrared
is ``nir`` too, and Sentinel-2's red edge is numbered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A point, field or park. Valid at birth: made by :func:`fieldwren.read_places`."""

    id: str
    """Unique in a run."""
    name: str
    """For people; untrusted text."""
    geometry: BaseGeometry
    """Point, Polygon or MultiPolygon in WGS 84, longitude first, never across the antimeridian
    (a place on both sides of it is a MultiPolygon)."""
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Whatever else the input said of the place; never travels to a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One raster file of a scene, and how its numbers become physical values."""

    key: str
    """The key in the STAC item."""
    href: str
    """Absolute; fieldwren signs it only when it is read. A catalog may have signed it already, so
    it is never shown but through ``errors.public_href``."""
    band: str
    """Our common name: blue, green, red, rededge1..3, nir, nir08, swir16, swir22, qa."""
    scale: float | None = None
    """Reflectance = digital number * scale + offset; None: as the file's own tag says, else 1."""
    offset: float | None = None
    """See scale; None: as the file's own tag says, else 0."""
    nodata: float | None = None
    """The digital number that means nothing was measured."""
    valid_min: float | None = None
    """The smallest digital number that is a believable measurement."""
    valid_max: float | None = None
    """The largest digital number that is a believable measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One acquisition as an archive lists it."""

    id: str
    """The STAC item's id."""
    collection: str
    """The STAC collection's id."""
    archive: str
    """The name of the archive that listed it."""
    platform: str
    """Such as landsat-8 or sentinel-2a."""
    datetime: datetime
    """Acquisition time, UTC, with time zone."""
    footprint: BaseGeometry
    """WGS 84; a MultiPolygon where it crosses the antimeridian."""
    assets: Mapping[str, Asset]
    """By band name; "qa" is the quality band."""
    cloud_cover: float | None = None
    """Percent of the whole scene, as the archive states it."""
    sun_elevation: float | None = None
    """Degrees above the horizon at the scene centre."""
    tile: str | None = None
    """WRS-2 path and row as "044033", or MGRS tile as "10SEH"."""
    version: str | None = None
    """Processing version or date; of two versions of an acquisition the greater text wins."""
    crs: str | None = None
    """CRS of its rasters ("EPSG:32610", WKT or PROJJSON text); None: the file header tells."""
    quality: str | None = None
    """Which encoding the qa band has, a key of ``pixels.masks.ENCODINGS``."""
    thumbnail: str | None = None
    """Href of a small picture of the scene, where the item has one."""
    access: str = ""
    """How its files are reached, a key of ``archive.access.ACCESS``; "" by the href alone."""
    simulated: bool = False
    """Whether the item says that it was made up, as those of the embedded archive do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A vegetation index: an expression over band names."""

    name: str
    """Column name, lower case."""
    expression: str
    """Checked against an allow-list by ``pixels.indices`` before it is evaluated."""
    bands: tuple[str, ...]
    """The bands it needs, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is computed from pixels; part of the identity of every result."""

    indices: tuple[Index, ...]
    """At least one; the first is the one that plots and maps show."""
    mask: str = "standard"
    """A key of ``pixels.masks.MASKS``: which quality classes are rejected."""
    dilate: float = 0.0
    """Metres by which cloud and shadow are grown."""
    min_clear: float = 0.5
    """Rows with a smaller clear fraction of the place get status ``low_coverage``."""
    interior: float = 0.99
    """Pixels with at least this coverage count as interior."""

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands that the indices need, plus red and nir, which every row carries."""
        needed = {"red", "nir"}.union(*(i.bands for i in self.indices))
        return tuple(band for band in BANDS if band in needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Places stripped for travel: rings in one projected CRS, in flat arrays."""

    ids: tuple[str, ...]
    """Place ids, n of them."""
    xy: NDArray[np.float64]
    """Shape (v, 2): ring vertices, x then y, in CRS units; exterior rings run counter-clockwise,
    holes clockwise, the last vertex equals the first. A point is a ring of one vertex."""
    rings: NDArray[np.int64]
    """Shape (r + 1,): ring k is xy[rings[k]:rings[k + 1]]."""
    places: NDArray[np.int64]
    """Shape (n + 1,): place p is rings places[p] to places[p + 1]."""
    key: str
    """Hash of the above and of the CRS: weights computed for it can be kept by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneRead:
    """A scene stripped for travel."""

    id: str
    """The scene's id, for messages and rows."""
    key: str
    """Hash of collection, id, version, files and how their numbers are understood."""
    assets: Mapping[str, Asset]
    """Only the bands to read, and "qa" unless nothing is masked."""
    crs: str | None
    """The CRS of the task's shapes; a file that says another one is refused."""
    quality: str | None
    """See :class:`Scene`."""
    access: str
    """See :class:`Scene`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTask:
    """The unit that travels to an engine: some scenes of one CRS and the places on all of them."""

    key: str
    """Deterministic hash of the rest."""
    scenes: tuple[SceneRead, ...]
    """Read concurrently by the worker."""
    shapes: Shapes
    """The places, in the scenes' CRS."""
    recipe: Recipe
    """What to compute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a worker may use of the machine it runs on; shipped beside the task, not in it."""

    files: int = 64
    """Files read at the same time by one worker."""
    bytes_in_flight: int = 64 * 2**20
    """Bytes requested and not yet decoded, at most, by one worker (one larger read may pass)."""
    gap: int = 64 * 2**10
    """Byte ranges nearer than this are read as one (64 KiB was measured to be best)."""
    timeout: float = 30.0
    """Seconds without a byte after which a request fails."""
    deadline: float = 120.0
    """Seconds for one request with all its retries."""
    header_cache: str | None = None
    """Folder in which file headers are remembered between runs; None: in memory only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a piece of work cost."""

    requests: int = 0
    """Range requests that were answered."""
    bytes: int = 0
    """Bytes received."""
    retries: int = 0
    """Requests that were repeated."""
    read_seconds: float = 0.0
    """Waiting for bytes, summed over concurrent requests."""
    decode_seconds: float = 0.0
    """Inflating and picking pixels."""
    reduce_seconds: float = 0.0
    """Coverage, masks, indices and statistics."""

    def __add__(self, other: Timing) -> Timing:
        return Timing(
            **{
                f.name: getattr(self, f.name) + getattr(other, f.name)
                for f in dataclasses.fields(self)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A scene that was read: one entry per place of the task, in its order."""

    scene_key: str
    """Of the :class:`SceneRead`."""
    statuses: tuple[str, ...]
    """See ``Observation.status``."""
    reasons: tuple[str | None, ...]
    """See ``Observation.reason``."""
    columns: Mapping[str, NDArray[np.float64]]
    """The measured columns of the row by name, each of shape (n places,); NaN is missing."""
    timing: Timing
    """What it cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A scene that could not be read; every place of the task gets a row with this reason."""

    scene_key: str
    """Of the :class:`SceneRead`."""
    status: str
    """``read_error`` or ``no_access``."""
    reason: str
    """One sentence, without credentials."""
    timing: Timing
    """What it cost all the same."""


Outcome = Done | Failed


STATUSES: Final[Mapping[str, str]] = {
    "ok": "enough of the place was clear",
    "cloud": "most of what is not clear is cloud, its edge, or cirrus",
    "shadow": "most of what is not clear is cloud shadow",
    "snow": "most of what is not clear is snow or ice",
    "fill": "the scene has no data on the place",
    "saturated": "the sensor was saturated, or reflectance exceeds 1",
    "invalid": "reflectance is not positive, or the index cannot be computed",
    "suspect": "the quality band doubts the pixels (strict mask only)",
    "low_coverage": "some pixels are clear, but fewer than the threshold; the value is kept",
    "duplicate": "the same acquisition is in the table from another scene or processing",
    "outlier": "the value drops and recovers in time as only missed cloud does; it is kept",
    "no_band": "the scene lacks a band that the index or the mask needs",
    "cloudy_scene": "the scene's cloud cover exceeds --max-cloud; it was not read",
    "read_error": "the file could not be read; tried again by the next run",
    "no_access": "the archive refused access; tried again by the next run",
}
"""What each value of the status column means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The row: what is known of one place in one scene. Every candidate gives exactly one.

    Columns named after an index stand here for ``ndvi``; a run with other indices has theirs. A
    missing value is None (null in files), never 0.
    """

    place_id: str
    """Place.id."""
    place_name: str
    """Place.name."""
    scene_id: str
    """Scene.id."""
    collection: str
    """Scene.collection."""
    platform: str
    """Scene.platform."""
    datetime: datetime
    """Acquisition time, UTC."""
    status: str
    """``ok`` or why the observation is not one: a key of STATUSES."""
    reason: str | None
    """One sentence where status is not ``ok``."""
    ndvi: float | None
    """Coverage-weighted mean over clear pixels of the index computed per pixel."""
    ndvi_median: float | None
    """Coverage-weighted median."""
    ndvi_std: float | None
    """Coverage-weighted population standard deviation."""
    ndvi_min: float | None
    """Least value of any clear pixel touched."""
    ndvi_max: float | None
    """Greatest value of any clear pixel touched."""
    ndvi_p10: float | None
    """Coverage-weighted 10th percentile."""
    ndvi_p90: float | None
    """Coverage-weighted 90th percentile."""
    ndvi_interior: float | None
    """Plain mean over the clear interior pixels (coverage >= 0.99): free of mixed edges."""
    red: float | None
    """Coverage-weighted mean surface reflectance, 0 to 1; likewise every band an index needs."""
    nir: float | None
    """See red."""
    n_pixels: float
    """Sum of coverage: the place's size in pixels."""
    n_clear: float
    """Sum of coverage of clear pixels."""
    n_interior: float
    """Number of clear interior pixels."""
    clear_fraction: float | None
    """n_clear / n_pixels."""
    cloud_fraction: float | None
    """Coverage of cloud pixels, without their edges and cirrus / coverage of pixels with data."""
    scene_cloud_cover: float | None
    """Percent of the whole scene, from the archive."""
    sun_elevation: float | None
    """Degrees, from the archive."""
    tile: str | None
    """WRS-2 path/row or MGRS tile."""
    archive: str
    """Where the pixels came from."""
    version: str
    """Of fieldwren, which computed the row."""

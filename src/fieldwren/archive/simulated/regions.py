"""The four places of the simulated archive: where they are, what grows there, how cloudy it is.

Positions, paths, rows and map projections are real. Everything else is chosen to look like the
region and measures nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BANDS",
    "FARMLAND",
    "REGIONS",
    "SPECTRA",
    "Cover",
    "Region",
    "View",
    "demo_places",
    "features",
]

BANDS: Final = ("blue", "green", "red", "nir08", "swir16", "swir22")
"""Order of the bands in every array and spectrum of this package."""

SPECTRA: Final[Mapping[str, tuple[float, ...]]] = {
    "crop": (0.030, 0.070, 0.035, 0.450, 0.210, 0.100),
    "vine": (0.035, 0.070, 0.045, 0.400, 0.200, 0.100),
    "coffee": (0.022, 0.056, 0.025, 0.380, 0.170, 0.070),
    "forest": (0.018, 0.042, 0.024, 0.340, 0.140, 0.060),
    "conifer": (0.015, 0.032, 0.020, 0.240, 0.100, 0.045),
    "scrub": (0.040, 0.065, 0.055, 0.280, 0.210, 0.130),
    "red soil": (0.050, 0.078, 0.105, 0.165, 0.230, 0.190),
    "brown soil": (0.075, 0.100, 0.130, 0.200, 0.280, 0.240),
    "black soil": (0.055, 0.075, 0.100, 0.140, 0.200, 0.180),
    "straw": (0.080, 0.120, 0.165, 0.250, 0.330, 0.240),
    "gravel": (0.140, 0.180, 0.215, 0.245, 0.300, 0.270),
    "dark gravel": (0.090, 0.110, 0.135, 0.155, 0.190, 0.170),
    "salt": (0.340, 0.390, 0.430, 0.460, 0.330, 0.260),
    "track": (0.100, 0.130, 0.170, 0.230, 0.300, 0.260),
    "roofs": (0.110, 0.130, 0.150, 0.200, 0.210, 0.190),
    "water": (0.045, 0.055, 0.038, 0.022, 0.012, 0.009),
    "cloud": (0.640, 0.630, 0.630, 0.660, 0.480, 0.370),
    "snow": (0.800, 0.790, 0.770, 0.680, 0.110, 0.080),
}
"""Surface reflectance by band, typical of each material; pixels are linear mixtures of two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """One kind of land: its NDVI over the year and the two materials that mix to give it."""

    green: str
    """Key of SPECTRA: the material of a pixel that is all leaf."""
    ground: str
    """Key of SPECTRA: the material of a pixel without leaf."""
    months: tuple[float, ...]
    """NDVI in the middle of January to December; one number if it is always the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A path and row from which the place is seen."""

    path: int
    """WRS-2 path."""
    row: int
    """WRS-2 row."""
    fill_from: tuple[int, int] | None = None
    """Where the scene ends near the place: pixels (south, east) from the place to the nearest
    point of its edge; None if the edge is far away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A demonstration place and the land around it."""

    id: str
    """Place id; the field has the same with "-field"."""
    name: str
    """For people."""
    longitude: float
    """Degrees east."""
    latitude: float
    """Degrees north."""
    field: tuple[tuple[tuple[float, float], ...], ...]
    """Rings of the field's polygon, left open: the exterior, counter-clockwise, then holes,
    clockwise; longitude and latitude."""
    epsg: int
    """UTM zone in which the scenes are delivered."""
    views: tuple[View, ...]
    """Paths and rows that see the place."""
    covers: Mapping[str, Cover]
    """The kinds of land by name."""
    terrain: tuple[tuple[str, float], ...]
    """Covers from the highest ground to the lowest with their share of the area; FARMLAND is
    divided into parcels."""
    parcels: tuple[tuple[str, float], ...]
    """Covers of the parcels and their shares; the place and the field are of the first."""
    relief: float
    """How steep the land is: standard deviation of the slope outside farmland."""
    river: float
    """Width of the river in pixels; 0 for none."""
    vigour: float
    """Standard deviation between years of what NDVI rises above its least, relative."""
    cloud: tuple[int, ...]
    """Mean cloud cover in percent, January to December."""
    cirrus: float
    """Share of dates with some thin cirrus."""
    snow: float = 0.0
    """Share of dates from December to February with snow on the higher ground."""


FARMLAND: Final = "farmland"
"""In ``Region.terrain``: land that is divided into parcels."""

REGIONS: Final = (
    Region(
        id="coffee-triangle",
        name="Colombian Coffee Triangle",
        longitude=-75.6816,
        latitude=5.4716,
        field=(
            (
                *((-75.68630, 5.47322), (-75.68666, 5.47168), (-75.68539, 5.47006)),
                *((-75.68331, 5.47060), (-75.68305, 5.47268), (-75.68431, 5.47395)),
            ),
        ),
        epsg=32618,
        views=(View(path=9, row=56),),
        covers={
            "coffee": Cover(
                green="coffee",
                ground="red soil",
                months=(0.75, 0.71, 0.70, 0.74, 0.79, 0.80, 0.76, 0.72, 0.71, 0.74, 0.77, 0.77),
            ),
            "pasture": Cover(
                green="crop",
                ground="red soil",
                months=(0.62, 0.56, 0.57, 0.66, 0.72, 0.70, 0.62, 0.56, 0.57, 0.66, 0.72, 0.68),
            ),
            "plantain": Cover(
                green="crop",
                ground="red soil",
                months=(0.71, 0.66, 0.65, 0.69, 0.74, 0.75, 0.72, 0.67, 0.66, 0.70, 0.75, 0.74),
            ),
            "forest": Cover(green="forest", ground="red soil", months=(0.84,)),
            "water": Cover(green="water", ground="water", months=(-0.27,)),
        },
        terrain=(("forest", 0.34), (FARMLAND, 0.66)),
        parcels=(("coffee", 0.54), ("pasture", 0.22), ("plantain", 0.12), ("forest", 0.12)),
        relief=0.16,
        river=2.0,
        vigour=0.15,
        cloud=(54, 58, 66, 72, 68, 60, 52, 55, 64, 72, 72, 60),
        cirrus=0.25,
    ),
    Region(
        id="napa-valley",
        name="Napa Valley, California",
        longitude=-122.2868,
        latitude=38.2975,
        field=(
            (
                *((-122.28395, 38.29640), (-122.27857, 38.29691), (-122.27889, 38.29907)),
                *((-122.28141, 38.29882), (-122.28173, 38.30125), (-122.28459, 38.30100)),
            ),
        ),
        epsg=32610,
        views=(View(path=44, row=33), View(path=44, row=34), View(path=45, row=33)),
        covers={
            "vineyard": Cover(
                green="vine",
                ground="brown soil",
                months=(0.46, 0.52, 0.50, 0.41, 0.47, 0.58, 0.63, 0.61, 0.55, 0.45, 0.34, 0.38),
            ),
            "orchard": Cover(
                green="crop",
                ground="brown soil",
                months=(0.36, 0.40, 0.50, 0.64, 0.72, 0.75, 0.74, 0.71, 0.66, 0.56, 0.42, 0.36),
            ),
            "grass": Cover(
                green="crop",
                ground="straw",
                months=(0.54, 0.63, 0.69, 0.64, 0.46, 0.31, 0.25, 0.23, 0.22, 0.22, 0.27, 0.41),
            ),
            "oak": Cover(
                green="forest",
                ground="straw",
                months=(0.61, 0.64, 0.68, 0.71, 0.70, 0.66, 0.62, 0.59, 0.57, 0.56, 0.57, 0.59),
            ),
            "conifer": Cover(green="conifer", ground="brown soil", months=(0.77,)),
            "town": Cover(
                green="crop",
                ground="roofs",
                months=(0.33, 0.36, 0.38, 0.38, 0.36, 0.33, 0.31, 0.30, 0.29, 0.28, 0.28, 0.30),
            ),
            "water": Cover(green="water", ground="water", months=(-0.27,)),
        },
        terrain=(
            ("conifer", 0.08),
            ("oak", 0.16),
            ("grass", 0.18),
            (FARMLAND, 0.5),
            ("town", 0.08),
        ),
        parcels=(
            ("vineyard", 0.66),
            ("orchard", 0.1),
            ("grass", 0.16),
            ("oak", 0.04),
            ("town", 0.04),
        ),
        relief=0.14,
        river=2.5,
        vigour=0.12,
        cloud=(50, 46, 40, 32, 24, 12, 8, 8, 10, 20, 38, 50),
        cirrus=0.15,
        snow=0.05,
    ),
    Region(
        id="death-valley",
        name="Death Valley, California",
        longitude=-116.9325,
        latitude=36.5322,
        field=(
            (
                *((-116.94032, 36.52770), (-116.93418, 36.52715), (-116.93317, 36.53076)),
                *((-116.93607, 36.53301), (-116.94099, 36.53184)),
            ),
            (
                *((-116.93786, 36.52923), (-116.93775, 36.53049), (-116.93608, 36.53040)),
                (-116.93619, 36.52914),
            ),
        ),
        epsg=32611,
        views=(
            View(path=40, row=35),
            View(path=40, row=34, fill_from=(34, 5)),
            View(path=41, row=35, fill_from=(-4, 22)),
        ),
        covers={
            "fan": Cover(
                green="scrub",
                ground="gravel",
                months=(
                    0.082,
                    0.086,
                    0.094,
                    0.092,
                    0.086,
                    0.081,
                    0.079,
                    0.078,
                    0.078,
                    0.078,
                    0.079,
                    0.080,
                ),
            ),
            "scrub": Cover(
                green="scrub",
                ground="gravel",
                months=(
                    0.102,
                    0.112,
                    0.130,
                    0.128,
                    0.114,
                    0.104,
                    0.099,
                    0.097,
                    0.096,
                    0.096,
                    0.097,
                    0.099,
                ),
            ),
            "rock": Cover(green="scrub", ground="dark gravel", months=(0.082,)),
            "salt": Cover(green="scrub", ground="salt", months=(0.036,)),
        },
        terrain=(("rock", 0.24), ("scrub", 0.2), ("fan", 0.34), ("salt", 0.22)),
        parcels=(("fan", 1.0),),
        relief=0.2,
        river=0.0,
        vigour=0.5,
        cloud=(18, 17, 14, 10, 8, 4, 6, 6, 5, 6, 10, 16),
        cirrus=0.12,
    ),
    Region(
        id="sula-vineyards",
        name="Sula Vineyards, Maharashtra",
        longitude=73.6885,
        latitude=20.0068,
        field=(
            (
                *((73.68997, 20.00302), (73.69226, 20.00267), (73.69311, 20.00458)),
                *((73.69204, 20.00583), (73.69043, 20.00510)),
            ),
        ),
        epsg=32643,
        views=(View(path=147, row=46),),
        covers={
            "vineyard": Cover(
                green="vine",
                ground="black soil",
                months=(0.57, 0.50, 0.37, 0.27, 0.31, 0.43, 0.60, 0.68, 0.67, 0.56, 0.54, 0.59),
            ),
            "one crop": Cover(
                green="crop",
                ground="black soil",
                months=(0.28, 0.24, 0.22, 0.21, 0.20, 0.27, 0.52, 0.73, 0.74, 0.55, 0.38, 0.32),
            ),
            "two crops": Cover(
                green="crop",
                ground="black soil",
                months=(0.64, 0.60, 0.38, 0.23, 0.21, 0.26, 0.47, 0.67, 0.64, 0.38, 0.37, 0.55),
            ),
            "scrub": Cover(
                green="scrub",
                ground="red soil",
                months=(0.30, 0.27, 0.25, 0.24, 0.24, 0.32, 0.49, 0.58, 0.60, 0.52, 0.42, 0.34),
            ),
            "town": Cover(
                green="crop",
                ground="roofs",
                months=(0.24, 0.22, 0.20, 0.19, 0.19, 0.23, 0.31, 0.38, 0.38, 0.34, 0.29, 0.26),
            ),
            "water": Cover(green="water", ground="water", months=(-0.27,)),
        },
        terrain=(("scrub", 0.24), (FARMLAND, 0.6), ("town", 0.06), ("water", 0.1)),
        parcels=(("vineyard", 0.28), ("one crop", 0.37), ("two crops", 0.27), ("scrub", 0.08)),
        relief=0.08,
        river=0.0,
        vigour=0.10,
        cloud=(8, 6, 8, 10, 16, 72, 92, 92, 66, 30, 18, 12),
        cirrus=0.2,
    ),
)
"""In the order of the 2018 workshop that this archive remembers."""


def demo_places() -> dict[str, Any]:
    """The four places, each as a point and as a field, as a GeoJSON FeatureCollection."""
    return {"type": "FeatureCollection", "features": [f for r in REGIONS for f in features(r)]}


def features(region: Region) -> list[dict[str, Any]]:
    """The point and the field of a region as GeoJSON features."""
    rings = [[[x, y] for x, y in (*ring, ring[0])] for ring in region.field]
    shapes = {
        region.id: {"type": "Point", "coordinates": [region.longitude, region.latitude]},
        f"{region.id}-field": {"type": "Polygon", "coordinates": rings},
    }
    names = (region.name, f"{region.name} (field)")
    return [
        {
            "type": "Feature",
            "id": key,
            "properties": {"name": name, "cover": region.parcels[0][0]},
            "geometry": geometry,
        }
        for name, (key, geometry) in zip(names, shapes.items(), strict=True)
    ]

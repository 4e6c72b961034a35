"""What the collections and the archives are, as data: a new one is a few lines in a table here.

COLLECTIONS   what the numbers of a product mean, under every id that catalogs give it
ARCHIVES      where products are listed, how their files are reached, what that costs
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from fieldwren.archive.stores import credentials_found
from fieldwren.errors import OptionError, public_href

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ARCHIVES",
    "COLLECTIONS",
    "LOGIN_NEEDED",
    "Archive",
    "Collection",
    "Kind",
    "Layout",
    "Offer",
    "Source",
    "identify",
    "layout",
    "resolve_archive",
]

Kind = Literal["api", "document", "geoparquet", "demo"]
"""A STAC API; JSON (a static catalog, an item collection, items, a folder of them); a
stac-geoparquet file; the embedded archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the files of a collection typically lie, for estimates; readers look into the file."""

    gsd: float
    """Metres per pixel of the red band."""
    tile: int
    """Pixels along the side of a tile of the file."""
    bytes_per_pixel: float
    """Compressed, of a spectral band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What the files of one product are, whichever catalog lists them."""

    family: str
    """Name for people; collections of one family hold the same acquisitions."""
    sensor: str
    """What ``--sensor`` calls it."""
    ids: tuple[str, ...]
    """What catalogs call it."""
    product: str
    """Pattern of the producer's product names, by which an item is recognised where the collection
    id is unknown. Its groups, each optional, are read from item ids and hrefs: ``unit`` (number or
    letter of the satellite), ``tile``, ``baseline`` and ``processed`` (date of processing)."""
    platform: str = ""
    """Name of the satellite, ``{}`` standing for the unit in the product name."""
    platforms: tuple[str, ...] = ()
    """Only these satellites; empty: all."""
    unusable: str = ""
    """Why fieldwren does not use the product."""
    bands: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Asset keys by band, in order of preference; "qa" is the quality band."""
    scale: float = 1.0
    """Reflectance = digital number * scale + offset, of every band but "qa"."""
    offset: float = 0.0
    """See scale."""
    offset_since: str = ""
    """Processing baseline from which the offset is in the numbers; before it, it is 0."""
    offset_removed: tuple[str, ...] = ()
    """Item properties that say, when true, that the archive has taken it out of the pixels."""
    nodata: float | None = None
    """Digital number of a pixel without data, of every band but "qa"."""
    quality: str = ""
    """Encoding of the quality band, a key of ``pixels.masks.ENCODINGS``."""
    layout: Layout = field(default_factory=lambda: _UNKNOWN_LAYOUT)
    """For estimates."""


_UNKNOWN_LAYOUT: Final = Layout(gsd=10.0, tile=512, bytes_per_pixel=1.2)

_LANDSAT_IDS: Final = ("landsat-c2-l2", "landsat-c2l2-sr", "landsat-8-c2-l2", "landsat-9-c2-l2")


def _landsat(
    *, family: str, product: str, platforms: tuple[str, ...], **numbers: int
) -> Collection:
    """Landsat Collection 2 Level 2 of the satellites whose bands have these numbers.

    Scale, offset and fill: USGS Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619).
    Catalogs name an asset by its common name, or by its number, which depends on the sensor.
    """
    names = {band: "nir08" if band == "nir" else band for band in (*numbers, "nir08")}
    numbers |= {"nir08": numbers["nir"]}
    bands = {b: (names[b], f"SR_B{n}", f"SR_B{n}.TIF") for b, n in numbers.items()}
    return Collection(
        family=family,
        sensor="landsat",
        ids=_LANDSAT_IDS,
        product=product + r"_L2S[PR]_(?P<tile>\d{6})_\d{8}(?:_(?P<processed>\d{8}))?_02_",
        platform="landsat-{}",
        platforms=platforms,
        bands=bands | {"qa": ("qa_pixel", "QA_PIXEL", "QA_PIXEL.TIF")},
        scale=0.0000275,
        offset=-0.2,
        nodata=0,
        quality="qa_pixel",
        layout=Layout(gsd=30.0, tile=256, bytes_per_pixel=1.14),
    )


_SENTINEL_2: Final = Collection(
    family="Sentinel-2 Level 2A",
    sensor="sentinel-2",
    ids=("sentinel-2-l2a", "sentinel-s2-l2a-cogs", "sentinel-s2-l2a"),
    product=(
        r"S2(?P<unit>[A-D])_(?:MSIL2A_\d{8}T\d{6}_(?:N(?P<baseline>\d{4})_)?R\d{3}"
        r"_T(?P<tile>\d\d[A-Z]{3})_(?P<processed>\d{8}T\d{6})|OPER_MSI_L2A_TL_|\w+_L2A\b)"
    ),
    platform="sentinel-2{}",
    bands={
        "blue": ("blue", "B02", "B02_10m"),
        "green": ("green", "B03", "B03_10m"),
        "red": ("red", "B04", "B04_10m"),
        "rededge1": ("rededge1", "B05", "B05_20m"),
        "rededge2": ("rededge2", "B06", "B06_20m"),
        "rededge3": ("rededge3", "B07", "B07_20m"),
        "nir": ("nir", "B08", "B08_10m"),
        "nir08": ("nir08", "B8A", "B8A_20m"),
        "swir16": ("swir16", "B11", "B11_20m"),
        "swir22": ("swir22", "B12", "B12_20m"),
        "qa": ("scl", "SCL", "SCL_20m"),
    },
    scale=0.0001,
    # ESA adds 1000 to the numbers from processing baseline 04.00 (2022-01-25) on. Planetary
    # Computer and Copernicus keep it so; Earth Search has taken it out of most of sentinel-2-l2a,
    # though the raster:bands of the same items still state the offset.
    offset=-0.1,
    offset_since="04.00",
    offset_removed=("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied"),
    nodata=0,
    quality="scl",
    layout=Layout(gsd=10.0, tile=1024, bytes_per_pixel=1.0),
)


def _hls(letter: str, ids: tuple[str, ...], **numbers: str) -> Collection:
    """Harmonized Landsat and Sentinel-2, version 2.0 (HLS Product User Guide v2.0)."""
    return Collection(
        family=f"HLS {letter}30",
        sensor="hls",
        ids=ids,
        product=rf"HLS\.{letter}30\.T(?P<tile>\d\d[A-Z]{{3}})\.\d{{7}}T\d{{6}}\.(?P<processed>v\d\.\d)",
        bands={band: (number,) for band, number in numbers.items()} | {"qa": ("Fmask",)},
        scale=0.0001,
        nodata=-9999,
        quality="fmask",
        layout=Layout(gsd=30.0, tile=256, bytes_per_pixel=1.2),
    )


_TOP_OF_ATMOSPHERE: Final = "it is a Level 1 product, which is not surface reflectance"

COLLECTIONS: Final[tuple[Collection, ...]] = (
    _landsat(
        family="Landsat Collection 2 Level 2",
        product=r"L[CO]0(?P<unit>[89])",
        platforms=("landsat-8", "landsat-9"),
        blue=2,
        green=3,
        red=4,
        nir=5,
        swir16=6,
        swir22=7,
    ),
    _landsat(
        family="Landsat Collection 2 Level 2",
        product=r"L[TE]0(?P<unit>[457])",
        platforms=("landsat-4", "landsat-5", "landsat-7"),
        blue=1,
        green=2,
        red=3,
        nir=4,
        swir16=5,
        swir22=7,
    ),
    _SENTINEL_2,
    # Collection 1 of ESA: reprocessed to baseline 05.00 or later, offset never taken out.
    replace(_SENTINEL_2, ids=("sentinel-2-c1-l2a",), offset_since="", offset_removed=()),
    _hls(
        "L",
        ("hls2-l30", "HLSL30_2.0", "HLSL30.v2.0"),
        blue="B02",
        green="B03",
        red="B04",
        nir="B05",
        nir08="B05",
        swir16="B06",
        swir22="B07",
    ),
    # B08 exists in S30 too, but only B8A is made to match Landsat's near infrared.
    _hls(
        "S",
        ("hls2-s30", "HLSS30_2.0", "HLSS30.v2.0"),
        blue="B02",
        green="B03",
        red="B04",
        rededge1="B05",
        rededge2="B06",
        rededge3="B07",
        nir="B8A",
        nir08="B8A",
        swir16="B11",
        swir22="B12",
    ),
    Collection(
        family="Landsat Level 1",
        sensor="landsat",
        ids=("landsat-c2-l1", "landsat-c2l1", "landsat-8-l1", "landsat-8-l1-c1"),
        product=r"L[COTEM]0\d_L1\w\w_\d{6}_",
        unusable=_TOP_OF_ATMOSPHERE,
    ),
    Collection(
        family="Sentinel-2 Level 1C",
        sensor="sentinel-2",
        ids=("sentinel-2-l1c", "sentinel-s2-l1c"),
        product=r"_MSIL1C_|_MSI_L1C_|S2[A-D]_\w+_L1C\b",
        unusable=_TOP_OF_ATMOSPHERE,
    ),
)
"""Where ids are the same, the product name or the satellite decides, then the order."""


def identify(collection: str, *, platform: str = "", names: str = "") -> Collection | None:
    """What an item is.

    Args:
        collection: Id of its STAC collection, or "".
        platform: The satellite in our spelling, or "".
        names: Text in which product names may occur: item ids, hrefs.

    Returns:
        None where neither the id nor a product name is known.
    """
    listed = [c for c in COLLECTIONS if collection in c.ids]
    named = [c for c in listed or COLLECTIONS if re.search(c.product, names)]
    flown = [c for c in listed if platform in c.platforms]
    return next(iter(named or flown or listed), None)


def layout(collection: str) -> Layout:
    """How the files of a collection typically lie; a cautious guess where its id is unknown."""
    known = identify(collection)
    return known.layout if known else _UNKNOWN_LAYOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an archive has of one sensor."""

    collections: tuple[str, ...]
    """Collection ids, in order of preference; all are searched, so that one fills another's
    holes."""
    access: str
    """How its files are reached, a key of ``archive.access.ACCESS``."""
    cost: str
    """For people: what reading costs and needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A public STAC API and what it offers."""

    title: str
    """For people."""
    url: str
    """Landing page of the API."""
    offers: Mapping[str, Offer]
    """By sensor."""


_REQUESTER_PAYS: Final = (
    "needs AWS credentials; AWS bills you 0.0004 USD per 1,000 requests and about 0.09 USD per GB,"
    " nothing per GB inside us-west-2"
)
_SIGNED: Final = "free; signed anonymously for 45 minutes at a time; best from Azure West Europe"

ARCHIVES: Final[Mapping[str, Archive]] = {
    "earth-search": Archive(
        title="Earth Search of Element 84, on AWS",
        url="https://earth-search.aws.element84.com/v1",
        offers={
            "landsat": Offer(
                collections=("landsat-c2-l2",), access="usgs-landsat", cost=_REQUESTER_PAYS
            ),
            "sentinel-2": Offer(
                collections=("sentinel-2-c1-l2a", "sentinel-2-l2a"),
                access="",
                cost="free, without an account; best from AWS us-west-2",
            ),
        },
    ),
    "planetary-computer": Archive(
        title="Planetary Computer of Microsoft, on Azure",
        url="https://planetarycomputer.microsoft.com/api/stac/v1",
        offers={
            "landsat": Offer(
                collections=("landsat-c2-l2",), access="planetary-computer", cost=_SIGNED
            ),
            "sentinel-2": Offer(
                collections=("sentinel-2-l2a",), access="planetary-computer", cost=_SIGNED
            ),
            "hls": Offer(
                collections=("hls2-l30", "hls2-s30"), access="planetary-computer", cost=_SIGNED
            ),
        },
    ),
    "landsatlook": Archive(
        title="LandsatLook of the USGS, on AWS",
        url="https://landsatlook.usgs.gov/stac-server",
        offers={
            "landsat": Offer(
                collections=("landsat-c2l2-sr",), access="usgs-landsat", cost=_REQUESTER_PAYS
            ),
        },
    ),
}
"""By the name that ``--archive`` takes. Of the archives that offer a sensor the first whose files
can be reached is the default."""

_JSON: Final = (".json", ".geojson", ".ndjson", ".jsonl")

LOGIN_NEEDED: Final[Mapping[str, str]] = {
    "https://landsatlook.usgs.gov/data/": "s3://usgs-landsat/",
}
"""Hrefs behind a login page, by how they begin, and where the same file lies without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where scenes are looked for."""

    name: str
    """Of the archive, or the URL or path itself; ``Scene.archive`` repeats it."""
    kind: Kind
    """How it is read."""
    href: str
    """Landing page, document, file or folder; "" for the embedded archive until it is made."""
    local: bool = False
    """Whether it lies on this machine, so that its hrefs may point to files here."""
    access: str = ""
    """How its files are reached, where their hrefs do not tell; a key of
    ``archive.access.ACCESS``."""
    collections: tuple[str, ...] = ()
    """Which to search; empty: whatever is there and is known."""
    sensor: str = "landsat"
    """Narrows an API of which no collections are named."""
    reason: str = "asked for"
    """For people: why it was chosen and what reading costs."""


def resolve_archive(
    archive: str | None, sensor: str = "landsat", collections: Sequence[str] = ()
) -> Source:
    """Decide where to look for scenes.

    Args:
        archive: A key of ARCHIVES, "demo", the URL of a STAC API, or the URL or path of a static
            catalog, an item collection, a stac-geoparquet file or a folder of items. None: the
            first archive that offers the sensor and whose files can be reached from here.
        sensor: "landsat", "sentinel-2" or "hls".
        collections: Ids to search instead of the archive's own choice.

    Raises:
        OptionError: There is no such archive, sensor or file.
    """
    if archive == "demo":
        if sensor != "landsat":
            raise OptionError(f"--archive demo has landsat only, not {sensor}: leave out --sensor")
        return Source(
            name="demo",
            kind="demo",
            href="",
            local=True,
            access="local",
            collections=tuple(collections),
            reason="simulated scenes, made on this machine without network",
        )
    if archive is None:
        return _default(sensor, tuple(collections))
    known = {a.url: name for name, a in ARCHIVES.items()} | {name: name for name in ARCHIVES}
    name = known.get(archive.rstrip("/"))
    if name:
        return _public(name, sensor, tuple(collections), "asked for")
    return _own(archive, sensor, tuple(collections))


def _default(sensor: str, collections: tuple[str, ...]) -> Source:
    """The first archive that offers the sensor and needs no more than what is here."""
    offers = {name: a.offers[sensor] for name, a in ARCHIVES.items() if sensor in a.offers}
    if not offers:
        known = sorted({s for a in ARCHIVES.values() for s in a.offers})
        raise OptionError(f"--sensor {sensor} is not known; give one of {', '.join(known)}")
    for name, offer in offers.items():
        if found := credentials_found(offer.access):
            why = "needs no account" if found == "none needed" else f"can be read with {found}"
            return _public(name, sensor, collections, f"the first that {why}")
    return _public(next(iter(offers)), sensor, collections, "the only one")


def _public(name: str, sensor: str, collections: tuple[str, ...], why: str) -> Source:
    archive = ARCHIVES[name]
    if sensor not in archive.offers:
        raise OptionError(
            f"--archive {name} has no {sensor}, only {' and '.join(archive.offers)}; change"
            " --sensor or --archive"
        )
    offer = archive.offers[sensor]
    return Source(
        name=name,
        kind="api",
        href=archive.url,
        access=offer.access,
        collections=collections or offer.collections,
        sensor=sensor,
        reason=f"{archive.title}, {why}; {offer.cost}",
    )


def _own(href: str, sensor: str, collections: tuple[str, ...]) -> Source:
    """A catalog of the user's."""
    local = "://" not in href
    if local and not Path(href).exists():
        raise OptionError(
            f"--archive {href}: there is no such file or folder; give a path, a URL or one of"
            f" {', '.join([*ARCHIVES, 'demo'])}"
        )
    path = public_href(href).lower()
    kind: Kind = "document"
    if path.endswith((".parquet", ".geoparquet")):
        kind = "geoparquet"
    elif path.startswith("http") and not path.endswith(_JSON):
        kind = "api"
    return Source(
        name=public_href(href),
        kind=kind,
        href=href,
        local=local,
        access="local" if local else "",
        collections=collections,
        sensor=sensor,
    )

"""Reads what the own decoder cannot, with rasterio: JPEG, JPEG 2000, LERC and the like.

GDAL runs in threads of its own and gets its bytes through :class:`~fieldwren.archive.access.Access`
like everything else, so that the same bounds, retries and credentials hold. It may open the formats
named here and no others: some formats of GDAL point to other files.
"""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np

from fieldwren.archive.stores import locate
from fieldwren.errors import ReadError, UnsupportedError, public_href
from fieldwren.pixels.tiff import TiffIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fieldwren.archive.access import Access, Meter
    from fieldwren.archive.stores import Location

__all__ = ["Pick", "Window", "check_installed", "describe", "is_jpeg2000", "read_windows"]

T = TypeVar("T")
Window = tuple[int, int, int, int]
"""(row0, row1, col0, col1): rows and columns of the image, the second of each not included."""
Pick: TypeAlias = "Callable[[int, NDArray[Any]], NDArray[Any]]"

BLOCK: Final = 2**20
"""Bytes per request."""
BLOCKS: Final = 16
"""Blocks kept while a file is read."""

JPEG2000: Final = "JPEG 2000"
"""What :func:`describe` says is unsupported; a TIFF says what it holds, "... compression"."""

_OPTIONS: Final[dict[str, Any]] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
}
_SIGNATURES: Final = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


def is_jpeg2000(start: bytes) -> bool:
    """Whether a file that begins so is JPEG 2000, boxed or bare."""
    return start.startswith(_SIGNATURES)


def check_installed(href: str, layout: str) -> None:
    """Make sure that rasterio is there.

    Raises:
        UnsupportedError: It is not.
    """
    if find_spec("rasterio") is None:
        raise UnsupportedError(
            f"{public_href(href)}: {layout} needs an extra to be read:"
            ' pip install "fieldwren[fallback]"',
            href=href,
        )


async def describe(access: Access, href: str, meter: Meter) -> TiffIndex:
    """The index of a file that is no TIFF: the same facts, but no tables of tiles.

    Raises:
        ReadError: The file cannot be read.
    """

    def read(dataset: Any) -> TiffIndex:
        if dataset.crs is None or dataset.transform.is_identity:
            words = "does not say where on Earth its pixels lie"
            raise ReadError(f"{public_href(href)}: {words}", href=href)
        height, width = dataset.block_shapes[0]
        none = np.zeros(0, np.uint64)
        return TiffIndex(
            width=dataset.width,
            height=dataset.height,
            tile_width=width,
            tile_height=height,
            samples=dataset.count,
            stride=1,
            dtype=np.dtype(dataset.dtypes[0]),
            compression=0,
            predictor=1,
            offsets=none,
            counts=none,
            transform=tuple(dataset.transform)[:6],
            crs=_crs(dataset.crs),
            nodata=dataset.nodata,
            scale=None if dataset.scales[0] == 1.0 else dataset.scales[0],
            offset=None if dataset.offsets[0] == 0.0 else dataset.offsets[0],
            unsupported=JPEG2000,
        )

    return await _with_dataset(access, href, meter, layout=JPEG2000, do=read)


def _crs(crs: Any) -> str | None:
    """EPSG code or WKT; GDAL's guess of a code may be of another datum."""
    code = crs.to_epsg(confidence_threshold=100) if crs else None
    return f"EPSG:{code}" if code else crs and crs.to_wkt()


async def read_windows(
    access: Access,
    href: str,
    meter: Meter,
    *,
    layout: str,
    windows: Sequence[Window],
    pick: Pick,
) -> list[NDArray[Any]]:
    """Read parts of band 1, one at a time.

    Args:
        access: How to get the bytes.
        href: The file.
        meter: Counts the costs.
        layout: ``TiffIndex.unsupported`` of the file.
        windows: The parts.
        pick: Is given each part's number and pixels, shape (rows, columns), and returns what to
            keep of it; called in a thread.

    Raises:
        ReadError: The file cannot be read.
    """

    def read(dataset: Any) -> list[NDArray[Any]]:
        return [
            pick(number, dataset.read(1, window=((row0, row1), (col0, col1))))
            for number, (row0, row1, col0, col1) in enumerate(windows)
        ]

    return await _with_dataset(access, href, meter, layout=layout, do=read)


async def _with_dataset(
    access: Access, href: str, meter: Meter, *, layout: str, do: Callable[[Any], T]
) -> T:
    """Do something with the open dataset, in a thread."""
    loop = asyncio.get_running_loop()
    location = locate(href, access.kind)
    blocks = None
    if location.scheme != "local":
        start = await access.get_start(href, BLOCK, meter)

        def fetch(position: int) -> bytes:
            reading = access.get_range(href, position, BLOCK, meter)
            return bytes(asyncio.run_coroutine_threadsafe(reading, loop).result())

        blocks = _Blocks(fetch, start.size, bytes(start.data))
    return await loop.run_in_executor(_threads(), _run, location, blocks, layout, do)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, thread_name_prefix="gdal")


def _run(location: Location, blocks: _Blocks | None, layout: str, do: Callable[[Any], T]) -> T:
    import rasterio  # noqa: PLC0415 - an extra, and half a second to import
    from rasterio.errors import RasterioError  # noqa: PLC0415 - see above

    driver = "JP2OpenJPEG" if layout == JPEG2000 else "GTiff"
    opener = None if blocks is None else blocks.open
    try:
        with (
            rasterio.Env(**_OPTIONS),
            rasterio.open(location.path, driver=driver, opener=opener) as dataset,
        ):
            return do(dataset)
    except RasterioError as error:
        if blocks is not None and blocks.error:
            raise blocks.error from None  # GDAL only knows that it got no bytes
        words = "GDAL cannot read it; store the file anew"
        raise ReadError(f"{location.href}: {words}", href=location.href) from error


class _Blocks:
    """The blocks of a remote file, of which the last ones used are kept."""

    def __init__(self, fetch: Callable[[int], bytes], size: int, start: bytes) -> None:
        self.size = size
        self.error: ReadError | None = None
        self._fetch = fetch
        self._blocks = OrderedDict({0: start})

    def open(self, _: str, **__: str) -> _BlockFile:
        """Called by rasterio with a path and a mode, at least once."""
        return _BlockFile(self)

    def get(self, number: int) -> bytes:
        """A block; b"" where it cannot be had, which ``error`` explains."""
        if number not in self._blocks:
            try:
                self._blocks[number] = self._fetch(number * BLOCK)
            except ReadError as error:
                self.error = error
                return b""
        self._blocks.move_to_end(number)
        while len(self._blocks) > BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number]


class _BlockFile(io.RawIOBase):
    """Blocks as the file that GDAL wants."""

    def __init__(self, blocks: _Blocks) -> None:
        self._blocks = blocks
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._blocks.size)[whence]
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = self._blocks.size if size < 0 else min(self._position + size, self._blocks.size)
        parts: list[bytes] = []
        while self._position < end:
            number, offset = divmod(self._position, BLOCK)
            part = self._blocks.get(number)[offset : offset + end - self._position]
            if not part:
                break
            parts.append(part)
            self._position += len(part)
        return b"".join(parts)

"""Chips: one scene's index over a window, as a picture for people or a raster for programs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import numpy as np
import pyproj

from fieldwren.archive.access import read_bytes
from fieldwren.errors import MissingExtraError, OptionError, ReadError
from fieldwren.pixels.cog import write_cog
from fieldwren.present import style

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldwren.chip import Chip
    from fieldwren.model import Scene

__all__ = ["chip_png", "chip_tif", "write_chip"]

_DPI: Final = 100
_LONGEST: Final = 1200  # all in pixels: the longer side of the picture, at most
_NARROWEST, _LOWEST = 640, 260  # space for it, at least
_LEGEND, _TITLE = 112, 40  # beside and above it


def write_chip(chip: Chip, path: Path, *, scene: Scene, index: str) -> list[Path]:
    """Write a chip, and beside it the scene's thumbnail where the archive has one.

    Args:
        chip: the pixels.
        path: ``.png`` for people, ``.tif`` for programs.
        scene: where the pixels come from.
        index: what they are, such as "ndvi".

    Returns:
        The files written.

    Raises:
        OptionError: the ending is neither, or the scene's CRS has no code for a ``.tif``.
        MissingExtraError: a ``.png`` is asked for and matplotlib is not installed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() in {".tif", ".tiff"}:
        chip_tif(chip, path, description=f"{index} of {scene.id}")
    elif path.suffix.lower() == ".png":
        made_up = "  SIMULATED" if scene.simulated else ""
        title = f"{index.upper()} {scene.datetime:%Y-%m-%d}  {scene.id}{made_up}"
        chip_png(chip.values, path, index=index, title=title)
    else:
        raise OptionError(
            f"a chip is written as .png or .tif, not as {path.name}: change its ending"
        )
    return [path, *_thumbnail(scene, path)]


def chip_png(
    values: NDArray[np.floating[Any]],
    path: Path,
    *,
    index: str,
    title: str = "",
) -> None:
    """Write a picture with the colours of all pictures, a legend, and grey where nothing is known.

    Args:
        values: shape (rows, columns), NaN where there is no value. Small chips are enlarged by a
            whole factor; of large ones every n-th pixel is shown.
        path: the file to write.
        index: gives the range of the colours and their name.
        title: untrusted text.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - optional
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("chips as .png", "pictures") from error

    step = -(-max(values.shape) // _LONGEST)
    shown = values[::step, ::step]
    factor = max(1, _LONGEST // max(shown.shape))
    shown = shown.repeat(factor, axis=0).repeat(factor, axis=1)
    scale = style.value_range(index, shown[np.isfinite(shown)].tolist())
    height, width = shown.shape
    total = (max(width, _NARROWEST) + _LEGEND, max(height, _LOWEST) + _TITLE)
    figure = Figure(figsize=(total[0] / _DPI, total[1] / _DPI), dpi=_DPI, facecolor="white")
    figure.figimage(scale.image(shown), 0, total[1] - _TITLE - height, origin="upper")

    ramp = np.linspace(scale.high, scale.low, _LOWEST - 60)[:, None].repeat(18, axis=1)
    left, top = total[0] - _LEGEND + 20, total[1] - _TITLE - 10
    figure.figimage(scale.image(ramp), left, top - len(ramp), origin="upper")
    look: dict[str, Any] = {"fontsize": 9, "color": style.INK, "va": "center", "parse_math": False}
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = scale.low + share * (scale.high - scale.low)
        y = top - len(ramp) * (1 - share)
        figure.text((left + 26) / total[0], y / total[1], f"{value:.2g}", **look)
    absent = np.full((18, 18), np.nan)
    figure.figimage(scale.image(absent), left, top - len(ramp) - 30, origin="upper")
    figure.text((left + 26) / total[0], (top - len(ramp) - 21) / total[1], "no value", **look)
    look["fontsize"] = 11
    figure.text(10 / total[0], 1 - 20 / total[1], style.clean_name(title), **look)
    FigureCanvasAgg(figure).print_png(path)


def chip_tif(chip: Chip, path: Path, *, description: str = "") -> None:
    """Write a chip as a float32 Cloud-Optimized GeoTIFF on the scene's own pixels; NaN is nodata.

    Raises:
        OptionError: the chip's CRS has no EPSG code.
    """
    crs = pyproj.CRS(chip.crs)
    epsg = crs.to_epsg()
    if epsg is None:
        raise OptionError(f"{path.name}: the scene's CRS has no EPSG code; write a .png instead")
    write_cog(
        path,
        chip.values.astype(np.float32),
        transform=chip.transform,
        epsg=epsg,
        geographic=crs.is_geographic,
        nodata=float("nan"),
        predictor=3,
        overviews=True,
        description=description,
    )


def _thumbnail(scene: Scene, path: Path) -> list[Path]:
    """The archive's own picture of the whole scene; a chip is a chip without it, too."""
    if scene.thumbnail is None:
        return []
    ending = PurePosixPath(urlsplit(scene.thumbnail).path).suffix.lower()
    if ending not in {".png", ".jpg", ".jpeg", ".webp"}:
        return []
    target = path.with_name(f"{path.stem}-thumbnail{ending}")
    with suppress(ReadError):
        target.write_bytes(read_bytes(scene.thumbnail, local_allowed=False, kind=scene.access))
        return [target]
    return []

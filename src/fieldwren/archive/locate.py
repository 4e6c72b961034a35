"""Where a scene's pixels lie, for items that do not say: the file header tells the CRS."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from fieldwren.archive.access import Access, Meter, run_apart
from fieldwren.archive.rasters import open_raster
from fieldwren.errors import AccessError, ReadError
from fieldwren.geometry import is_crs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldwren.model import ReadOptions, Scene

__all__ = ["with_crs"]

Verdict = tuple[str, str]
"""Status and reason of the rows of a scene that cannot be placed."""


def with_crs(
    scenes: Sequence[Scene], options: ReadOptions
) -> tuple[tuple[Scene, ...], dict[int, Verdict]]:
    """Give the scenes whose items state no CRS that of one of their files.

    Returns:
        The scenes in their order, and by position the verdict on those that have none still.
    """
    missing = [position for position, scene in enumerate(scenes) if scene.crs is None]
    if not missing:
        return tuple(scenes), {}
    located, lost = list(scenes), dict[int, Verdict]()
    answers = run_apart(_crs_of([scenes[position] for position in missing], options))
    for position, answer in zip(missing, answers, strict=True):
        if isinstance(answer, str):
            located[position] = replace(scenes[position], crs=answer)
        else:
            lost[position] = answer
    return tuple(located), lost


async def _crs_of(scenes: Sequence[Scene], options: ReadOptions) -> list[str | Verdict]:
    async with Access(options) as access:
        return await asyncio.gather(*(_crs(scene, access) for scene in scenes))


async def _crs(scene: Scene, access: Access) -> str | Verdict:
    asset = scene.assets.get("qa") or next(iter(scene.assets.values()))
    try:
        raster = await open_raster(access.of(scene.access), asset.href, Meter())
    except AccessError as error:
        return "no_access", str(error)
    except ReadError as error:
        return "read_error", str(error)
    crs = raster.index.crs
    if crs and is_crs(crs):
        return crs
    return "read_error", "neither its item nor its files say in which CRS it is"

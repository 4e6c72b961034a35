"""Where a scene's pixels lie, for items that do not say: the file header tells the CRS."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import pyproj
from pyproj.exceptions import ProjError

from fieldwren.archive.access import Access, Meter
from fieldwren.archive.rasters import open_raster
from fieldwren.errors import ReadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldwren.model import ReadOptions, Scene

__all__ = ["with_crs"]


def with_crs(scenes: Sequence[Scene], options: ReadOptions) -> tuple[Scene, ...]:
    """The scenes, those without a CRS given that of one of their files, where it can be had."""
    missing = [s for s in scenes if s.crs is None]
    if not missing:
        return tuple(scenes)
    found = dict(zip((id(s) for s in missing), asyncio.run(_crs_of(missing, options)), strict=True))
    return tuple(replace(s, crs=found[id(s)]) if id(s) in found else s for s in scenes)


async def _crs_of(scenes: Sequence[Scene], options: ReadOptions) -> list[str | None]:
    async with Access(options) as access:
        return await asyncio.gather(*(_crs(scene, access) for scene in scenes))


async def _crs(scene: Scene, access: Access) -> str | None:
    asset = scene.assets.get("qa") or next(iter(scene.assets.values()))
    try:
        raster = await open_raster(access.of(scene.access), asset.href, Meter())
    except ReadError:
        return None  # reading the scene will say why
    crs = raster.index.crs
    return crs if crs and _is_known(crs) else None


@lru_cache(maxsize=256)
def _is_known(crs: str) -> bool:
    try:
        pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    except ProjError:
        return False
    return True

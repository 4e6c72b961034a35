"""Digital numbers to surface reflectance, and the quality that the numbers themselves show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldwren.pixels.masks import Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldwren.model import Asset
    from fieldwren.pixels.tiff import TiffIndex

__all__ = ["calibrate"]


def calibrate(
    numbers: NDArray[Any], asset: Asset, file: TiffIndex
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Reflectance = number * scale + offset; scale, offset and nodata of the asset, else the file.

    Args:
        numbers: digital numbers, any shape.
        asset: what the sensor table or the item says of them.
        file: what the file's own tags say.

    Returns:
        Reflectance, and the quality of each number: CLEAR, FILL (nodata or NaN), SATURATED or
        INVALID (above or below the believable range), in the shape given.
    """
    scale = next((s for s in (asset.scale, file.scale) if s is not None), 1.0)
    offset = next((o for o in (asset.offset, file.offset) if o is not None), 0.0)
    nodata = asset.nodata if asset.nodata is not None else file.nodata
    physical = numbers.astype(np.float64)
    quality = np.full(physical.shape, Quality.CLEAR, dtype=np.uint8)
    if asset.valid_min is not None:
        quality[physical < asset.valid_min] = Quality.INVALID
    if asset.valid_max is not None:
        quality[physical > asset.valid_max] = Quality.SATURATED
    quality[np.isnan(physical) | (physical == nodata)] = Quality.FILL
    physical *= scale
    physical += offset
    return physical, quality

"""A panel of days and values on a figure, on which lines, marks and words are placed by hand.

The axes of matplotlib would draw the same in twice the time. More can be drawn into
``figure.axes[0]``: its x are days since 1970, which are matplotlib's dates, its y are values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fieldwren.present import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BOTTOM",
    "CLOUD_HEIGHT",
    "DPI",
    "GAP",
    "GRID",
    "LANE_HEIGHT",
    "LEFT",
    "MUTED",
    "RIGHT",
    "SHOWN",
    "SIZE",
    "TOP",
    "Panel",
]

SIZE: Final = (1500, 750)
"""Width and height of a picture in pixels."""
DPI: Final = 150
"""Dots per inch of it."""
LEFT, RIGHT, TOP, BOTTOM = 127, 1440, 649, 49
"""Sides of all panels together, in pixels from the lower left corner."""
LANE_HEIGHT, CLOUD_HEIGHT, GAP = 20, 56, 19
"""Of a lane of rejections, of the panel of cloud cover, and between panels; in pixels."""
SHOWN: Final = ("ok", "low_coverage", "outlier")
"""Statuses of the observations that are drawn as values."""
GRID: Final = "#d5dadf"
"""Lines of dates and values."""
MUTED: Final = "#5c6873"
"""Words that are not to stand out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The panel of values, and what hangs below it."""

    figure: Figure
    """What it is drawn on."""
    axes: Axes
    """x: days since 1970, y: the index."""
    dates: tuple[int, int]
    """First and last day."""
    scale: style.Scale
    """Least and greatest value."""
    bottom: int
    """Of the values, in pixels from below."""
    lanes: tuple[style.Lane, ...]
    """Lines of marks below it, from above."""

    @classmethod
    def of(cls, figure: Figure, rows: pd.DataFrame, index: str) -> Panel:
        """An empty panel for these observations."""
        lanes = tuple(lane for lane in style.LANES if rows["status"].isin(lane.statuses).any())
        bottom = BOTTOM + CLOUD_HEIGHT + GAP + (LANE_HEIGHT * len(lanes) + GAP if lanes else 0)
        box = (LEFT, bottom, RIGHT - LEFT, TOP - bottom)
        sides = np.array(box) / (*SIZE, *SIZE)
        dates = style.date_extent(rows["datetime"]) if len(rows) else (0, 1)
        scale = style.range_of_rows(rows, index, SHOWN)
        axes = figure.add_axes(tuple(sides.tolist()), xlim=dates, ylim=(scale.low, scale.high))
        axes.set_axis_off()
        return cls(figure=figure, axes=axes, dates=dates, scale=scale, bottom=bottom, lanes=lanes)

    def share(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Heights in pixels from below, as shares of the panel from its bottom."""
        return (np.asarray(pixels, float) - self.bottom) / (TOP - self.bottom)

    def line(self, x: ArrayLike, y: ArrayLike, **look: Any) -> None:
        """Draw a line, or marks, through days and values."""
        from matplotlib.lines import Line2D  # noqa: PLC0415 - optional

        self.axes.add_artist(Line2D(np.asarray(x), np.asarray(y), **look))

    def below(self, x: ArrayLike, y: ArrayLike, **look: Any) -> None:
        """As :meth:`line` through days and shares of the panel, also beneath it."""
        self.line(x, y, transform=self.axes.get_xaxis_transform(), clip_on=False, **look)

    def bars(self, x: NDArray[Any], low: ArrayLike, high: ArrayLike, **look: Any) -> None:
        """Draw an upright line at each day, between heights in pixels from below."""
        ends = np.broadcast_arrays(x, low, high, np.nan)
        day, bottom, top, nothing = ends
        xs = np.stack([day, day, nothing], axis=1).ravel()
        ys = np.stack([self.share(bottom), self.share(top), nothing], axis=1).ravel()
        look = {"solid_capstyle": "butt", "snap": True, "zorder": 1.5} | look
        self.below(xs, ys, **look)

    def say(self, words: str, x: float, y: float, **look: Any) -> Text:
        """Write at a point in pixels from the lower left corner."""
        return self.figure.text(x / SIZE[0], y / SIZE[1], words, parse_math=False, **look)

    def height(self, value: float) -> float:
        """Of a value, in pixels from below."""
        share = (value - self.scale.low) / (self.scale.high - self.scale.low)
        return self.bottom + share * (TOP - self.bottom)

    def grid(self) -> None:
        """Lines and words of dates and values."""
        first, last = self.dates
        ticks = style.date_ticks(first, last) if last - first > 1 else []
        self.bars(np.array([d for d, _ in ticks]), BOTTOM, TOP, color=GRID, lw=0.7, zorder=0.5)
        for day, words in ticks:
            x = LEFT + (day - first) / (last - first) * (RIGHT - LEFT)
            self.say(words, x, 34, fontsize=9, color=MUTED, ha="center", va="center_baseline")
        look = {"fontsize": 8, "color": MUTED, "ha": "right", "va": "center_baseline"}
        values = style.round_values(self.scale.low, self.scale.high)
        digits = max(len(f"{value:g}".partition(".")[2]) for value in values)
        for value in values:
            self.line(self.dates, [value] * 2, color=GRID, lw=0.7, zorder=0.5)
            words = f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
            self.say(words, LEFT - 9, self.height(value), **look)

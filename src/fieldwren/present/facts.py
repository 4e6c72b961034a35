"""What is true of a whole run, as pictures and the report say it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fieldwren.pixels.masks import MASKS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Facts"]

_CREDITS = {
    "sentinel": "Contains modified Copernicus Sentinel data.",
    "landsat": "Landsat data: U.S. Geological Survey, public domain.",
    "hls": "Harmonized Landsat Sentinel-2 data: NASA LP DAAC.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of a run; all text is untrusted."""

    archive: str = ""
    """Where the pixels came from."""
    simulated: bool = False
    """Whether they are simulated, which is then said wherever they are shown."""
    since: str = ""
    """First date that was asked for."""
    until: str = ""
    """Last date that was asked for."""
    started: datetime | None = None
    """When the run began, UTC."""
    formulas: Mapping[str, str] = field(default_factory=dict[str, str])
    """Expression by index."""
    mask: str = ""
    """Which pixels were rejected, in words."""
    curve: str = ""
    """Which smoother drew the curves, in words."""
    requests: int | None = None
    """Range requests that were answered."""
    received: int | None = None
    """Bytes."""
    seconds: float | None = None
    """Of the run, without writing its files."""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the run was called with."""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Version by package."""
    attribution: str = ""
    """Whom to name for the data."""

    @classmethod
    def of(cls, receipt: Mapping[str, Any]) -> Facts:
        """The facts that a receipt holds; whatever it lacks is left out.

        Args:
            receipt: as ``Results.receipt`` has it: ``archive`` (name, simulated, collections),
                ``arguments`` (since, until, mask, smooth, ...), ``started`` (ISO 8601),
                ``formulas``, ``cost`` (requests, bytes), ``seconds`` by phase, ``versions``.
        """
        archive, arguments = receipt.get("archive", {}), receipt.get("arguments", {})
        cost, seconds = receipt.get("cost", {}), receipt.get("seconds", {})
        started, simulated = receipt.get("started"), bool(archive.get("simulated"))
        collections = " ".join(archive.get("collections", ())).lower()
        credits_ = [text for word, text in _CREDITS.items() if word in collections]
        return cls(
            archive=archive.get("name", ""),
            simulated=simulated,
            since=arguments.get("since") or "",
            until=arguments.get("until") or "",
            started=datetime.fromisoformat(started) if started else None,
            formulas=receipt.get("formulas", {}),
            mask=_mask(arguments.get("mask", "")),
            curve=_curve(arguments),
            requests=cost.get("requests"),
            received=cost.get("bytes"),
            seconds=sum(seconds.values()) if seconds else None,
            arguments=arguments,
            versions=receipt.get("versions", {}),
            attribution="" if simulated else " ".join(credits_),
        )


def _mask(name: str) -> str:
    if name not in MASKS:
        return name
    rejected = sorted(quality.name.lower().replace("_", " ") for quality in MASKS[name])
    return f"{name}: rejects {', '.join(rejected)}"


def _curve(arguments: Mapping[str, Any]) -> str:
    name, lam = arguments.get("smooth", ""), arguments.get("smooth_lambda")
    if name == "whittaker":
        name += f", lambda {lam:g}" if lam else ", lambda chosen for each place"
    if name and not arguments.get("outliers", True):
        name += "; outliers are not looked for"
    return name

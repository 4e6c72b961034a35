"""What is installed, which archives answer, and which credentials are here: in words."""

from __future__ import annotations

import importlib.metadata
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fieldwren import __version__
from fieldwren.archive.access import ACCESS, credentials_found, read_bytes
from fieldwren.archive.sensors import ARCHIVES, Archive
from fieldwren.cloud.checks import examine_account
from fieldwren.config import engine_options
from fieldwren.engine.aws_lambda.options import LambdaOptions
from fieldwren.errors import FieldwrenError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Check", "examine"]

_EXTRAS: Final = {
    "matplotlib": ("pictures", "plots and chips"),
    "folium": ("pictures", "map.html"),
    "pyogrio": ("files", "GeoPackage and shapefile places"),
    "rasterio": ("fallback", "JPEG 2000, JPEG and other exotic rasters"),
    "boto3": ("aws", "--engine lambda and fieldwren setup"),
    "xarray": ("xarray", "Results.to_xarray()"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    """What."""
    ok: bool
    """Whether it is there."""
    says: str
    """What that means, and what to do."""


def examine(
    archives: Mapping[str, Archive] = ARCHIVES, *, cloud: bool | None = None
) -> list[Check]:
    """Look at the installation, the credentials and the archives (one request each).

    Args:
        archives: by name.
        cloud: whether to look at the AWS account as well; None: where the Lambda engine has
            settings.
    """
    checks = [Check(name="fieldwren", ok=True, says=__version__)]
    checks += [_installed(name) for name in _EXTRAS]
    checks += [_credentials(kind) for kind in ("usgs-landsat", "planetary-computer")]
    with ThreadPoolExecutor() as pool:
        checks += pool.map(_answers, archives, archives.values())
    return [*checks, *_account(cloud)]


def _account(cloud: bool | None) -> list[Check]:  # noqa: FBT001 - as examine takes it
    """What stands in the AWS account."""
    try:
        given = engine_options("lambda")
        if not (bool(given) if cloud is None else cloud):
            return []
        options = LambdaOptions.of(**given)
    except OptionError as error:
        return [Check(name="aws settings", ok=False, says=str(error))]
    found = examine_account(options)
    return [Check(name=name, ok=ok, says=says) for name, ok, says in found]


def _installed(name: str) -> Check:
    extra, purpose = _EXTRAS[name]
    try:
        return Check(name=name, ok=True, says=f"{importlib.metadata.version(name)}, for {purpose}")
    except importlib.metadata.PackageNotFoundError:
        says = f'missing, for {purpose}: pip install "fieldwren[{extra}]"'
        return Check(name=name, ok=False, says=says)


def _credentials(kind: str) -> Check:
    says = credentials_found(kind)
    return Check(name=f"access {kind}", ok=bool(says), says=says or ACCESS[kind].hint)


def _answers(name: str, archive: Archive) -> Check:
    try:
        landing = json.loads(read_bytes(archive.url, local_allowed=False, deadline=10.0))
    except (FieldwrenError, ValueError) as error:
        return Check(name=f"archive {name}", ok=False, says=f"does not answer: {error}")
    return Check(
        name=f"archive {name}",
        ok=True,
        says=f"answers at {archive.url} ({landing.get('title', '')})",
    )

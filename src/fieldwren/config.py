"""Settings: argument, else environment, else file, else default; resolved once.

The environment variable of a setting is its name in capitals after ``FIELDWREN_``
(``FIELDWREN_WORKERS=8``). The file is TOML, with the settings at its top level and the options of
an engine in a table of its name (``[lambda]``; in the environment ``FIELDWREN_LAMBDA_REGION``). It
is the first that exists of ``$FIELDWREN_CONFIG``, ``fieldwren.toml`` in the current folder and
``~/.config/fieldwren/config.toml``.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from fieldwren.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "ENGINE_TABLES",
    "Settings",
    "config_path",
    "engine_options",
    "resolve",
    "using_file",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything about a run that is not its places and dates."""

    sensor: str = "landsat"
    """``landsat`` or ``sentinel-2``: which archives are tried when none is named."""
    archive: str = ""
    """``demo``, a registered name, or the URL or path of a catalog; "" chooses by sensor."""
    collection: tuple[str, ...] = ()
    """STAC collections; empty: those of the sensor."""
    index: tuple[str, ...] = ("ndvi",)
    """Names of indices, or ``name=expression`` over band names."""
    mask: str = "standard"
    """``standard``, ``clouds``, ``strict`` or ``none``."""
    max_cloud: float = 100.0
    """Percent; scenes with more cloud are not read."""
    min_clear: float = 0.5
    """Rows with a smaller clear fraction of the place are ``low_coverage``."""
    dilate: float = 0.0
    """Metres by which clouds and shadows are grown."""
    smooth: str = "whittaker"
    """``whittaker``, ``savgol``, ``harmonic`` or ``workshop``: how the curve is drawn."""
    smooth_lambda: float = 0.0
    """Smoothness of the Whittaker smoother; 0: chosen for each place."""
    outliers: bool = True
    """Whether values that drop and recover as missed cloud does are marked and left out."""
    season_method: str = "threshold"
    """``threshold`` or ``derivative``: how start and end of a season are found."""
    season_threshold: float = 0.2
    """Share of the rise at which a season starts, and of the fall at which it ends."""
    chips: int = 24
    """Places that get pictures on their clearest dates, at most; 0: none. What reading them costs
    is in the receipt; ``plan`` does not know it, as the dates are chosen from the rows."""
    plots: str = "png"
    """How the plots are written: ``png``, ``svg``, ``both`` or ``none``."""
    engine: str = "local"
    """Where tasks run: ``local``, ``dask``, ``lambda`` or ``lithops``."""
    workers: int = 0
    """Tasks at the same time; 0: one per core, or what the engine has."""
    files: int = 64
    """Files read at the same time by one worker."""
    megabytes_in_flight: int = 128
    """Bytes requested and not yet decoded, over all workers of a machine, in MiB."""
    timeout: float = 30.0
    """Seconds without a byte after which a request fails."""
    deadline: float = 120.0
    """Seconds for one request with all its retries."""
    cache: str = "~/.cache/fieldwren"
    """Folder of the header index and of the embedded archive."""
    origins: Mapping[str, str] = field(default_factory=dict[str, str], compare=False, repr=False)
    """Where each setting came from: argument, environment, the file's path, or default."""

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:  # NaN is in no range
                origin = self.origins.get(name, "argument")
                raise OptionError(
                    f"{name} ({origin}) must be from {low:g} to {high:g}, not {value}"
                )

    @property
    def cache_folder(self) -> Path:
        """The cache folder, expanded."""
        return Path(self.cache).expanduser()


_RANGES: Final = {
    "max_cloud": (0, 100),
    "min_clear": (0, 1),
    "dilate": (0, 1000),
    "smooth_lambda": (0, 1e9),
    "season_threshold": (0.01, 0.99),
    "chips": (0, 10_000),
    "workers": (0, 10_000),
    "files": (1, 1000),
    "megabytes_in_flight": (1, 100_000),
    "timeout": (0.1, 3600),
    "deadline": (0.1, 86_400),
}
_WORDS: Final = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TYPES: Final = {k: t for k, t in get_type_hints(Settings).items() if k != "origins"}
NAMES: Final = tuple(f.name for f in fields(Settings) if f.name != "origins")


ENGINE_TABLES: Final = ("dask", "lambda", "lithops", "local")
"""Tables of the file that hold the options of an engine."""


def engine_options(engine: str) -> dict[str, Any]:
    """The options of an engine that the file and, before it, the environment name.

    Values from the environment are text: the engine knows their types, and refuses what it does
    not know.

    Args:
        engine: one of ENGINE_TABLES.

    Raises:
        OptionError: the file cannot be read, or its table is none.
    """
    file, settings = _config_file()
    table = settings.get(engine, {})
    if not isinstance(table, dict):
        raise OptionError(f"{file}: [{engine}] must be a table, not {table!r}")
    start = f"FIELDWREN_{engine.upper()}_"
    named = {n.removeprefix(start).lower(): v for n, v in os.environ.items() if n.startswith(start)}
    return {**table, **{name: value for name, value in named.items() if value}}


def resolve(**given: Any) -> Settings:
    """Resolve the settings of a run.

    Args:
        **given: settings by name; None means not given.

    Raises:
        OptionError: a name is unknown or a value cannot be used; the message says which.
    """
    file, whole = _config_file()
    table = {name: value for name, value in whole.items() if name not in ENGINE_TABLES}
    environment = {n: os.environ.get(f"FIELDWREN_{n.upper()}") or None for n in NAMES}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, source in (
        (str(file), table),
        ("environment", environment),
        ("argument", given),
    ):
        for name, value in source.items():
            if value is not None:
                values[name] = _convert(name, value, origin)
                origins[name] = origin
    return Settings(**values, origins={n: origins.get(n, "default") for n in NAMES})


_chosen: Final = ContextVar[Path | None]("chosen", default=None)


@contextmanager
def using_file(path: Path | None) -> Generator[None]:
    """Meanwhile this is the configuration file, even if not there yet; None changes nothing."""
    token = _chosen.set(path)
    try:
        yield
    finally:
        _chosen.reset(token)


def config_path() -> Path | None:
    """The configuration file that is read, or None.

    Raises:
        OptionError: it cannot be read.
    """
    return _config_file()[0]


def _config_file() -> tuple[Path | None, dict[str, Any]]:
    """The first configuration file that exists, and what it says."""
    chosen = _chosen.get()
    named = chosen or os.environ.get("FIELDWREN_CONFIG")
    usual = (Path("fieldwren.toml"), Path("~/.config/fieldwren/config.toml").expanduser())
    for path in (Path(named),) if named else usual:
        try:
            return path, tomllib.loads(path.read_text())
        except FileNotFoundError:
            if named and not chosen:
                raise OptionError(f"FIELDWREN_CONFIG names {path}, which does not exist") from None
        except (tomllib.TOMLDecodeError, OSError) as error:
            raise OptionError(f"{path} cannot be read as TOML: {error}") from error
    return None, {}


def _convert(name: str, value: Any, origin: str) -> Any:
    """The value in the setting's type."""
    if name not in _TYPES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(NAMES)}"
        raise OptionError(f"unknown setting {name!r} ({origin}){hint}")
    kind = _TYPES[name]
    try:
        if kind == tuple[str, ...]:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(str(p).strip() for p in parts)
        if kind is bool:
            return _TRUTH[str(value).strip().lower()]
        return kind(value)
    except (KeyError, TypeError, ValueError):
        raise OptionError(f"{name} ({origin}) must be {_WORDS[kind]}, not {value!r}") from None

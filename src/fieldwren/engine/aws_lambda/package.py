"""The worker package: a zip of wheels and of fieldwren's own modules, for Lambda's platform.

    wheels for the platform (pip) + sources of the worker ─► reproducible zip, named by its hash

It is made on any machine, because nothing in it is compiled here, and kept in the cache folder
until nobody has used it for a month. The versions are those installed here. Where a platform has no
wheel of one, the newest older one is taken; that concerns numpy on the runtime of Python 3.11
(Amazon Linux 2, an old glibc).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fieldwren.engine.aws_lambda.sources import worker_sources
from fieldwren.errors import CloudError, MissingExtraError
from fieldwren.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["RUNTIMES", "Package", "build_package"]

RUNTIMES: Final = {(3, 11): 26, (3, 12): 34, (3, 13): 34, (3, 14): 34}
"""Python versions that AWS Lambda has, with the minor version of the glibc under each: 2.26 in
Amazon Linux 2, 2.34 in Amazon Linux 2023.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""

_WHEELS: Final = {
    "numpy": "2.0",
    "obstore": "0.8",
    "deflate": "0.8",
    "backports-zstd": "1.0",
    "cloudpickle": "3",
}
"""What a worker imports, with the oldest version that will do; see pyproject.toml."""
_MACHINES: Final = {"arm64": "aarch64", "x86_64": "x86_64"}
_LARGEST: Final = 30 * 2**20, 250 * 2**20
"""Bytes zipped (our own bound) and unpacked (AWS's)."""
_NOT_NEEDED: Final = re.compile(
    r"(^|/)(tests|__pycache__|bin|f2py|include)/|\.(pyi|pyc|a|lib|h|typed)$|/(RECORD|INSTALLER)$"
)
_MOMENT: Final = (2020, 1, 1, 0, 0, 0)
_KEPT: Final = 30 * 86_400.0
"""Seconds for which the cache keeps what nobody uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A worker package on disk."""

    path: Path
    """The zip."""
    digest: str
    """Hash of its content, 20 hexadecimal digits."""
    runtime: str
    """AWS's name of the runtime, such as python3.12."""
    architecture: str
    """``arm64`` or ``x86_64``."""
    versions: dict[str, str]
    """Of the libraries in it."""


def build_package(cache: Path, architecture: str) -> Package:
    """Make the package for this Python version, or find it in the cache.

    Args:
        cache: folder where packages are kept.
        architecture: ``arm64`` or ``x86_64``.

    Raises:
        CloudError: Lambda has no such Python version, pip is missing or has no fitting wheels.
    """
    python = sys.version_info[:2]
    if python not in RUNTIMES:
        known = ", ".join(f"{a}.{b}" for a, b in RUNTIMES)
        raise CloudError(
            f"AWS Lambda has no Python {python[0]}.{python[1]}: run fieldwren with one of {known}"
        )
    sources = worker_sources()
    wanted = _requirements()
    name = _hash(_wheels_key(architecture), *sources, *sources.values())
    note = cache / f"{name}.json"
    if not note.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _forget_old(cache)
        known = _build(cache, architecture, wanted, sources)
        replace_file(note, lambda p: p.write_text(json.dumps(known)))
    known = json.loads(note.read_text())
    path = cache / known["file"]
    if not path.is_file():
        note.unlink()
        return build_package(cache, architecture)
    for used in (note, path):
        _mark_used(used)
    return Package(
        path=path,
        digest=known["digest"],
        runtime=f"python{python[0]}.{python[1]}",
        architecture=architecture,
        versions=known["versions"],
    )


def _mark_used(path: Path) -> None:
    with suppress(OSError):  # a cache may belong to somebody else, or be cleared meanwhile
        os.utime(path)


def _forget_old(cache: Path) -> None:
    """Remove packages and wheels that were not used for long, such as those of old versions."""
    before = time.time() - _KEPT
    with suppress(OSError):
        for path in [*cache.glob("*.json"), *cache.glob("worker-*.zip"), *cache.glob("wheels-*")]:
            if path.stat().st_mtime < before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _requirements() -> list[str]:
    """What pip is asked for: the installed versions, or the newest before them."""
    wanted: list[str] = []
    for name, oldest in _WHEELS.items():
        if name == "backports-zstd" and sys.version_info >= (3, 14):
            continue  # in the standard library
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise MissingExtraError("--engine lambda", "aws") from None
        wanted.append(f"{name}>={oldest},<={version}")
    return wanted


def _wheels_key(architecture: str) -> str:
    """Identity of the wheels of a package."""
    return _hash(json.dumps([_requirements(), architecture, sys.version_info[:2]]))


def _build(
    cache: Path, architecture: str, wanted: list[str], sources: dict[str, bytes]
) -> dict[str, object]:
    """Zip wheels and sources; says what was made."""
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        base = cache / f"wheels-{_wheels_key(architecture)}"
        if not base.is_dir():
            made = Path(scratch) / "wheels"
            _zip_wheels(made, architecture, wanted)
            with suppress(OSError):  # somebody else has made it meanwhile
                made.rename(base)
        _mark_used(base)
        known = json.loads((base / "known.json").read_text())
        draft = Path(scratch) / "package.zip"
        shutil.copyfile(base / "wheels.zip", draft)
        size, digest = _add(draft, sources)
        _check_size(draft.stat().st_size, known["unpacked"] + size)
        digest = _hash(known["digest"], digest)
        draft.replace(cache / f"worker-{digest}.zip")
    return {"file": f"worker-{digest}.zip", "digest": digest, "versions": known["versions"]}


def _zip_wheels(folder: Path, architecture: str, wanted: list[str]) -> None:
    """Make a folder with the zip of the wheels and what is known of it."""
    unpacked = folder / "unpacked"
    unpacked.mkdir(parents=True)
    _install(unpacked, architecture, wanted)
    files = {p: unpacked / p for p in _files(unpacked)}
    size, digest = _add(folder / "wheels.zip", files)
    known = {"digest": digest, "unpacked": size, "versions": _versions(unpacked)}
    (folder / "known.json").write_text(json.dumps(known))
    shutil.rmtree(unpacked)


def _install(folder: Path, architecture: str, wanted: list[str]) -> None:
    """Unpack the wheels of a platform into a folder."""
    machine, glibc = _MACHINES[architecture], RUNTIMES[sys.version_info[:2]]
    # pip takes only the platforms that are named, not those that they include.
    tags = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in range(5, glibc + 1))]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-compile", "--only-binary=:all:", "--implementation=cp"),
        *(f"--platform={tag}_{machine}" for tag in tags),
        f"--python-version={sys.version_info[0]}.{sys.version_info[1]}",
        f"--target={folder}",
        *wanted,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode == 0:
        return
    if "No module named pip" in done.stderr:
        raise CloudError(
            "the worker package needs pip, and this Python has none: run "
            f"`{sys.executable} -m ensurepip`, or install pip as your system does"
        )
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [""]
    raise CloudError(
        f"pip finds no wheels of {', '.join(wanted)} for Lambda ({architecture}, glibc 2.{glibc}): "
        f"{said[-1].removeprefix('ERROR: ')[:300]}"
    )


def _files(folder: Path) -> Iterator[str]:
    """Files that a worker needs, as paths in the folder."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _NOT_NEEDED.search(name):
            yield name


def _add(target: Path, files: Mapping[str, Path | bytes]) -> tuple[int, str]:
    """Add files to a zip, the same bytes for the same content: sorted, of one moment and mode.

    Returns their bytes unpacked, and a hash of their content, which does not depend on how well
    they are compressed.
    """
    size, digest = 0, hashlib.sha256()
    with zipfile.ZipFile(target, "a") as package:
        for name, content in sorted(files.items()):
            data = content.read_bytes() if isinstance(content, Path) else content
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.create_system, entry.external_attr = 3, 0o100755 << 16
            package.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
            size += len(data)
    return size, digest.hexdigest()


def _check_size(zipped: int, unpacked: int) -> None:
    for size, largest, kind in zip(
        (zipped, unpacked), _LARGEST, ("zipped", "unpacked"), strict=True
    ):
        if size > largest:
            raise CloudError(
                f"the worker package has {size / 2**20:.0f} MiB {kind}, more than "
                f"{largest / 2**20:.0f}: install smaller versions of its libraries"
            )


def _versions(folder: Path) -> dict[str, str]:
    found = importlib.metadata.distributions(path=[str(folder)])
    return dict(sorted((d.metadata["Name"], d.version) for d in found))


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.blake2b(digest_size=10)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()

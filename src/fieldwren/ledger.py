"""The ledger: every row that was ever computed in a folder, append-only.

Rows are kept by what they depend on: place, scene and recipe. A segment file is written whole
under another name and then renamed, so a run killed anywhere leaves only whole segments, and the
next run reads what is there and computes the rest. Where a pair was computed twice (a failed
read that was tried again), the later row counts.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from fieldwren import __version__
from fieldwren.errors import LedgerError
from fieldwren.model import Done

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldwren.model import Outcome

__all__ = ["RETRIED", "Ledger", "words_and_codes"]

RETRIED: Final = frozenset({"read_error", "no_access"})
"""Statuses that the next run tries again."""

_KEYS: Final = ("place_key", "scene_key", "status", "version")
_FLUSH_ROWS: Final = 100_000
_FLUSH_SECONDS: Final = 5.0


class Ledger:
    """The rows of one recipe in one folder; a context manager that holds the folder's lock.

    Args:
        folder: where segments are kept; None keeps them in memory only.
        recipe_key: rows of other recipes in the folder are left alone.
        columns: names of the measured columns.

    Raises:
        LedgerError: the folder cannot be written, or another run is writing to it.
    """

    def __init__(self, folder: Path | None, recipe_key: str, columns: Sequence[str]) -> None:
        self._folder = folder / recipe_key if folder else None
        self._lock: int | None = None
        self._columns = tuple(columns)
        self._schema = pa.schema(
            [
                *((name, pa.dictionary(pa.int32(), pa.string())) for name in _KEYS),
                ("reason", pa.string()),
                *((name, pa.float64()) for name in self._columns),
            ]
        )
        self._segments: list[pa.Table] = []
        self._pending: list[pa.Table] = []
        self._flushed_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._folder:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._lock = _lock(self._folder.parent / "lock")
            except BlockingIOError:
                raise LedgerError(
                    f"another run is writing to {self._folder.parent.parent}: wait for it, "
                    "or choose another --out"
                ) from None
            except OSError as error:
                raise LedgerError(f"{self._folder} cannot be written: {error.strerror}") from error
            self.look()
        return self

    def look(self) -> None:
        """Read what is there, without a lock and without making anything."""
        if self._folder:
            self._segments = [self._load(p) for p in sorted(self._folder.glob("*.arrow"))]

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
        finally:
            if self._lock is not None:
                os.close(self._lock)

    def _load(self, path: Path) -> pa.Table:
        try:
            with pa.memory_map(str(path)) as source:
                return ipc.open_file(source).read_all().cast(self._schema)
        except (pa.ArrowInvalid, ValueError, OSError) as error:
            raise LedgerError(
                f"{path} is damaged ({error}): delete it and run again to compute its rows anew"
            ) from error

    def done(self) -> Mapping[str, set[str]]:
        """By scene key, the keys of the places whose rows need no further reading."""
        rows = self.table()
        places, place_of = words_and_codes(rows, "place_key")
        scenes, scene_of = words_and_codes(rows, "scene_key")
        statuses, status_of = words_and_codes(rows, "status")
        final = ~np.isin(status_of, [statuses.index(s) for s in RETRIED if s in statuses])
        known: dict[str, set[str]] = {}
        for place, scene in zip(place_of[final].tolist(), scene_of[final].tolist(), strict=True):
            known.setdefault(scenes[scene], set()).add(places[place])
        return known

    def append(self, outcomes: Sequence[Outcome], place_keys: Sequence[str]) -> None:
        """Add the rows of a task: its outcomes, and the keys of its places in their order."""
        self._pending += [self._rows(o, place_keys) for o in outcomes]
        rows = sum(t.num_rows for t in self._pending)
        if rows > _FLUSH_ROWS or time.monotonic() - self._flushed_at > _FLUSH_SECONDS:
            self.flush()

    def _rows(self, outcome: Outcome, place_keys: Sequence[str]) -> pa.Table:
        n = len(place_keys)
        if isinstance(outcome, Done):
            statuses, reasons = outcome.statuses, outcome.reasons
            columns = [outcome.columns[name] for name in self._columns]
        else:
            statuses, reasons = (outcome.status,) * n, (outcome.reason,) * n
            columns = [np.full(n, np.nan)] * len(self._columns)
        keys = (place_keys, [outcome.scene_key] * n, statuses, [__version__] * n)
        arrays = [
            *(pa.array(values, pa.string()).dictionary_encode() for values in keys),
            pa.array(reasons, pa.string()),
            *(pa.array(values, from_pandas=True) for values in columns),
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def flush(self) -> None:
        """Write what was appended as one more segment."""
        self._flushed_at = time.monotonic()
        if not self._pending:
            return
        segment = pa.concat_tables(self._pending).unify_dictionaries().combine_chunks()
        if self._folder:
            try:
                self._write(self._folder, segment)
            except OSError as error:
                words = error.strerror or str(error)
                raise LedgerError(
                    f"{self._folder} cannot be written ({words}): what was written before is kept; "
                    "make room, and run the same command again"
                ) from error
        self._pending = []
        self._segments.append(segment)

    def _write(self, folder: Path, segment: pa.Table) -> None:
        last = max((int(p.stem) for p in folder.glob("*.arrow")), default=0)
        path = folder / f"{last + 1:06d}.arrow"
        partial = path.with_suffix(".partial")
        with pa.OSFile(str(partial), "wb") as sink, ipc.new_file(sink, self._schema) as out:
            out.write_table(segment)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)

    def table(self) -> pa.Table:
        """Every row, oldest first."""
        tables = [*self._segments, *self._pending]
        if not tables:
            return self._schema.empty_table()
        return pa.concat_tables(tables).unify_dictionaries()


def _lock(path: Path) -> int:
    """Lock a file for this process; it is free again when the descriptor is closed."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def words_and_codes(rows: pa.Table, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """A key column of the ledger: its distinct words, and which of them each row has."""
    column = rows[name].to_pandas().cat
    return list(column.categories), column.codes.to_numpy().astype(np.int64)

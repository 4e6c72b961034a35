"""One tree of errors, so that one ``except FieldwrenError`` catches all that fieldwren raises.

    FieldwrenError
    ├── InputError          what the user gave cannot be used: nothing was computed (exit status 2)
    │   ├── PlaceError      one place, or a whole file of places
    │   ├── OptionError     an argument, an option, a setting
    │   └── MissingExtraError   the job needs an optional dependency that is not installed
    ├── ArchiveError        a catalog cannot be reached, searched or understood
    ├── ReadError           the pixels of one scene cannot be read: costs that scene's rows only
    │   ├── AccessError     credentials are missing or refused (status ``no_access``)
    │   └── UnsupportedError    a file layout that this installation cannot decode
    ├── EngineError         an engine cannot be set up, reached or used
    │   ├── CloudError      something in the cloud account cannot be made, used or removed
    │   ├── LostCallError   a call gave no answer: its worker died or ran out of memory
    │   └── CallTimeoutError    a call ran longer than its engine allows
    └── LedgerError         the folder of results cannot be used

A message is one sentence that names the place, scene, file or option and says what to do. No
message carries a credential: hrefs are cut at their query string by :func:`public_href`.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

__all__ = [
    "AccessError",
    "ArchiveError",
    "CallTimeoutError",
    "CloudError",
    "EngineError",
    "FieldwrenError",
    "InputError",
    "LedgerError",
    "LostCallError",
    "MissingExtraError",
    "OptionError",
    "PlaceError",
    "ReadError",
    "UnsupportedError",
    "public_href",
]


def public_href(href: str) -> str:
    """The href without what may be secret: its query, fragment, user and password."""
    try:
        parts = urlsplit(href)
    except ValueError:  # such as "http://["
        return href.partition("?")[0]
    if not parts.scheme:
        return href
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


class FieldwrenError(Exception):
    """The root of everything fieldwren raises on purpose."""


class InputError(FieldwrenError):
    """What the user gave cannot be used."""


class PlaceError(InputError):
    """A place, or a whole list of places, cannot be used.

    Attributes:
        place_id: the place, where the error concerns one.
        row: its row or feature number in the input, counted from 1.
    """

    def __init__(
        self, message: str, *, place_id: str | None = None, row: int | None = None
    ) -> None:
        super().__init__(message)
        self.place_id = place_id
        self.row = row


class OptionError(InputError):
    """An argument, option or setting cannot be used."""


class MissingExtraError(InputError):
    """An optional dependency is needed and not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f'{purpose} needs an extra: pip install "fieldwren[{extra}]"')
        self.extra = extra


class ArchiveError(FieldwrenError):
    """A catalog cannot be reached, searched or understood."""


class ReadError(FieldwrenError):
    """The pixels of one file cannot be read.

    Attributes:
        href: the file, without query string.
    """

    def __init__(self, message: str, *, href: str = "") -> None:
        super().__init__(message)
        self.href = public_href(href)


class AccessError(ReadError):
    """The archive refuses access: credentials are missing, expired or not sufficient."""


class UnsupportedError(ReadError):
    """The file's layout cannot be decoded by this installation."""


class EngineError(FieldwrenError):
    """An engine cannot be set up, reached or used."""


class CloudError(EngineError):
    """Something in the cloud account cannot be made, used or removed."""


class LostCallError(EngineError):
    """A call gave no answer, also when it was tried again: its worker died."""


class CallTimeoutError(EngineError, TimeoutError):
    """A call ran longer than its engine allows."""


class LedgerError(FieldwrenError):
    """The folder of results cannot be used."""

"""What the Lambda engine needs to know of the account it runs in."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from fieldwren.engine.options import checked_options
from fieldwren.errors import OptionError

__all__ = ["ARCHITECTURES", "LambdaOptions"]

ARCHITECTURES: Final = ("arm64", "x86_64")
"""arm64 costs a fifth less per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaOptions:
    """The table ``[lambda]`` of the configuration file, as ``fieldwren setup`` writes it."""

    bucket: str = ""
    """S3 bucket for packages and for payloads too large for a call."""
    prefix: str = "fieldwren"
    """Start of every key in the bucket."""
    region: str = ""
    """AWS region of bucket and function; "" takes that of the profile or the environment."""
    profile: str = ""
    """AWS profile; "" takes the default chain of credentials."""
    role: str = "fieldwren-worker"
    """Name or ARN of the role that the function runs under."""
    function: str = "fieldwren"
    """Start of the function's name."""
    memory: int = 2048
    """MiB of a function; its share of a processor grows with it (1 at 1769)."""
    timeout: int = 300
    """Seconds after which a call is ended, at most 900."""
    architecture: str = "arm64"
    """One of ARCHITECTURES."""
    workers: int = 0
    """Calls at the same time; 0: as many as the account allows, 1,000 at most."""
    retries: int = 4
    """How often a call is tried again whose worker died, and how often one that took too long. What
    AWS refuses and connections lose does not count. Where 5 % of all tries die and 5 % take too
    long, one call in a million is lost. With 0 no straggler is called twice either."""

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                value = getattr(self, name)
                raise OptionError(f"lambda {name} must be from {low} to {high}, not {value}")
        if self.architecture not in ARCHITECTURES:
            choices = " or ".join(ARCHITECTURES)
            raise OptionError(f"lambda architecture must be {choices}, not {self.architecture!r}")
        for name, (pattern, words) in _PATTERNS.items():
            value = getattr(self, name)
            if value and not re.fullmatch(pattern, value):
                raise OptionError(f"lambda {name} {value!r}: {words}")

    @property
    def mark(self) -> str:
        """Eight digits for bucket, prefix and function: set-ups of one account differ in them."""
        parts = self.bucket, self.prefix.strip("/"), self.function
        return hashlib.blake2b(repr(parts).encode(), digest_size=4).hexdigest()

    @classmethod
    def of(cls, **given: Any) -> Self:
        """Make them of values that may be text, as the environment has them.

        Raises:
            OptionError: a name is unknown or a value cannot be used; the message says which.
        """
        return cls(**checked_options("lambda", cls, given))


_RANGES: Final = {
    "memory": (128, 10_240),
    "timeout": (1, 900),
    "workers": (0, 100_000),
    "retries": (0, 10),
}
_PATTERNS: Final = {
    "bucket": (
        r"(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "a bucket's name has 3 to 63 lower-case letters, digits, hyphens and dots",
    ),
    "prefix": (r"[A-Za-z0-9._/-]{1,100}", "letters, digits, dots, hyphens, slashes; 100 at most"),
    "region": (r"[a-z]{2}(-[a-z]+)+-\d", "an AWS region looks like us-west-2"),
    "role": (
        r"[\w+=,.@-]{1,64}|arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}",
        "give a role's name (64 characters at most) or its ARN",
    ),
    "function": (r"[A-Za-z0-9_-]{1,30}", "letters, digits, hyphens, underscores; 30 at most"),
}

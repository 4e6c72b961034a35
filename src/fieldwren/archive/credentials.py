"""Which credentials this machine has, found without importing or contacting anything.

AWS credentials are looked for where the AWS tools look: the environment, the role of a container
or function, static keys of a profile in ``~/.aws/credentials``, the role of an EC2 instance. Those
of a single sign-on must be put into the environment first, with ``aws configure
export-credentials --format env``.
"""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["AwsCredentials", "aws_credentials"]

_ROLE_VARIABLES: Final = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
_VENDOR_FILE: Final = Path("/sys/devices/virtual/dmi/id/sys_vendor")


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsCredentials:
    """Credentials, or the promise that the machine's role provides them."""

    source: str
    """Where they were found, in words."""
    values: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Settings of ``obstore.store.S3Store``; empty where the role of the machine is asked."""


def aws_credentials() -> AwsCredentials | None:
    """The credentials that AWS requests will be signed with, or None."""
    return _from_environment() or _from_profile() or _from_instance()


def _from_environment() -> AwsCredentials | None:
    """Keys, or the role of a container or function."""
    found = _values(
        os.environ.get("AWS_ACCESS_KEY_ID"),
        os.environ.get("AWS_SECRET_ACCESS_KEY"),
        os.environ.get("AWS_SESSION_TOKEN"),
    )
    if found:
        return AwsCredentials(source="the environment (AWS_ACCESS_KEY_ID)", values=found)
    role = next((name for name in _ROLE_VARIABLES if os.environ.get(name)), None)
    return AwsCredentials(source=f"the role of this machine ({role})") if role else None


def _from_profile() -> AwsCredentials | None:
    """Static keys of the profile AWS_PROFILE, or of ``default``."""
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    profile = os.environ.get("AWS_PROFILE", "default")
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read(file, encoding="utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError):
        return None  # as good as absent
    if not parser.has_section(profile):
        return None
    section = parser[profile]
    found = _values(
        section.get("aws_access_key_id"),
        section.get("aws_secret_access_key"),
        section.get("aws_session_token"),
    )
    return AwsCredentials(source=f"profile {profile} of {file}", values=found) if found else None


def _from_instance() -> AwsCredentials | None:
    """The role of an EC2 instance. Only there, because elsewhere asking for it takes seconds."""
    try:
        vendor = _VENDOR_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return AwsCredentials(source="the role of this EC2 instance") if "Amazon" in vendor else None


def _values(key: str | None, secret: str | None, token: str | None) -> tuple[tuple[str, str], ...]:
    """The settings that obstore takes; empty where a key is missing."""
    if not key or not secret:
        return ()
    pairs = (("access_key_id", key), ("secret_access_key", secret))
    return (*pairs, ("session_token", token)) if token else pairs

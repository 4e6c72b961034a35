"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real satellite data beside the project; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("real satellite data (../shared/data) is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def aws_account():
    """Services of an AWS account on this machine, for all tests of a session; see aws.py."""
    from aws import Account  # noqa: PLC0415 - moto is slow to import

    with Account() as account:
        yield account


@pytest.fixture
def aws(aws_account, monkeypatch):
    """An AWS account on this machine with a bucket and a role; the environment points to it."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "FIELDWREN_"))]:
        monkeypatch.delenv(name)
    for name, value in aws_account.variables().items():
        monkeypatch.setenv(name, value)
    aws_account.emulator.reset()
    return aws_account.furnish()

"""Removal of all that fieldwren made in the account, and of nothing else."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from fieldwren.cloud.bucket import bucket_exists, bucket_removal, made_here
from fieldwren.cloud.dashboard import dashboard_removal
from fieldwren.cloud.expiry import expiry_removal
from fieldwren.cloud.function import function_removal, our_functions
from fieldwren.cloud.keys import foreign_keys, keys_removal
from fieldwren.cloud.logs import log_groups, log_removal
from fieldwren.cloud.role import keys_are_shared, role_removal
from fieldwren.cloud.settings_file import read_text, with_engine, without, write_text
from fieldwren.cloud.steps import Step, to_do
from fieldwren.engine.aws_lambda.options import LambdaOptions
from fieldwren.errors import CloudError

if TYPE_CHECKING:
    from pathlib import Path

    from fieldwren.cloud.account import Account

__all__ = ["Inventory", "inventory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What there is."""

    steps: list[Step]
    """Removes what fieldwren made, in an order that works; only what is there."""
    stays: list[str]
    """What is left alone, and why, one sentence each."""


def inventory(options: LambdaOptions, account: Account, file: Path | None) -> Inventory:
    """Look for all that setup, runs and dashboard made. Changes nothing.

    Args:
        options: of the Lambda engine.
        account: whose account it is.
        file: the configuration file.

    Raises:
        CloudError: something may not be looked at.
    """
    ours, others = our_functions(options)
    steps = [
        dashboard_removal(options),
        *(function_removal(options, name) for name in ours),
        *(log_removal(options, group) for group in log_groups(options, but=others)),
    ]
    stays = [f"function {name}: it has no tag of fieldwren" for name in others]
    for more, left in (_bucket(options, account), role_removal(options)):
        steps += more
        stays += left
    if file:
        steps.append(_settings_removal(file))
    return Inventory(steps=to_do(steps), stays=stays)


def _bucket(options: LambdaOptions, account: Account) -> tuple[list[Step], list[str]]:
    name = options.bucket
    try:
        there = bool(name) and bucket_exists(options, account)
    except CloudError as error:
        return [], [f"bucket {name}: {error}"]
    if not there:
        return [], []
    if keys_are_shared(options, account):
        return [], [f"keys in bucket {name}: another set-up uses them"]
    keys, rule = keys_removal(options), expiry_removal(options)
    if not made_here(options):
        return [keys, rule], [f"bucket {name}: setup did not create it"]
    if others := foreign_keys(options):
        return [keys, rule], [f"bucket {name}: it holds other keys, such as {', '.join(others)}"]
    return [keys, bucket_removal(options, account)], []


def _settings_removal(file: Path) -> Step:
    """The file does not speak of the Lambda engine any more."""

    def wanted() -> str:
        text = read_text(file)
        if tomllib.loads(text).get("engine") == "lambda":
            text = with_engine(text, "")
        return without(text, "lambda", [field.name for field in fields(LambdaOptions)])

    def write() -> str:
        write_text(file, wanted())
        return "taken out" if file.exists() else "removed, there was nothing else in it"

    return Step(
        name=f"settings {file}",
        says="take out the table [lambda] and the engine",
        is_done=lambda: tomllib.loads(wanted()) == tomllib.loads(read_text(file)),
        do=write,
    )

"""What setup makes, in which order."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from fieldwren.cloud.bucket import bucket_step
from fieldwren.cloud.expiry import expiry_step
from fieldwren.cloud.function import function_step
from fieldwren.cloud.logs import log_step
from fieldwren.cloud.role import role_steps
from fieldwren.cloud.settings_file import read_text, with_engine, with_table, write_text
from fieldwren.cloud.steps import Step

if TYPE_CHECKING:
    from fieldwren.cloud.account import Account
    from fieldwren.cloud.interview import Answers

__all__ = ["setup_steps"]


def setup_steps(answers: Answers, account: Account) -> list[Step]:
    """The steps of setup.

    The answers are written down first, so that setup need not be told again after a failure; the
    engine of all runs is changed last, when it works.
    """
    options = answers.options
    return [
        _tables_step(answers),
        bucket_step(options, account),
        expiry_step(options, account),
        *role_steps(options, account),
        function_step(options, account),
        log_step(options),
        _engine_step(answers),
    ]


def _tables_step(answers: Answers) -> Step:
    file, tables = answers.file, answers.tables

    def wanted() -> str:
        text = read_text(file)
        for table, values in tables.items():
            text = with_table(text, table, values)
        return text

    def write() -> str:
        write_text(file, wanted())
        return "written"

    def is_done() -> bool:
        return tomllib.loads(wanted()) == tomllib.loads(read_text(file))

    names = " and ".join(f"[{table}]" for table in tables)
    return Step(name=f"settings {file}", says=f"write the table {names}", is_done=is_done, do=write)


def _engine_step(answers: Answers) -> Step:
    file, engine = answers.file, answers.engine

    def write() -> str:
        write_text(file, with_engine(read_text(file), engine))
        return "written"

    return Step(
        name=f"engine {engine}",
        says=f"make it the engine of runs that name none, in {file}",
        is_done=lambda: tomllib.loads(read_text(file)).get("engine", "local") == engine,
        do=write,
    )

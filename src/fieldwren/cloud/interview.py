"""What setup asks, in which order, and what is checked of each answer."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fieldwren.cloud.account import NEAR_LANDSAT, check_region, usual_region
from fieldwren.cloud.bucket import bucket_exists, suggested_name
from fieldwren.cloud.dedicated import dedicated_machines
from fieldwren.cloud.questions import Asker, Question, answer, yes_or_no
from fieldwren.cloud.settings_file import Value, read_text
from fieldwren.engine.aws_lambda.options import ARCHITECTURES, LambdaOptions
from fieldwren.errors import CloudError, OptionError

if TYPE_CHECKING:
    from fieldwren.cloud.account import Account

__all__ = ["ADVANCED", "Answers", "file_in_use", "interview", "settings_file"]

HERE: Final = Path("fieldwren.toml")
HOME: Final = Path("~/.config/fieldwren/config.toml")

ADVANCED: Final = {
    "role": ("Name of the role that workers run under?", "An existing one may be given by ARN."),
    "function": ("What shall names of Lambda functions start with?", ""),
    "memory": (
        "Memory of a worker, in MiB?",
        "Its share of a processor grows with it, 1769 is one core; so does the price of a second.",
    ),
    "timeout": ("Seconds after which a call is ended?", "At most 900."),
    "architecture": ("Processor of the workers?", "arm64 costs a fifth less per second."),
}
"""Properties that few need to change: question and explanation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the user wants."""

    options: LambdaOptions
    """The Lambda engine."""
    tables: Mapping[str, Mapping[str, Value]]
    """Tables of the configuration file, by engine."""
    engine: str
    """The engine of runs that name none."""
    file: Path
    """The configuration file."""
    hint: str = ""
    """What is left for the user to do."""


def interview(
    known: LambdaOptions, account: Account, given: Mapping[str, Any], asker: Asker
) -> Answers:
    """Ask everything that was not given.

    Args:
        known: earlier answers; they are the defaults.
        account: whose account it is.
        given: answers by the name of the question.
        asker: answers what is not given.

    Raises:
        FieldwrenError: an answer that was given cannot be used.
    """
    options = _place(known, account, given, asker)
    for question in _advanced(options, given, asker):
        options = replace(options, **{question.name: answer(question, given, asker)})
    machines = dedicated_machines(options, given, asker)
    tables = {"lambda": _table(options), **machines.tables}
    engine = answer(_engine_question(tuple(machines.tables)), given, asker)
    return Answers(
        options=options,
        tables=tables,
        engine=engine,
        file=_file(tables, given, asker),
        hint=machines.hint,
    )


def _place(
    known: LambdaOptions, account: Account, given: Mapping[str, Any], asker: Asker
) -> LambdaOptions:
    """Region, bucket and prefix."""
    region = answer(
        Question(
            name="region",
            text="Which AWS region shall the work run in?",
            why=f"The Landsat and Sentinel-2 archives are in {NEAR_LANDSAT}: reading is fastest"
            " there, and there is no charge for transfer.",
            default=usual_region(known),
            check=_region,
        ),
        given,
        asker,
    )
    options = replace(known, region=region)

    def check(text: str) -> str:
        if not text:
            raise OptionError("a bucket needs a name")
        bucket_exists(replace(options, bucket=text), account)
        return text

    bucket = answer(
        Question(
            name="bucket",
            text="Which S3 bucket may it use?",
            why="For the program of the workers, and for data too large for a call. If there is no"
            " such bucket, it is created.",
            default=known.bucket or _free_name(options, account),
            check=check,
        ),
        given,
        asker,
    )
    prefix = answer(
        Question(
            name="prefix",
            text="What shall all keys in the bucket start with?",
            default=known.prefix,
            check=_prefix,
        ),
        given,
        asker,
    )
    return replace(options, bucket=bucket, prefix=prefix)


def _region(text: str) -> str:
    check_region(text)
    return text


def _prefix(text: str) -> str:
    prefix = text.strip("/")
    if not prefix:
        raise OptionError("the prefix needs at least one letter, or keys of others would be mixed")
    return str(LambdaOptions.of(prefix=prefix).prefix)


def _free_name(options: LambdaOptions, account: Account) -> str:
    """The name that is suggested: the usual one, or with a number where somebody else has it."""
    usual = suggested_name(account, options.region)
    for name in (usual, *(f"{usual}-{n}" for n in range(2, 5))):
        try:
            bucket_exists(replace(options, bucket=name), account)
        except CloudError:
            continue
        return name
    return usual


def _advanced(
    options: LambdaOptions, given: Mapping[str, Any], asker: Asker
) -> tuple[Question, ...]:
    """The questions about properties, or those whose answers are given already."""
    names = [name for name in ADVANCED if given.get(name) is not None]
    shown = ", ".join(f"{name} {getattr(options, name)}" for name in ADVANCED)
    change = yes_or_no(
        "advanced",
        "Do you want to change how workers are made?",
        default=False,
        why=f"As they are: {shown}. That suits most.",
    )
    if not names and answer(change, given, asker):
        names = list(ADVANCED)
    return tuple(
        Question(
            name=name,
            text=ADVANCED[name][0],
            why=ADVANCED[name][1],
            default=str(getattr(options, name)),
            choices=ARCHITECTURES if name == "architecture" else (),
            check=lambda text, name=name: getattr(LambdaOptions.of(**{name: text}), name),
        )
        for name in names
    )


def _engine_question(others: tuple[str, ...]) -> Question:
    choices = ("lambda", *others, "local")
    return Question(
        name="engine",
        text="Which engine shall runs use that name none?",
        why="The others stay a word away, such as `fieldwren run --engine local`. Runs on lambda"
        " cost money: `fieldwren plan` says how much before.",
        default=others[-1] if others else "lambda",
        choices=choices,
    )


def _table(options: LambdaOptions) -> dict[str, Value]:
    """The table ``[lambda]``: all that was asked, so that a reader sees what there is."""
    names = ("bucket", "prefix", "region", *ADVANCED)
    table: dict[str, Value] = {name: getattr(options, name) for name in names}
    return table | ({"profile": options.profile} if options.profile else {})


def settings_file(text: str) -> Path:
    """The configuration file that is meant by "here", "home" or a path."""
    return Path({"here": str(HERE), "home": str(HOME)}.get(text, text)).expanduser()


def file_in_use() -> Path:
    """The configuration file that commands read, or would read if it were there."""
    return Path(os.environ.get("FIELDWREN_CONFIG") or (HERE if HERE.exists() else HOME))


def _file(
    tables: Mapping[str, Mapping[str, Value]], given: Mapping[str, Any], asker: Asker
) -> Path:
    """The configuration file; asks before other values of these tables in it change."""

    def check(text: str) -> Path:
        path = settings_file(text)
        if path.is_dir():
            raise OptionError(f"{path} is a folder: name a file in it, such as {path / HERE}")
        read_text(path)
        return path

    file: Path = answer(
        Question(
            name="config",
            text="Which file shall keep these settings?",
            why=f'"here" is {HERE} in this folder, "home" is {HOME}, for all folders.'
            " Or give a path. What else is in the file stays.",
            default=str(file_in_use()),
            check=check,
        ),
        given,
        asker,
    )
    clashes = _clashes(file, tables)
    overwrite = yes_or_no(
        "overwrite",
        f"{file} says {', '.join(clashes)}: replace that?",
        default=False,
        why="What was made with that stays in the account: `fieldwren teardown` before removes it.",
    )
    if clashes and not answer(overwrite, given, asker):
        raise OptionError(
            f"{file} says {', '.join(clashes)}: give --overwrite to replace that, or another file"
            " with --config; nothing was changed"
        )
    return file


def _clashes(file: Path, tables: Mapping[str, Mapping[str, Value]]) -> list[str]:
    """What the file says otherwise, as it would stand there."""
    there = tomllib.loads(read_text(file))
    return [
        f"{name} = {json.dumps(old[name], default=str)} in [{table}]"
        for table, values in tables.items()
        if isinstance(old := there.get(table, {}), dict)
        for name, value in values.items()
        if old.get(name, value) != value
    ]

"""Commands for what stands in an AWS account: hello, logs, dashboard, teardown."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fieldwren.cli.asking import asker_of, confirm
from fieldwren.cli.options import AddCommand, print_json, shown_options
from fieldwren.errors import OptionError

if TYPE_CHECKING:
    import argparse

    from fieldwren.cloud.steps import Step
    from fieldwren.engine.aws_lambda.options import LambdaOptions
    from fieldwren.screen import Screen

__all__ = ["add_commands", "carry_out", "say"]

_LOG = logging.getLogger(__name__)


def add_commands(add: AddCommand) -> None:
    """Add the commands to the parser."""
    shown = shown_options()
    hello = add("hello", parents=[shown], help="run a small function on an engine")
    hello.add_argument("--engine", metavar="NAME", help="local, dask, lambda or lithops")
    hello.set_defaults(command=_hello)
    logs = add("logs", parents=[shown], help="what workers on AWS Lambda wrote")
    which = logs.add_mutually_exclusive_group()
    which.add_argument("call", nargs="?", metavar="CALL", help="request id of one call")
    which.add_argument("--last", action="store_true", help="the call that wrote last")
    which.add_argument(
        "--since", metavar="TIME", default="1h", help="all of the last 10m, 2h, 3d ... (1h)"
    )
    logs.set_defaults(command=_logs)
    dashboard = add("dashboard", parents=[shown], help="make a CloudWatch dashboard of the workers")
    dashboard.set_defaults(command=_dashboard)
    teardown = add(
        "teardown", parents=[shown], help="remove all that fieldwren made in the AWS account"
    )
    teardown.add_argument("-y", "--yes", action="store_true", help="do not ask")
    teardown.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    teardown.add_argument("--config", metavar="FILE", help="configuration file (the one in use)")
    teardown.set_defaults(command=_teardown)


def say(screen: Screen, words: str) -> None:
    """Print text as it is; a terminal wraps it between words."""
    from rich.text import Text  # noqa: PLC0415 - rich is slow to import

    from fieldwren.log import plain  # noqa: PLC0415 - beside it

    screen.out.print(Text(plain(words)), soft_wrap=not screen.out.is_terminal)


def carry_out(steps: list[Step], screen: Screen, *, quiet: bool) -> list[dict[str, object]]:
    """Do the steps, and say of each what came of it as soon as it is over."""
    from rich.text import Text  # noqa: PLC0415 - rich is slow to import

    from fieldwren.cloud.steps import perform  # noqa: PLC0415 - only where needed

    told: list[dict[str, object]] = []
    for step in steps:
        with screen.console.status(Text(f"{step.name}: {step.says}")):
            came = perform(step)
        told.append({"name": step.name, "changed": came.changed, "says": came.says})
        if not quiet:
            say(screen, f"  {'✗' if came.failed else '✓'} {step.name}: {came.says}")
        elif came.failed:
            _LOG.warning("%s: %s", step.name, came.says)
    return told


def _hello(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.cloud.hello import say_hello  # noqa: PLC0415 - only where needed
    from fieldwren.config import resolve  # noqa: PLC0415 - likewise
    from fieldwren.log import follow_environment, plain  # noqa: PLC0415 - likewise

    screen.close()
    follow_environment("WARNING" if options.quiet else "INFO")
    engine = resolve(engine=options.engine).engine
    answer = plain(say_hello(engine))
    if options.json:
        print_json({"engine": engine, "answer": answer})
    else:
        print(answer)
    return 0


def _logs(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.cloud import logs  # noqa: PLC0415 - only where needed

    aws = _lambda_options()
    if options.call:
        lines = logs.logs_of_call(aws, options.call)
    elif options.last:
        lines = logs.logs_of_last(aws)
    else:
        lines = logs.recent(aws, _span(options.since))
    screen.close()
    if options.json:
        print_json({"lines": [{"time": x.time, "stream": x.stream, "text": x.text} for x in lines]})
        return 0
    for line in lines:
        sandbox = line.stream.rpartition("]")[2][:6]
        moment = line.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        print(f"{moment}  {sandbox}  {line.text}")
    if not lines:
        screen.console.print(f"no worker has written anything in the last {options.since}")
    return 0


_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _span(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([smhd])", text.strip())
    if not match:
        raise OptionError(f"--since {text}: give a time such as 30s, 10m, 2h or 3d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _dashboard(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.cloud.dashboard import dashboard_link, dashboard_step  # noqa: PLC0415
    from fieldwren.cloud.steps import perform  # noqa: PLC0415 - only where needed

    aws = _lambda_options()
    came = perform(dashboard_step(aws))
    link = dashboard_link(aws)
    screen.close()
    if options.json:
        print_json({"link": link, "changed": came.changed})
    else:
        print(link)
    return 0


def _teardown(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.cloud.interview import settings_file  # noqa: PLC0415 - only where needed
    from fieldwren.config import using_file  # noqa: PLC0415 - likewise

    file = settings_file(options.config) if options.config else None
    if file and not file.is_file():
        raise OptionError(f"--config {file}: there is no such file")
    with using_file(file):
        return _tear_down(options, screen)


def _tear_down(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.cloud.account import account_of  # noqa: PLC0415 - only where needed
    from fieldwren.cloud.teardown import inventory  # noqa: PLC0415 - likewise
    from fieldwren.config import config_path  # noqa: PLC0415 - likewise

    screen.close()
    asker = asker_of(options, screen.out, "fieldwren teardown")
    aws = _lambda_options()
    account = account_of(aws)
    found = inventory(aws, account, config_path())
    loud = not (options.quiet or options.json)
    if loud:
        where = f"account {account.id}, {aws.region}"
        head = f"To be removed from {where}:" if found.steps else f"Nothing to remove from {where}."
        lines = [head, *(f"  {step.name}: {step.says}" for step in found.steps)]
        lines += ["Left alone:"] * bool(found.stays) + [f"  {what}" for what in found.stays]
        say(screen, "\n".join(lines))
    told: list[dict[str, object]] = []
    if found.steps and not options.dry_run:
        if confirm(asker, "Remove all this?", default=False, yes=options.yes):
            told = carry_out(found.steps, screen, quiet=not loud)
        else:
            say(screen, "Nothing was removed.")
    if options.json:
        listed = [{"name": s.name, "says": s.says, "changed": False} for s in found.steps]
        print_json({"removed": told, "found": listed, "left": found.stays})
    return 0


def _lambda_options() -> LambdaOptions:
    """Settings of the Lambda engine, with a region."""
    from dataclasses import replace  # noqa: PLC0415 - only where needed

    from fieldwren.cloud.account import usual_region  # noqa: PLC0415 - likewise
    from fieldwren.config import engine_options  # noqa: PLC0415 - likewise
    from fieldwren.engine.aws_lambda.options import LambdaOptions  # noqa: PLC0415 - likewise

    options = LambdaOptions.of(**engine_options("lambda"))
    return replace(options, region=usual_region(options))

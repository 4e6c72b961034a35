"""What workers wrote, from CloudWatch: of one call, of the last one, or of some time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from fieldwren.cloud.function import function_found, is_function_name
from fieldwren.cloud.steps import Step
from fieldwren.engine.aws_lambda.client import client, explaining
from fieldwren.engine.aws_lambda.deploy import LOG_DAYS, LOGS, expire_log
from fieldwren.errors import CloudError, OptionError
from fieldwren.log import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = [
    "Line",
    "log_groups",
    "log_removal",
    "log_step",
    "logs_of_call",
    "logs_of_last",
    "recent",
]

_EXAMPLE: Final = "8f507cfc-0a1b-4697-b07a-ac58fc914c95"
_LOOK_BACK: Final = (timedelta(minutes=10), timedelta(hours=3), timedelta(days=14))
_START: Final = re.compile(r"START RequestId: ([\w-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a worker's log."""

    time: datetime
    """When it was written, UTC."""
    stream: str
    """The sandbox that wrote it."""
    text: str
    """What it says, without what could steer a terminal."""


def log_groups(options: LambdaOptions, *, but: Sequence[str] = ()) -> list[str]:
    """Names of the log groups of our functions, also of those that are gone.

    Args:
        options: of the Lambda engine.
        but: functions that are called as ours and are not.
    """
    return [f"{LOGS}{name}" for name in _days(options) if name not in but]


def _days(options: LambdaOptions) -> dict[str, int]:
    """For how many days the log of each function is kept; 0: for ever."""
    found: dict[str, int] = {}
    with explaining("list the log groups"):
        pages = client("logs", options).get_paginator("describe_log_groups")
        for page in pages.paginate(logGroupNamePrefix=f"{LOGS}{options.function}-"):
            for group in page.get("logGroups", ()):
                name = group["logGroupName"].removeprefix(LOGS)
                if is_function_name(options, name):
                    found[name] = group.get("retentionInDays", 0)
    return found


def logs_of_call(options: LambdaOptions, call: str) -> list[Line]:
    """All lines of one call.

    Args:
        options: of the Lambda engine.
        call: its request id, as receipts and errors give it.

    Raises:
        OptionError: it is no request id.
        CloudError: there is no log of it.
    """
    if not re.fullmatch(r"[0-9a-fA-F-]{36}", call):
        raise OptionError(f"{call!r} is no request id; one looks like {_EXAMPLE}")
    service = client("logs", options)
    for group in log_groups(options):
        with explaining(f"search the log group {group}"):
            for page in service.get_paginator("filter_log_events").paginate(
                logGroupName=group, filterPattern=f'"START RequestId: {call}"'
            ):
                for event in page["events"]:
                    stream, start = event["logStreamName"], event["timestamp"]
                    return _of_call(_stream(service, group, stream, start), call)
    raise CloudError(
        f"there is no log of call {call}: lines come some seconds after it; is it in this region"
        f" ({options.region}) and of a function {options.function}-...?"
    )


def logs_of_last(options: LambdaOptions) -> list[Line]:
    """All lines of the call that started last.

    Raises:
        CloudError: nothing was logged for two weeks.
    """
    groups = log_groups(options)
    for span in _LOOK_BACK:  # what CloudWatch says of the age of a stream may be an hour old
        starts = [
            (line.time, line.text, group, line.stream)
            for group in groups
            for line in _since(options, group, span, filterPattern='"START RequestId"')
        ]
        for time, text, group, stream in sorted(starts, reverse=True):
            if match := _START.match(text):
                start = int(time.timestamp() * 1000)
                return _of_call(_stream(client("logs", options), group, stream, start), match[1])
    raise CloudError(
        f"no function {options.function}-... in {options.region} has logged anything yet: lines"
        " come some seconds after a call"
    )


def recent(options: LambdaOptions, span: timedelta) -> list[Line]:
    """All lines of some time, of all functions and sandboxes, in the order of time."""
    lines = [line for group in log_groups(options) for line in _since(options, group, span)]
    return sorted(lines, key=lambda line: line.time)


def log_step(options: LambdaOptions) -> Step:
    """What workers write is dropped after a while; a log that has another limit keeps it."""

    def is_done() -> bool:
        days = _days(options).values()
        return bool(days) and all(days)

    def make() -> str:
        days = _days(options) or {function_found(options)[0]: 0}
        for name in (name for name, limit in days.items() if not limit):
            expire_log(options, name)
        return "set"

    return Step(
        name=f"logs of function {options.function}",
        says=f"keep them for {LOG_DAYS} days",
        is_done=is_done,
        do=make,
        optional=True,
    )


def log_removal(options: LambdaOptions, group: str) -> Step:
    """The log group is gone."""
    service = client("logs", options)

    def is_gone() -> bool:
        return group not in log_groups(options)

    def remove() -> str:
        with explaining(f"remove log group {group}"):
            service.delete_log_group(logGroupName=group)
        return "removed"

    return Step(name=f"log group {group}", says="remove it", is_done=is_gone, do=remove)


def _since(options: LambdaOptions, group: str, span: timedelta, **which: str) -> list[Line]:
    """The lines of a log group that were written within a time before now."""
    since, lines = int((datetime.now(UTC) - span).timestamp() * 1000), list[Line]()
    with explaining(f"read the log group {group}"):
        pages = client("logs", options).get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group, startTime=since, **which):
            lines += [_line(event, event["logStreamName"]) for event in page["events"]]
    return lines


def _stream(service: Any, group: str, stream: str, start: int) -> list[Line]:
    """The lines of one sandbox; the end is reached when the same token comes back."""
    lines, token = list[Line](), ""
    while True:
        how = {"nextToken": token} if token else {}
        with explaining(f"read the log group {group}"):
            page = service.get_log_events(
                logGroupName=group, logStreamName=stream, startTime=start, startFromHead=True, **how
            )
        lines += [_line(event, stream) for event in page["events"]]
        if page["nextForwardToken"] == token:
            return lines
        token = page["nextForwardToken"]


def _of_call(lines: list[Line], call: str) -> list[Line]:
    """From the call's first line to its report, or to the start of the next call."""
    found = list[Line]()
    for line in lines:
        match = _START.match(line.text)
        if match or found:
            if match and match[1] != call:
                if found:
                    break
                continue
            found.append(line)
            if line.text.startswith(f"REPORT RequestId: {call}"):
                break
    return found


def _line(event: dict[str, Any], stream: str) -> Line:
    return Line(
        time=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
        stream=plain(stream),
        text=plain(event["message"].rstrip("\n")),
    )

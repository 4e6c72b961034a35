"""Where tasks run: what that means for their size, their cost, and what a worker may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fieldwren.config import engine_options
from fieldwren.engine.aws_lambda.cost import call_dollars
from fieldwren.engine.aws_lambda.options import LambdaOptions
from fieldwren.engine.base import capacity
from fieldwren.engine.calls import is_file
from fieldwren.engine.local import default_workers
from fieldwren.errors import OptionError
from fieldwren.model import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Executor

    from fieldwren.config import Settings
    from fieldwren.engine.base import Capacity
    from fieldwren.model import ReadTask, Scene

__all__ = ["Site", "check_files", "check_reach", "engine_workers", "read_options", "site_of"]

_LAMBDA_WORKERS: Final = 1000
"""Calls at the same time that an account is taken to allow before it is asked: AWS's default limit
of concurrent executions in a region."""
_LAMBDA_BANDWIDTH: Final = 40e6
"""Bytes per second of one function from S3. Functions were seen to move 30 to 75 MB/s; this is a
careful figure in there, so that tasks end sooner than planned rather than later."""
_LAMBDA_LATENCY: Final = 0.03
"""Seconds to the first byte of a range request to S3 in the same region: what the measurements of
the reading path took for it, not a figure from AWS. Many requests wait at the same time, so that
bandwidth decides and not this."""
_LAMBDA_OVERHEAD: Final = 1.0
"""Seconds of a task beside reading, taken for a cold start of the package; a call to a warm sandbox
costs 12 ms (on loopback). Not measured in AWS: the receipt's billed seconds say what it was."""
_CLUSTER_WORKERS: Final = 64
"""Calls at the same time for which the work is cut, before a cluster is asked for its size."""
_WORKERS_CACHE: Final = "/tmp/fieldwren/headers"  # noqa: S108 - the one folder Lambda can write


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where tasks run. The defaults are one's own machine on an ordinary connection."""

    workers: int = 1
    """Tasks that run at the same time."""
    latency: float = 0.06
    """Seconds to the first byte of a range request; 60 ms from another network."""
    bandwidth: float = 12e6
    """Bytes per second; 100 Mbit/s."""
    alone: bool = False
    """Whether every worker has a machine and its connection for itself."""
    overhead: float = 0.0
    """Seconds of a task beside reading: it travels, a sandbox starts."""
    task_seconds: tuple[float, float] | None = None
    """How long a task should take; None: as short as keeps every worker busy."""
    dollars_per_second: float = 0.0
    """What a worker costs."""
    dollars_per_task: float = 0.0
    """What a call costs beside that."""
    region: str = ""
    """AWS region, where it is in one: reading from a bucket of the same is not charged by byte."""


def site_of(settings: Settings) -> Site:
    """The site of a run, known before its engine is asked for anything.

    Raises:
        OptionError: an option of the engine cannot be used.
    """
    options = engine_options(settings.engine)
    if settings.engine == "lambda":
        return _lambda_site(LambdaOptions.of(**options | engine_workers(settings)))
    asked = settings.workers or int(options.get("workers") or 0)
    far = options.get("scheduler") or settings.engine == "lithops"
    return Site(workers=asked or (_CLUSTER_WORKERS if far else default_workers()), alone=bool(far))


def _lambda_site(options: LambdaOptions) -> Site:
    """Functions in AWS, each with a sandbox of its own."""
    architecture, memory = options.architecture, options.memory
    return Site(
        workers=options.workers or _LAMBDA_WORKERS,
        latency=_LAMBDA_LATENCY,
        bandwidth=_LAMBDA_BANDWIDTH,
        alone=True,
        overhead=_LAMBDA_OVERHEAD,
        task_seconds=(5.0, min(60.0, options.timeout / 4)),  # a call that is lost costs no more
        dollars_per_second=call_dollars(
            calls=0, seconds=1, memory=memory, architecture=architecture
        ),
        dollars_per_task=call_dollars(calls=1, seconds=0, memory=memory, architecture=architecture),
        region=options.region,
    )


def engine_workers(settings: Settings) -> dict[str, Any]:
    """The option ``workers`` of the engine, where the settings say a number."""
    return {"workers": settings.workers} if settings.workers else {}


def read_options(settings: Settings, capacity: Capacity) -> ReadOptions:
    """What one call may use of the machine it runs on.

    Args:
        settings: of the run.
        capacity: of the engine.
    """
    in_flight = settings.megabytes_in_flight
    if capacity.memory:
        in_flight = min(in_flight, capacity.memory // 8)
    deadline = settings.deadline
    if capacity.seconds:  # a file that hangs costs its scene, not the call with all its scenes
        deadline = min(deadline, capacity.seconds / 3)
    cache = str(settings.cache_folder / "headers") if capacity.here else _WORKERS_CACHE
    return ReadOptions(
        files=settings.files,
        bytes_in_flight=in_flight * 2**20 // capacity.per_machine,
        timeout=min(settings.timeout, deadline),
        deadline=deadline,
        header_cache=cache,
    )


def check_files(engine: Executor, tasks: Sequence[ReadTask]) -> None:
    """Refuse files of this machine that the engine's workers do not see: one of them is asked.

    Raises:
        OptionError: a worker does not see the first file.
    """
    scenes = (s for task in tasks for s in task.scenes if s.access == "local")
    asset = next((a for scene in scenes for a in scene.assets.values()), None)
    if asset is None or capacity(engine).here or engine.submit(is_file, asset.href).result():
        return
    raise OptionError(
        f"the workers of the engine do not see the file {asset.href} of this machine: copy the "
        "archive to where they can read it, a bucket or a shared file system, and name it there"
    )


def check_reach(settings: Settings, scenes: Iterable[Scene]) -> None:
    """Refuse files of this machine where tasks run in the cloud.

    Raises:
        OptionError: the archive lies on this machine.
    """
    if settings.engine == "lambda" and any(s.access == "local" for s in scenes):
        raise OptionError(
            f"the archive {settings.archive or 'demo'} lies on this machine, where --engine lambda "
            "cannot read it: copy it to a bucket (aws s3 sync) and name its catalog there, or use "
            "--engine local"
        )

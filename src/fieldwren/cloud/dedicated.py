"""Dedicated machines beside Lambda: a Dask cluster by its address, or EC2 machines by Lithops.

They suit what Lambda does not: calls of more than 15 minutes, more than 10 GiB of memory, graphics
processors, or work that goes on day and night.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fieldwren import __version__
from fieldwren.cloud.questions import Asker, Question, answer
from fieldwren.errors import OptionError

if TYPE_CHECKING:
    from fieldwren.cloud.settings_file import Value
    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["Machines", "dask_recipe", "dedicated_machines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What the answers come to."""

    tables: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """Tables of the configuration file, by engine."""
    hint: str = ""
    """What is left for the user to do."""


def dedicated_machines(options: LambdaOptions, given: Mapping[str, Any], asker: Asker) -> Machines:
    """Ask whether dedicated machines are wanted, and which.

    Raises:
        OptionError: an answer that was given cannot be used.
    """
    kind = answer(_KIND, _implied(given), asker)
    if kind == "dask":
        return _dask(options, given, asker)
    if kind == "lithops":
        return _lithops(options, given, asker)
    return Machines()


_KIND: Final = Question(
    name="dedicated",
    text="Do you also want to use dedicated machines?",
    why="For calls over 15 minutes or 10 GiB, or a cluster that you have. dask: a Dask cluster,"
    " by its address. lithops: EC2 machines that Lithops starts and stops.",
    default="no",
    choices=("no", "dask", "lithops"),
)


def _implied(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Whoever gives an address or a role for machines wants these machines."""
    if given.get("dedicated") is None:
        for kind, sign in (("dask", "scheduler"), ("lithops", "instance_role")):
            if given.get(sign) is not None:
                return {**given, "dedicated": kind}
    return given


def _dask(options: LambdaOptions, given: Mapping[str, Any], asker: Asker) -> Machines:
    scheduler: str = answer(
        Question(
            name="scheduler",
            text="Address of the Dask scheduler?",
            why="Such as tcp://10.0.0.1:8786. Leave it empty if there is none yet: you get a recipe"
            " for a cluster on EC2.",
            default="",
            check=_scheduler,
        ),
        given,
        asker,
    )
    if not scheduler:
        return Machines(hint=dask_recipe(options.region))
    return Machines(
        tables={"dask": {"scheduler": scheduler}},
        hint="See that the cluster answers: fieldwren hello --engine dask",
    )


def _scheduler(text: str) -> str:
    if text and not re.fullmatch(
        r"(tcp|tls|ws|wss|ucx)://[\w.:\[\]-]+:\d{1,5}|[^\s:]+\.json", text
    ):
        raise OptionError(
            f"scheduler {text!r}: give an address such as tcp://10.0.0.1:8786, or a scheduler file"
            " (.json)"
        )
    return text


def dask_recipe(region: str) -> str:
    """How to start a Dask cluster on EC2, and what to tell fieldwren then.

    The image must have this Python and this Dask, or what travels is not understood.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    return f"""\
A Dask cluster on EC2, in three steps:
  1. pip install "dask-cloudprovider[aws]" "fieldwren[dask]"
  2. In Python, and leave it open; cluster.close() ends the machines:
       import dask
       from dask_cloudprovider.aws import EC2Cluster
       cluster = EC2Cluster(
           region="{region}", instance_type="c7i.2xlarge", n_workers=4, security=False,
           security_groups=["sg-..."],  # ports 8786, 8787 open to you alone, all within the group
           docker_image=f"ghcr.io/dask/dask:{{dask.__version__}}-py{python}",
           env_vars={{"EXTRA_PIP_PACKAGES": "fieldwren=={__version__}"}},  # or a wheel's address
       )
       print(cluster.scheduler_address)
  3. fieldwren setup --scheduler tcp://ADDRESS:8786
docs/how-to/aws.md says more."""


def _lithops(options: LambdaOptions, given: Mapping[str, Any], asker: Asker) -> Machines:
    role: str = answer(
        Question(
            name="instance_role",
            text="Name of the instance profile that the machines run under?",
            why="It must allow EC2 and this bucket; the guide docs/how-to/aws.md says how to make"
            " it.",
            default="",
            check=_instance_role,
        ),
        given,
        asker,
    )
    package: str = answer(
        Question(
            name="package",
            text="What do the machines install fieldwren from, by pip?",
            why="A release, or the address of a wheel that they can reach.",
            default=f"fieldwren=={__version__}",
            check=_package,
        ),
        given,
        asker,
    )
    config: dict[str, Value] = {
        "lithops": {"backend": "aws_ec2", "storage": "aws_s3", "mode": "standalone"},
        "aws": {"region": options.region},
        "aws_ec2": {
            "instance_role": role,
            "exec_mode": "reuse",
            "extra_python_packages": [package],
        },
        "aws_s3": {"storage_bucket": options.bucket},
    }
    return Machines(
        tables={"lithops": {"backend": "aws_ec2", "config": config}},
        hint="See that the machines start: fieldwren hello --engine lithops",
    )


def _instance_role(text: str) -> str:
    if not re.fullmatch(r"[\w+=,.@-]{1,128}", text):
        raise OptionError(
            f"instance-role {text!r}: give the name of an instance profile, such as fieldwren-ec2"
        )
    return text


def _package(text: str) -> str:
    if not re.fullmatch(r"fieldwren==[\w.]+|https://[\w.:/%+-]+\.whl", text):
        raise OptionError(
            f"package {text!r}: give a release, such as fieldwren=={__version__}, or the address of"
            " a wheel that starts with https:// and ends with .whl"
        )
    return text

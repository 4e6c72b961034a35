"""The functions in the account: the one that is needed now, and those of earlier releases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fieldwren.cloud.bucket import bucket_exists
from fieldwren.cloud.role import usable_role
from fieldwren.cloud.steps import Step
from fieldwren.config import resolve
from fieldwren.engine.aws_lambda.client import client, explaining
from fieldwren.engine.aws_lambda.deploy import TAGS, ensure_function, function_name
from fieldwren.engine.aws_lambda.package import build_package

if TYPE_CHECKING:
    from fieldwren.cloud.account import Account
    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = [
    "function_found",
    "function_removal",
    "function_step",
    "is_function_name",
    "our_functions",
]


def function_step(options: LambdaOptions, account: Account) -> Step:
    """The function is there and can be called."""

    def is_done() -> bool:
        ready = bucket_exists(options, account) and usable_role(options, account)
        return ready and function_found(options)[1]

    return Step(
        name=f"function {options.function}",
        says=f"pack the worker, upload it, create the function ({options.memory} MiB,"
        f" {options.timeout} s, {options.architecture})",
        is_done=is_done,
        do=lambda: f"{ensure_function(options)} is ready",
    )


def function_found(options: LambdaOptions) -> tuple[str, bool]:
    """The function for this Python version, package and options: its name, and if it is ready."""
    package = build_package(resolve().cache_folder / "packages", options.architecture)
    name = function_name(options, package)
    service = client("lambda", options)
    with explaining(f"look at function {name}"):
        try:
            state = service.get_function_configuration(FunctionName=name)
        except service.exceptions.ResourceNotFoundException:
            return name, False
    failed = state.get("LastUpdateStatus") == "Failed"
    return name, state["State"] in {"Active", "Inactive"} and not failed


def is_function_name(options: LambdaOptions, name: str) -> bool:
    """Whether a function of this set-up would be called so: start, memory, set-up and a hash."""
    start, mark = re.escape(options.function), options.mark
    return re.fullmatch(rf"{start}-\d+-{mark}-[0-9a-f]{{12}}", name) is not None


def our_functions(options: LambdaOptions) -> tuple[list[str], list[str]]:
    """Names of all functions that are called as ours are: with our tag, and without it."""
    service = client("lambda", options)
    ours, others = list[str](), list[str]()
    with explaining("list the functions"):
        for page in service.get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                name = function["FunctionName"]
                if is_function_name(options, name):
                    tags = service.list_tags(Resource=function["FunctionArn"])["Tags"]
                    (ours if TAGS.items() <= tags.items() else others).append(name)
    return ours, others


def function_removal(options: LambdaOptions, name: str) -> Step:
    """The function is gone."""
    service = client("lambda", options)

    def is_gone() -> bool:
        with explaining(f"look at function {name}"):
            try:
                service.get_function_configuration(FunctionName=name)
            except service.exceptions.ResourceNotFoundException:
                return True
        return False

    def remove() -> str:
        with explaining(f"remove function {name}"):
            service.delete_function(FunctionName=name)
        return "removed"

    return Step(name=f"function {name}", says="remove it", is_done=is_gone, do=remove)

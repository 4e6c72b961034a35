"""The command that makes what fieldwren needs in an AWS account."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from fieldwren.cli.asking import asker_of, confirm
from fieldwren.cli.cloud import carry_out, say
from fieldwren.cli.options import AddCommand, print_json, shown_options

if TYPE_CHECKING:
    from fieldwren.cloud.interview import Answers
    from fieldwren.cloud.steps import Step
    from fieldwren.engine.aws_lambda.options import LambdaOptions
    from fieldwren.screen import Screen

__all__ = ["add_commands"]

_ANSWERS: Final = {
    "--region": ("NAME", "AWS region, such as us-west-2"),
    "--bucket": ("NAME", "S3 bucket; created where it does not exist"),
    "--prefix": ("TEXT", "start of all keys in the bucket"),
    "--role": ("NAME", "role that workers run under: a name, or the ARN of an existing one"),
    "--function": ("NAME", "start of the names of Lambda functions"),
    "--memory": ("MIB", "memory of a worker"),
    "--timeout": ("SECONDS", "after which a call is ended"),
    "--architecture": ("NAME", "arm64 or x86_64"),
    "--dedicated": ("NAME", "dedicated machines: no, dask or lithops"),
    "--scheduler": ("ADDRESS", "of a Dask cluster"),
    "--instance-role": ("NAME", "instance profile of EC2 machines that Lithops starts"),
    "--package": ("NAME", "what these machines install: a release, or a wheel's address"),
    "--engine": ("NAME", "engine of runs that name none"),
    "--config": ("FILE", "configuration file: here, home, or a path"),
}
_POLICIES: Final = ("all", "trust", "role", "person")


def add_commands(add: AddCommand) -> None:
    """Add the command to the parser."""
    setup = add(
        "setup",
        parents=[shown_options()],
        help="get an AWS account ready, step by step",
        description="Asks what it needs to know, shows what it will do, does it, and tries it out."
        " Run it again at any time: what is there already is left as it is.",
    )
    setup.add_argument("-y", "--yes", action="store_true", help="ask nothing: defaults and options")
    setup.add_argument("--dry-run", action="store_true", help="only say what would be done")
    setup.add_argument(
        "--print-policy",
        nargs="?",
        const="all",
        choices=_POLICIES,
        help="print what to allow, for an administrator: the role's trust and permissions, and"
        " those of the person who runs fieldwren",
    )
    for flag, (metavar, words) in _ANSWERS.items():
        setup.add_argument(flag, metavar=metavar, help=words)
    setup.add_argument("--profile", metavar="NAME", help="AWS profile to use and to write down")
    setup.add_argument(
        "--overwrite",
        action="store_const",
        const="yes",
        help="replace other values in the configuration file",
    )
    setup.add_argument("--no-hello", action="store_true", help="do not try it out at the end")
    setup.set_defaults(command=_setup)


def _setup(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.cloud.interview import file_in_use, settings_file  # noqa: PLC0415
    from fieldwren.config import using_file  # noqa: PLC0415 - only where needed

    named = settings_file(options.config) if options.config else None
    known = named if named and named.is_file() else file_in_use()  # has the earlier answers
    with using_file(known.expanduser()):
        return _set_up(options, screen)


def _set_up(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.cloud.account import account_of  # noqa: PLC0415 - only where needed
    from fieldwren.cloud.interview import interview  # noqa: PLC0415 - likewise
    from fieldwren.cloud.setup import setup_steps  # noqa: PLC0415 - likewise
    from fieldwren.cloud.steps import to_do  # noqa: PLC0415 - likewise

    screen.close()
    known, given = _known(options), _given(options)
    if options.print_policy:
        return _print_policy(options, known)
    asker = asker_of(options, screen.out, "fieldwren setup")
    loud = not (options.quiet or options.json)
    account = account_of(known)
    if loud:
        say(screen, _WELCOME.format(account=account))
    answers = interview(known, account, given, asker)
    steps = setup_steps(answers, account)
    left = to_do(steps)
    if loud:
        _show(steps, left, screen)
    told: list[dict[str, object]] = []
    if options.dry_run:
        told = [{"name": s.name, "says": s.says, "changed": False} for s in left]
    elif confirm(asker, "Go ahead?", default=True, yes=options.yes or not left):
        told = carry_out(left, screen, quiet=not loud)
    else:
        say(screen, "Nothing was changed.")
        return 0
    said = "" if options.dry_run or options.no_hello else _try_out(answers.options, screen)
    _finish(options, answers, told, said, screen)
    return 0


def _known(options: argparse.Namespace) -> LambdaOptions:
    """Earlier answers: those of the configuration file and the environment."""
    from fieldwren.config import engine_options  # noqa: PLC0415 - only where needed
    from fieldwren.engine.aws_lambda.options import LambdaOptions  # noqa: PLC0415 - likewise

    known = LambdaOptions.of(**engine_options("lambda"))
    return replace(known, profile=options.profile) if options.profile else known


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """Answers that options give, by the name of the question."""
    names = [flag.strip("-").replace("-", "_") for flag in _ANSWERS]
    return {name: getattr(options, name) for name in (*names, "overwrite")}


def _print_policy(options: argparse.Namespace, known: LambdaOptions) -> int:
    """Print policies as JSON; what is not known yet stands as in the suggestions of setup."""
    from fieldwren.cloud.account import Account, account_of, usual_region  # noqa: PLC0415
    from fieldwren.cloud.bucket import suggested_name  # noqa: PLC0415 - only where needed
    from fieldwren.cloud.policies import TRUST, person_policy, worker_policy  # noqa: PLC0415
    from fieldwren.errors import CloudError  # noqa: PLC0415 - likewise

    names = ("region", "bucket", "prefix", "role", "function")
    aws = replace(known, **{n: v for n in names if (v := getattr(options, n)) is not None})
    try:
        account = account_of(aws)
    except CloudError:  # an administrator may print it for another account
        account = Account(id="*")
    aws = replace(aws, region=usual_region(aws))
    aws = replace(aws, bucket=aws.bucket or suggested_name(account, aws.region))
    policies = {
        "trust": ("Who may act as the role of the workers", TRUST),
        "role": ("What this role may do", worker_policy(aws, account)),
        "person": ("What the person who runs fieldwren may do", person_policy(aws, account)),
    }
    if options.json:
        print_json({name: policy for name, (_, policy) in policies.items()})
        return 0
    for name, (title, policy) in policies.items():
        if options.print_policy in {"all", name}:
            if options.print_policy == "all":
                print(f"\n# {title} (--print-policy {name} prints this alone)")
            print(json.dumps(policy, indent=2))
    return 0


def _show(steps: list[Step], left: list[Step], screen: Screen) -> None:
    """The list of what is there and of what is to be done."""
    lines = [""]
    if there := [step for step in steps if step not in left]:
        lines += ["There already:", *(f"  ✓ {step.name}" for step in there)]
    if left:
        lines += ["To be done:", *(f"  • {step.name}: {step.says}" for step in left)]
    else:
        lines += ["Nothing is left to do."]
    say(screen, "\n".join(lines))


def _try_out(aws: LambdaOptions, screen: Screen) -> str:
    """Run a small function in the cloud; returns its answer."""
    from fieldwren.cloud.hello import say_hello  # noqa: PLC0415 - only where needed
    from fieldwren.log import plain  # noqa: PLC0415 - likewise

    with screen.console.status("a first call, in the cloud"):
        return plain(say_hello("lambda", **asdict(aws)))


def _finish(
    options: argparse.Namespace,
    answers: Answers,
    told: list[dict[str, object]],
    said: str,
    screen: Screen,
) -> None:
    """Say what came of it, and what comes next."""
    if options.json:
        print_json({"config": answers.file, "steps": told, "hello": said})
    elif options.quiet:
        print(said, end="\n" * bool(said))
    elif options.dry_run:
        say(screen, "\nThis was a dry run: nothing was made.")
    else:
        if said:
            print(said)
        say(screen, _NEXT)
        for hint in (answers.hint, _unread(answers)):
            if hint:
                say(screen, f"\n{hint}")


def _unread(answers: Answers) -> str:
    """What to do where commands do not find the configuration file."""
    from fieldwren.cloud.interview import file_in_use  # noqa: PLC0415 - only where needed

    file = answers.file.resolve()
    if file == file_in_use().expanduser().resolve():
        return ""
    return (
        f"Commands in this folder do not read {answers.file} by themselves:"
        f" export FIELDWREN_CONFIG={shlex.quote(str(file))}"
    )


_WELCOME: Final = """\
This gets AWS account {account.id} ready for fieldwren, as {account.arn}.
Enter takes the answer in brackets. Nothing is made before you have seen a list of it."""
_NEXT: Final = """
Ready. What comes next:
  fieldwren plan places.geojson --engine lambda   what a run would read, and cost
  fieldwren run places.geojson --engine lambda    observe the places, in the cloud
  fieldwren teardown                              remove all this again"""

"""The command that looks at the installation and the archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldwren.cli.options import AddCommand, print_json, shown_options

if TYPE_CHECKING:
    import argparse

    from fieldwren.screen import Screen

__all__ = ["add_commands"]


def add_commands(add: AddCommand) -> None:
    """Add the command to the parser."""
    doctor = add("doctor", parents=[shown_options()], help="what is installed and reachable")
    doctor.add_argument(
        "--cloud",
        action="store_true",
        default=None,
        help="look at the AWS account too (done anyway where [lambda] has settings)",
    )
    doctor.set_defaults(command=_doctor)


def _doctor(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.doctor import examine  # noqa: PLC0415 - heavy

    checks = examine(cloud=options.cloud)
    screen.close()
    if options.json:
        print_json({"checks": [{"name": c.name, "ok": c.ok, "says": c.says} for c in checks]})
    else:
        width = max(len(c.name) for c in checks)
        for check in checks:
            print(f"{'ok  ' if check.ok else 'no  '}{check.name:<{width}}  {check.says}")
    return 0

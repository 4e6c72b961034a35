"""Questions on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.text import Text

from fieldwren.cloud.questions import Asker, Defaults, Question, yes_or_no
from fieldwren.errors import FieldwrenError, OptionError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

__all__ = ["Terminal", "asker_of", "confirm"]


class Terminal:
    """Asks whoever sits at the terminal, until the answer can be used.

    Args:
        console: where questions are shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, question: Question, /) -> Any:
        """Ask."""
        self._console.print()
        self._console.print(Text(question.text, style="bold"))
        if question.why:
            self._console.print(Text(question.why, style="dim"))
        while True:
            text = self._read(question)
            try:
                return question.value(text)
            except FieldwrenError as error:
                self._console.print(Text(f"  {error}", style="red"))

    def _read(self, question: Question) -> str:
        choices = f"{', '.join(question.choices)} " if question.choices else ""
        default = f"[{question.default}] " if question.default else ""
        try:
            text = input(f"  {choices}{default}> ").strip() or question.default
        except EOFError:
            raise KeyboardInterrupt from None
        return _whole(text, question.choices)


def _whole(text: str, choices: tuple[str, ...]) -> str:
    """The choice that is meant: its start is enough where it is the start of one only."""
    meant = [choice for choice in choices if choice.startswith(text.lower())]
    return meant[0] if len(meant) == 1 else text


def asker_of(options: argparse.Namespace, console: Console, command: str) -> Asker:
    """Who answers: the terminal; or the defaults, with --yes and in a dry run without terminal.

    Raises:
        OptionError: nobody can answer.
    """
    if options.yes or (options.dry_run and not sys.stdin.isatty()):
        return Defaults()
    if not sys.stdin.isatty():
        raise OptionError(
            f"{command} asks before it acts, and there is no terminal to ask on: give --yes to take"
            " the defaults and what the options say"
        )
    return Terminal(console)


def confirm(asker: Asker, text: str, *, default: bool, yes: bool) -> bool:
    """Whether to go on; ``yes`` has said so already."""
    return yes or asker(yes_or_no("go", text, default=default))

"""Questions as values, so that a terminal, a script or a test can answer them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fieldwren.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Asker", "Defaults", "Question", "answer", "yes_or_no"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that only the user knows."""

    name: str
    """What the answer is; with ``--`` before it the option that gives it."""
    text: str
    """The question, with its question mark."""
    default: str
    """The answer of whoever just goes on."""
    why: str = ""
    """What one should know to answer it."""
    choices: tuple[str, ...] = ()
    """The answers there are; empty where any text may be one."""
    check: Callable[[str], Any] = str
    """Makes the value of an answer; raises FieldwrenError where it cannot be used."""

    def value(self, text: str) -> Any:
        """The value of an answer.

        Raises:
            FieldwrenError: it cannot be used; the message says why.
        """
        if self.choices and text not in self.choices:
            raise OptionError(f"{self.name}: choose one of {', '.join(self.choices)}, not {text!r}")
        return self.check(text)


class Asker(Protocol):
    """Whoever answers."""

    def __call__(self, question: Question, /) -> Any:
        """Answer: the value that ``question.value`` made.

        Raises:
            FieldwrenError: there is no usable answer.
        """


class Defaults:
    """Answers everything with its default."""

    def __call__(self, question: Question, /) -> Any:
        """The default, checked like any other answer."""
        return question.value(question.default)


def answer(question: Question, given: Mapping[str, Any], asker: Asker) -> Any:
    """What was given beforehand, or else what the asker says.

    Raises:
        FieldwrenError: what was given cannot be used, or the asker gives no answer.
    """
    value = given.get(question.name)
    return asker(question) if value is None else question.value(str(value))


def yes_or_no(name: str, text: str, *, default: bool, why: str = "") -> Question:
    """A question whose answer is True or False."""
    return Question(
        name=name,
        text=text,
        why=why,
        default="yes" if default else "no",
        choices=("yes", "no"),
        check=lambda text: text == "yes",
    )

"""What a command in Slack asks for. Pure: nothing is looked up, and nothing of the text is logged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deplite_apiserver.slack.words import UnclosedQuoteError, Word, plain, words

MAX_CHARACTERS = 12_000
"""Params of a run may have 8 KiB together."""
_DASHES = ("--", "—", "–")
"""Phones make one dash of two."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Start a run."""

    trigger: str
    ref: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    workflow: str | None = None
    debug: bool = False


@dataclass(frozen=True, kw_only=True)
class Status:
    """Show a job; None: the caller's newest one."""

    job: str | None = None


@dataclass(frozen=True, kw_only=True)
class Logs:
    """Show the end of a job's log."""

    job: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Stop a job."""

    job: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """Start the run of a job again."""

    job: str | None = None


@dataclass(frozen=True, kw_only=True)
class Triggers:
    """List what can be run."""


@dataclass(frozen=True, kw_only=True)
class Help:
    """Explain the commands."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """Tie the Slack user to the member who got the code."""

    code: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Unlink:
    """Undo the link."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The text is no command; the message says what to type, and repeats nothing of it."""

    message: str


Command = Run | Status | Logs | Cancel | Rerun | Triggers | Help | Link | Unlink
_Read = Callable[[Sequence[Word]], Command | Problem]


def parse(text: str) -> Command | Problem:
    """Return the command of a text as Slack sends it, without the name of the app."""
    if len(text) > MAX_CHARACTERS:
        return Problem(message=f"That is too long: a command has at most {MAX_CHARACTERS} characters.")
    try:
        found = words(plain(text))
    except UnclosedQuoteError:
        return Problem(message='A quote is not closed: write `name="a value"`.')
    if not found:
        return Help()
    first, rest = found[0].text.lower(), found[1:]
    read = _COMMANDS.get(first)
    return read(rest) if read else Problem(message="There is no such command.")


def _run(rest: Sequence[Word]) -> Run | Problem:
    reading = _Reading()
    for word in rest:
        if (problem := reading.take(word)) is not None:
            return Problem(message=problem)
    return reading.run()


class _Reading:
    """Takes the words of `run` one after the other."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self._params: dict[str, str] = {}
        self._workflow: str | None = None
        self._debug, self._awaited = False, False

    def take(self, word: Word) -> str | None:
        """Take a word; returns what is wrong with it."""
        if self._awaited:
            self._workflow, self._awaited = word.text, False
        elif (option := _option(word)) is not None:
            return self._take_option(option)
        elif word.pair is None:
            self._named.append(word.text)
        else:
            return self._take_param(*word.pair)
        return None

    def run(self) -> Run | Problem:
        """Return what they ask for together."""
        if self._awaited or self._workflow == "":
            return Problem(message="Say which one after `--workflow`.")
        if not 1 <= len(self._named) <= 2 or not all(self._named):
            return Problem(
                message="Write `run TRIGGER [ref] [name=value …]`; spaces, and an `=` in a ref, go in quotes."
            )
        trigger, ref = (*self._named, None)[:2]
        assert trigger is not None
        return Run(trigger=trigger, ref=ref, params=self._params, workflow=self._workflow, debug=self._debug)

    def _take_option(self, option: tuple[str, str | None]) -> str | None:
        match option:
            case "debug", None:
                self._debug = True
            case "workflow", None:
                self._awaited = True
            case "workflow", name:
                self._workflow = name
            case _:
                return "`run` knows the options `--workflow NAME` and `--debug`."
        return None

    def _take_param(self, name: str, value: str) -> str | None:
        if not name:
            return "A param is written `name=value`, without spaces around the `=`."
        if name == "ref":  # who writes this means no param, and would get the default ref without a word
            return "The ref goes without a name: `run TRIGGER REF`."
        if name in self._params:
            return "A param is there twice."
        self._params[name] = value
        return None


def _option(word: Word) -> tuple[str, str | None] | None:
    """Return name and value of an option."""
    dash = next((dash for dash in _DASHES if word.text.startswith(dash)), None)
    if dash is None or word.quoted:
        return None
    name, value = word.pair or (word.text, None)
    return name.removeprefix(dash).lower(), value


def _of_job(
    make: Callable[..., Status | Logs | Cancel | Rerun], name: str
) -> Callable[[Sequence[Word]], Command | Problem]:
    def read(rest: Sequence[Word]) -> Command | Problem:
        if len(rest) > 1:
            return Problem(message=f"Write `{name} [JOB]`: the id of a job, or the name of a trigger.")
        return make(job=rest[0].text if rest and rest[0].text else None)

    return read


def _alone(make: Callable[[], Command], name: str) -> _Read:
    def read(rest: Sequence[Word]) -> Command | Problem:
        return Problem(message=f"`{name}` takes nothing else.") if rest else make()

    return read


def _link(rest: Sequence[Word]) -> Link | Problem:
    if len(rest) != 1:
        return Problem(message="Write `link CODE`, with the code that `deplite slack link` prints.")
    return Link(code=rest[0].text)


_COMMANDS: Mapping[str, _Read] = {
    "run": _run,
    "status": _of_job(Status, "status"),
    "logs": _of_job(Logs, "logs"),
    "log": _of_job(Logs, "logs"),
    "cancel": _of_job(Cancel, "cancel"),
    "stop": _of_job(Cancel, "cancel"),
    "rerun": _of_job(Rerun, "rerun"),
    "triggers": _alone(Triggers, "triggers"),
    "help": lambda rest: Help(),
    "link": _link,
    "unlink": _alone(Unlink, "unlink"),
}

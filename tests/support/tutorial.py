"""A tutorial in Markdown, read as what a reader does: files to write, commands to run, what comes.

    ```yaml                      ```console                      ```console terminal=engine
    # file: apps/settings.yaml   $ lockstep get ks               ... ready: every object is known
    kind: ConfigMap              NAME   REVISION   READY         ```
    ```                          apps   main@...   True
                                 ```

A file is written whole, its first line included, in the folder of the repository.  A command goes
on in the next line behind `> `.  `console status=1` says that the last command ends so.  Another
terminal than the reader's has a name; its commands stay, and its lines may be shown later.

Of an output each line is compared.  `...` alone in a line stands for any lines, in a line for any
text; what is in `VOLATILE` is equal to anything of its kind; runs of spaces are equal, as columns
are as wide as what they hold.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import ndiff
from itertools import takewhile
from types import MappingProxyType
from typing import Final

LEFT_OUT: Final = "..."
VOLATILE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "revision": r"(?<=sha1:)[0-9a-f]{8,40}\b",
        "instant": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)",
        "time": r"(?<![\d:])\d\d:\d\d:\d\d\.\d{3}(?!\d)",
        "address": r"127\.0\.0\.1:\d{4,5}",
        "duration": r"(?<![\w.:@-])(\d+(\.\d+)?(ms|h|m|s))+(?![\w-])",
        "count": r"(?<=\(x)\d+(?= over)|(?<=, )\d+(?= requests?\))",
        "hash": r"(?<=-)[a-z0-9]{10}\b(?=-[a-z0-9]{5}\b)",
    }
)
"""What is another one each time, by what it is:

revision   digits of a commit's id, whole or the first eight
instant    a date with its time
time       of a line of the log
address    of this machine, with a free port
duration   how long something took, or ago it was; intervals, too
count      how often an event was told, how many requests were needed
hash       in the name of what a Deployment makes
"""

_FENCE = re.compile(r"```(\w+)(?: +(\S+))?$")
_FILE = "# file: "
_SPACES = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class File:
    """A file to write; line: of the tutorial."""

    line: int
    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run, and what it prints.

    text: "" shows what the terminal has printed since.   status: None of one that stays.
    """

    line: int
    text: str
    output: tuple[str, ...]
    terminal: str = ""
    status: int | None = 0


@dataclass(slots=True)
class _Block:
    """A fenced block; line: of its first line inside."""

    line: int
    kind: str
    option: str
    lines: list[str] = field(default_factory=list)


def steps_of(text: str) -> list[File | Command]:
    """What a reader does, in order.  Raises ValueError if a block is not as above."""
    steps: list[File | Command] = []
    for block in _blocks(text):
        if block.kind == "console":
            steps += _commands(block)
        elif block.lines and block.lines[0].startswith(_FILE):
            path = block.lines[0].removeprefix(_FILE)
            steps.append(File(block.line, path, "".join(f"{line}\n" for line in block.lines)))
    return steps


def _blocks(text: str) -> Iterator[_Block]:
    block: _Block | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if block is None:
            fence = _FENCE.match(line)
            if fence:
                block = _Block(number + 1, fence[1], fence[2] or "")
        elif line == "```":
            yield block
            block = None
        else:
            block.lines.append(line)
    if block is not None:
        raise ValueError(f"line {block.line}: this block does not end")


def _commands(block: _Block) -> Iterator[Command]:
    name, _, value = block.option.partition("=")
    if name not in ("", "status", "terminal"):
        raise ValueError(f"line {block.line}: {block.option!r} is neither status= nor terminal=")
    terminal = value if name == "terminal" else ""
    starts = [at for at, line in enumerate(block.lines) if line.startswith("$ ")]
    if starts[:1] != [0] and not terminal:
        raise ValueError(f"line {block.line}: a console begins with `$ ` and a command")
    for at, end in zip(starts or [0], [*starts[1:], len(block.lines)], strict=True):
        lines = block.lines[at:end]
        more = [line[2:] for line in takewhile(lambda line: line.startswith("> "), lines[1:])]
        text = "\n".join([lines[0][2:], *more]) if starts else ""
        output = tuple(lines[1 + len(more) :] if starts else lines)
        is_last = end == len(block.lines)
        status = None if terminal else int(value) if name == "status" and is_last else 0
        yield Command(block.line + at, text, output, terminal, status)


def is_shown(wanted: tuple[str, ...], printed: str) -> bool:
    """Whether that is just what was printed."""
    return _pattern(wanted).fullmatch(_plain(printed)) is not None


def shown_in(wanted: tuple[str, ...], printed: str) -> int:
    """How many characters of what was printed end with that, 0 if it is not in there.

    Whole lines are looked for, the first that fit.
    """
    ends = [at + 1 for at, letter in enumerate(printed) if letter == "\n"]
    pattern = _pattern((LEFT_OUT, *wanted))
    return next((end for end in ends if pattern.fullmatch(_plain(printed[:end]))), 0)


def difference(wanted: tuple[str, ...], printed: str) -> str:
    """For people."""
    return "\n".join(ndiff(list(map(_plain, wanted)), _plain(printed).splitlines()))


def _pattern(wanted: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("".join(map(_line_pattern, wanted)))


def _line_pattern(line: str) -> str:
    if line.strip() == LEFT_OUT:
        return r"(?:.*\n)*?"
    return ".*".join(map(re.escape, _plain(line).split(LEFT_OUT))) + r"\n"


def _plain(text: str) -> str:
    """The text with each volatile part replaced by its name, and without spaces at line ends."""
    for name, pattern in VOLATILE.items():
        text = re.sub(pattern, f"<{name}>", text)
    return "\n".join(_SPACES.sub(" ", line).rstrip() for line in text.split("\n"))

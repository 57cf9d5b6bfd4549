"""Inputs that are nearly right: recorded repositories, with something changed."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random

from tests.golden.test_broken import BOOKS, TITLE

_WORD = re.compile(rb"[\w.\-/$]+")
_ODD = (
    *(
        b"",
        b"\0",
        b"\t",
        b"\xff",
        b"\xef\xbb\xbf",
        b"---\n",
        b"...\n",
        b"&a ",
        b"*a",
        b"<<: ",
        b"? ",
    ),
    *(b"!!binary ", b"!!int ", b"| ", b">-\n", b"[", b"{", b"}", b"null", b"~", b"-1", b"1e999"),
    *(b"0x", b"0o17", b".inf", b"'", b'"', b"$patch: delete", b"$(A)", b"${A:=", b"..", b"*", b"."),
    *(b"[name=web]", b"[=", b"9" * 30, b"(", b"2001-01-01", b"yes", b"<<<<<<< HEAD\n", b"# "),
)


@cache
def seeds() -> Sequence[bytes]:
    """The cases of the golden books, and each of their files."""
    texts = [text for book in BOOKS for text in TITLE.split(Path(book).read_text())[2::2]]
    files = [part for text in texts for part in re.split(r"^-- .+ --\n", text, flags=re.MULTILINE)]
    return [text.encode() for text in dict.fromkeys((*texts, *files)) if text]


@cache
def _words() -> Sequence[bytes]:
    return sorted({word for seed in seeds() for word in _WORD.findall(seed)})


def mutated(random: Random, data: bytes | None = None) -> bytes:
    """A seed, or the data, after a few changes."""
    data = random.choice(seeds()) if data is None else data
    for _ in range(random.randint(1, 4)):
        data = random.choice(_CHANGES)(random, data)
    return data[:20_000]


def _word(random: Random, data: bytes) -> bytes:
    """Another word in the place of one."""
    found = list(_WORD.finditer(data))
    if not found:
        return data
    place = random.choice(found)
    word = random.choice((random.choice(_words()), random.choice(_ODD)))
    return data[: place.start()] + word + data[place.end() :]


def _line(random: Random, data: bytes) -> bytes:
    """A line gone, twice, elsewhere, or indented otherwise."""
    lines = data.split(b"\n")
    place, other = random.randrange(len(lines)), random.randrange(len(lines))
    change = random.randrange(5)
    if change == 0:
        del lines[place]
    elif change == 1:
        lines.insert(other, lines[place])
    elif change == 2:
        lines[place], lines[other] = lines[other], lines[place]
    elif change == 3:
        lines[place] = b" " * random.randint(1, 4) + lines[place]
    else:
        lines[place] = lines[place].lstrip()
    return b"\n".join(lines)


def _splice(random: Random, data: bytes) -> bytes:
    """The beginning of one and the end of another, at the beginnings of lines."""
    other = random.choice(seeds()).split(b"\n")
    lines = data.split(b"\n")
    return b"\n".join(
        lines[: random.randint(0, len(lines))] + other[random.randrange(len(other)) :]
    )


def _insert(random: Random, data: bytes) -> bytes:
    place = random.randint(0, len(data))
    return data[:place] + random.choice(_ODD) * random.choice((1, 1, 1, 200)) + data[place:]


def _cut(random: Random, data: bytes) -> bytes:
    start = random.randint(0, len(data))
    return data[:start] + data[start + random.randint(0, 30) :]


def _byte(random: Random, data: bytes) -> bytes:
    place = random.randint(0, len(data))
    return data[:place] + random.randbytes(1) + data[place + 1 :]


_CHANGES: Sequence[Callable[[Random, bytes], bytes]] = (
    *(_word, _word, _word, _line, _line),
    *(_splice, _insert, _cut, _byte),
)

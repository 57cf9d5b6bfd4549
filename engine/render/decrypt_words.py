"""Keep what was decrypted, and what secret variables became, out of the errors of a build.

A decrypted patch may be malformed, name an object that is not there, or be refused by what it
patches: the error then quotes it.  Hidden is each value that was encrypted; and whatever an error
quotes, or an error about that file says, that stands in a decrypted text and not openly in its
encrypted form.
"""

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from engine.objects.manifests import ManifestError, parse
from engine.objects.redact import MASK, mask
from engine.render.secret_variables import LONGEST, SecretVariables
from engine.sops import Format

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\$\{[^\s,;]*")
"""What a message quotes, and the beginning of a variable."""
_WORD = re.compile(r"[^\s'\"`(),;:]{4,}")
_SEALED = re.compile(r"ENC\[[^\[\]]*\]")
_SEALED_PREFIX = "ENC["
_CUT = " [...] "
_SHORTEST = 3
"""Characters below which a value is not masked wherever it stands (`redact.mask`)."""
_PLAIN_WORD = 4
"""Characters from which on a quoted text that the encrypted file has too is taken for public."""


class Words:
    """What is secret of one build, in the forms in which an error may quote it."""

    def __init__(self, variables: SecretVariables | None = None) -> None:
        """variables: told of what was made of secret ones, as long as the build goes on."""
        self._variables = variables or SecretVariables()
        self._values: dict[str, None] = {}
        self._texts: list[tuple[str, str]] = []  # (plain, what the encrypted form says openly)
        self._files: set[str] = set()

    @property
    def values(self) -> tuple[str, ...]:
        """Each text that was encrypted, or made of a secret variable, for `mask`."""
        return tuple(self._values | self._variables.made)

    @property
    def has_secrets(self) -> bool:
        """Whether there is anything to hide."""
        return bool(self._texts or self._variables.made)

    @property
    def files(self) -> frozenset[str]:
        """The files that were decrypted."""
        return frozenset(self._files)

    def read(self, sealed: bytes, plain: bytes, form: Format, file: str) -> None:
        """A file was decrypted."""
        self._files.add(file)
        public, text = sealed.decode(errors="replace"), plain.decode(errors="replace")
        self._texts.append((text, _SEALED.sub("", public)))
        self._add(_revealed_in(public, text, form))

    def saw(self, sealed: Any, plain: Any) -> None:
        """An object was decrypted."""
        values = list(revealed(sealed, plain))
        self._texts += [(value, "") for value in values]
        self._add(values)

    def told(self, value: bytes) -> None:
        """A text was decrypted that is secret as a whole."""
        text = value.decode(errors="replace")
        self._texts.append((text, ""))
        self._add([text])

    def _add(self, values: "Iterator[str] | list[str]") -> None:
        kept = (value[:LONGEST] for value in values if len(value) >= _SHORTEST)
        self._values |= dict.fromkeys(kept)

    def hidden(self, message: str) -> str:
        """The message without anything that was decrypted."""
        if not self.has_secrets:
            return message
        lines = mask(message, self.values).split("\n")
        return "\n".join(map(self._hidden_line, lines))

    def _hidden_line(self, line: str) -> str:
        # Of a very long line the middle is missing, and with it the end of a value.
        is_about_it = _CUT in line or any(file in line for file in self._files)

        def shown(match: re.Match[str]) -> str:
            text = _unquoted(match[0])
            is_short = is_about_it and 0 < len(text) < _PLAIN_WORD
            return f"'{MASK}'" if is_short or self._is_secret(text) else match[0]

        line = _QUOTED.sub(shown, line)
        if not is_about_it:  # else each word of a long text would be missing somewhere
            return line
        return _WORD.sub(lambda word: MASK if self._is_secret(word[0]) else word[0], line)

    def _is_secret(self, text: str) -> bool:
        """Whether it stands in a decrypted text, and not openly in its encrypted form."""
        return any(text in plain and text not in public for plain, public in self._texts if text)


def _unquoted(text: str) -> str:
    """What stands in the quotes of `repr` or JSON; a text without quotes as it is."""
    if text[0] not in "'\"":
        return text
    with suppress(ValueError, SyntaxError):
        value = ast.literal_eval(text)
        if isinstance(value, str):
            return value
    return text[1:-1]


def revealed(sealed: Any, plain: Any) -> Iterator[str]:
    """The values of an object or document that were encrypted; not its keys, never true or false.

    sealed, plain: the same one before and after.
    """
    if isinstance(sealed, dict) and isinstance(plain, dict):
        for key in plain:
            yield from revealed(sealed.get(key), plain[key])
    elif isinstance(sealed, list) and isinstance(plain, list):
        for before, after in zip(sealed, plain, strict=False):
            yield from revealed(before, after)
    elif (
        isinstance(sealed, str)
        and sealed.startswith(_SEALED_PREFIX)
        and not isinstance(plain, bool | dict | list | None)
    ):
        yield str(plain)


def _revealed_in(sealed: str, plain: str, form: Format) -> Iterator[str]:
    """The values of a file that were encrypted."""
    if form is Format.BINARY:
        yield plain
        return
    if form in (Format.YAML, Format.JSON):
        with suppress(ManifestError):
            pairs = zip(*(parse(each.encode(), "") for each in (sealed, plain)), strict=False)
            found = [text for one, other in pairs for text in revealed(one.obj, other.obj)]
            yield from found
            return
    # Line by line: of what follows the name of a variable, or all of what cannot be read.
    known = set(sealed.splitlines())
    for line in plain.splitlines():
        if line not in known:
            yield line.partition("=")[2].strip() or line.strip()

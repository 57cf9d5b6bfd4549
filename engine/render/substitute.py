"""Replace `${name}` in a text, with the shell-like operators that Flux has.

Only `${...}` is special; `$$` is a literal `$`.  Arguments may hold `${...}` again and are all
evaluated before the operator.  Source: fluxcd/pkg envsubst.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.render.operators import DEFAULTS, OPERATORS, OperatorError, check_length, default
from engine.render.secret_variables import SecretVariables

NAME = re.compile(r"[_A-Za-z][_A-Za-z0-9]*")
"""What a variable may be called."""
_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; line, column: of its `${`, from 1.

    unset: the name of a variable that is not set, "" if it is something else.
    """

    text: str
    line: int = 0
    column: int = 0
    unset: str = ""

    def __str__(self) -> str:
        """With its place."""
        return f"{self.text} at {self.line}:{self.column}" if self.line else self.text


class SubstitutionError(ValueError):
    """A text whose `${...}` cannot be replaced; `str` says which and where, one a line."""

    def __init__(self, *problems: Problem) -> None:
        """problems: all of them, each variable once a line."""
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(map(str, self.problems)))


def substitute(
    text: str, variables: Mapping[str, str], strict: bool, secret: SecretVariables | None = None
) -> str:
    """The text with all variables replaced.

    strict: a variable that is not set is an error unless the operator gives a default, else it
    reads as empty.  secret: is told what was made of those that are secret, also if something is
    wrong.  Raises SubstitutionError naming all such variables, or the first place of bad syntax.
    """
    if "$" not in text:
        return text
    walk = _Evaluation(text, variables, secret or SecretVariables(), strict=strict)
    parts: list[str] = []
    length = 0
    for part in _Parser(text).parts():
        parts.append(walk.part(part))
        length += len(parts[-1])
    walk.end()
    try:
        check_length(length)
    except OperatorError as error:
        walk.problems.append(Problem(str(error)))
    if walk.problems:
        raise SubstitutionError(*walk.problems)
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Call:
    """`${name operator arguments}`; at: the offset of its `${`."""

    name: str
    operator: str
    arguments: tuple["str | _Call", ...]
    at: int


class _Evaluation:
    """Replaces calls; what cannot be replaced is noted and reads as empty."""

    def __init__(
        self, text: str, variables: Mapping[str, str], secret: SecretVariables, *, strict: bool
    ) -> None:
        self._text, self._variables, self._secret = text, variables, secret
        self._strict = strict
        self._run: list[str] = []  # secret texts that stand side by side
        self.problems: list[Problem] = []

    def part(self, part: str | _Call) -> str:
        """What stands in its place; the parts of a text in their order."""
        value, is_secret = self._value(part)
        if is_secret:
            self._run.append(value)
        elif value:
            self.end()
        return value

    def end(self) -> None:
        """Whatever was secret ends here: two halves make a whole."""
        if len(self._run) > 1:
            self._secret.note("".join(self._run))
        self._run.clear()

    def _value(self, part: str | _Call) -> tuple[str, bool]:
        """(what stands in its place, whether it is secret)."""
        if isinstance(part, str):
            return part, False
        arguments, are_secret = [], False
        for item in part.arguments:
            argument, is_secret = self._value(item)
            arguments.append(argument)
            are_secret |= is_secret
        try:
            check_length(sum(map(len, arguments)))
            own = self._variable(part)
            value = OPERATORS[part.operator](own, arguments)
        except OperatorError as error:
            self.problems.append(self._problem(f"${{{part.name}}}: {error}", part))
            return "", False
        if part.name not in self._secret.names:
            is_secret = are_secret and value != own
        else:
            is_secret = bool(own) or are_secret or OPERATORS[part.operator] is not default
        if is_secret:
            self._secret.note(value)
        return value, is_secret

    def _variable(self, part: _Call) -> str:
        value = self._variables.get(part.name)
        if value is None:
            if self._strict and part.operator not in DEFAULTS:
                text = f'variable not set (strict mode): "{part.name}"'
                self.problems.append(self._problem(text, part, part.name))
            return ""
        if not value.isascii() and any("\udc80" <= letter <= "\udcff" for letter in value):
            raise OperatorError("its value is not UTF-8 text")
        return value

    def _problem(self, text: str, part: _Call, unset: str = "") -> Problem:
        return Problem(text, *_place(self._text, part.at), unset)


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1."""
    line = text.count("\n", 0, offset) + 1
    return line, offset - text.rfind("\n", 0, offset)


Accept = Callable[[str, int], bool]
"""Whether a character may be the n-th (from 1) of a token."""


class _Parser:
    """Reads from left to right; every method leaves off behind what it read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._opened = 0  # where the last `${` stands: what is wrong is wrong with that

    def parts(self) -> list[str | _Call]:
        """The whole text: literal parts and calls."""
        parts: list[str | _Call] = []
        while (dollar := self._text.find("$", self._at)) >= 0:
            parts.append(self._text[self._at : dollar])
            self._at = dollar
            if self._is_open():
                parts.append(self._call(0))
            else:
                parts.append("$")
                self._at += 2 if self._is_escaped("$") else 1
        return [*parts, self._text[self._at :]]

    def _is_open(self) -> bool:
        return self._text.startswith("${", self._at)

    def _peek(self, ahead: int = 0) -> str:
        return self._text[self._at + ahead : self._at + ahead + 1]

    def _failed(self, problem: str) -> SubstitutionError:
        return SubstitutionError(Problem(problem, *_place(self._text, self._opened)))

    def _token(self, accept: Accept, *, stops_at_call: bool = False, escapes: str = "") -> str:
        """The longest run of accepted characters, escapes resolved; "" if there is none."""
        found: list[str] = []
        while self._at < len(self._text):
            character = self._peek()
            if stops_at_call and self._is_open():
                break
            if character in escapes and self._is_escaped(character):
                found.append(self._peek(1))
                self._at += 2
            elif accept(character, len(found) + 1):
                found.append(character)
                self._at += 1
            else:
                break
        return "".join(found)

    def _is_escaped(self, character: str) -> bool:
        following = self._peek(1)
        return (
            following == "$" if character == "$" else following in ("/", "\\") and following != ""
        )

    def _call(self, depth: int) -> _Call:
        if depth > _DEPTH:
            raise self._failed(f"nested deeper than {_DEPTH}")
        at = self._opened = self._at
        self._at += 2
        if self._peek() == "#":
            self._at += 1
            name = self._name("bad substitution")
            return self._closed(name, "#length", (), at)
        name = self._name("unable to parse variable name")
        read = self._reader()
        if read is None:
            if self._peek() != "}":
                raise self._failed(f"missing closing brace of ${{{name}")
            return self._closed(name, "", (), at)
        operator, arguments = read(depth + 1)
        return self._closed(name, operator, arguments, at)

    def _reader(self) -> "Callable[[int], tuple[str, tuple[str | _Call, ...]]] | None":
        """What reads the operator that comes next, None if none does."""
        first = self._peek()
        if first == "=" or (first == ":" and self._peek(1) in ("=", "-", "?", "+")):
            return self._default
        readers = {
            ":": self._substring,
            ",": self._casing,
            "^": self._casing,
            "/": self._replacing,
            "#": self._removing,
            "%": self._removing,
        }
        return readers.get(first)

    def _name(self, problem: str) -> str:
        name = self._token(lambda c, _: c == "_" or c.isalpha() or c.isdecimal())
        if not name:
            raise self._failed(problem)
        return name

    def _closed(
        self, name: str, operator: str, arguments: tuple["str | _Call", ...], at: int
    ) -> _Call:
        if self._peek() != "}":
            raise self._failed(f"bad substitution of {name!r}")
        self._at += 1
        return _Call(name, operator, arguments, at)

    def _argument(self, accept: Accept, depth: int, escapes: str = "") -> "str | _Call":
        if self._is_open():
            return self._call(depth)
        begin = self._at
        found = self._token(accept, stops_at_call=True, escapes=escapes)
        if self._at == begin:
            raise self._failed("unable to parse substitution within function")
        return found

    def _default(self, depth: int) -> "tuple[str, tuple[str | _Call, ...]]":
        operator = self._peek() if self._peek() == "=" else self._peek() + self._peek(1)
        self._at += len(operator)
        arguments: list[str | _Call] = []
        while self._peek() != "}":
            arguments.append(self._argument(_not_closing, depth))
        return operator, tuple(arguments)

    def _substring(self, depth: int) -> "tuple[str, tuple[str | _Call, ...]]":
        self._at += 1
        start = self._argument(lambda c, _: c not in ":}", depth)
        if self._peek() == "}":
            return ":", (start,)
        if not self._token(lambda c, _: c == ":"):
            raise self._failed("bad substitution")
        return ":", (start, self._argument(_not_closing, depth))

    def _casing(self, _: int) -> "tuple[str, tuple[str | _Call, ...]]":
        operator = self._token(lambda c, n: c in ",^" and n <= 2)
        return operator, ()

    def _removing(self, depth: int) -> "tuple[str, tuple[str | _Call, ...]]":
        sign = self._peek()
        operator = self._token(lambda c, n: c == sign and n <= 2)
        return operator, (self._argument(_not_closing, depth),)

    def _replacing(self, depth: int) -> "tuple[str, tuple[str | _Call, ...]]":
        self._at += 1
        operator = "/" + self._token(lambda c, n: c in "/#%" and n == 1)
        wanted = self._argument(lambda c, _: c != "/", depth, "$\\")
        if not self._token(lambda c, _: c == "/"):
            raise self._failed("bad substitution")
        if self._peek() == "}":
            return operator, (wanted,)
        return operator, (wanted, self._argument(_not_closing, depth, "$\\"))


def _not_closing(character: str, _: int) -> bool:
    return character != "}"

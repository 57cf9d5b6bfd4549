"""Put variables into one built object, and say of each that cannot be put in where it stands.

Source: fluxcd/pkg kustomize (SubstituteVariables), flux-behaviour 4.7.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from engine.errors import BuildFailed
from engine.objects.manifests import ManifestError, Path, dump, load, parse
from engine.objects.ref import Object
from engine.render.checked import problem_of
from engine.render.generate import Request
from engine.render.kustomize import Resource
from engine.render.kustomize.errors import MAX_PROBLEMS, called, listed, nearest
from engine.render.kustomize.provenance import Trace
from engine.render.secret_variables import SecretVariables, reread
from engine.render.substitute import NAME, Problem, SubstitutionError, substitute

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
"""What an error of the YAML reader quotes: may be the value of a variable, which may be secret."""
_REFERENCE = re.compile(r"\$\{\w+")
"""Where a text has a variable, up to its name."""
_TRACED = 1_000  # objects of a build that is made again to find lines; of more only files are told


class Unset(BuildFailed, reason="BuildFailed"):
    """Variables are missing or misnamed: where they were looked for is worth saying."""


@dataclass(frozen=True, slots=True)
class Where:
    """What messages call an object; place: gives `file:line` of a field of it, "" if unknown."""

    named: str
    origin: str
    place: Callable[[Path], str]

    def __str__(self) -> str:
        """`Kind/name (file:line)`."""
        return f"{self.named} ({self.origin})"

    def field(self, path: Path) -> str:
        """`file:line: spec.replicas`."""
        place = self.place(path) or self.origin
        return f"{place}: {called(path)}" if path else place


class Places:
    """Where the fields of what was built stand: found by building again, once something is wrong.

    A build that goes well pays nothing for it.
    """

    def __init__(self, count: int, again: Callable[[Trace], Sequence[Resource]]) -> None:
        """count: of the objects.   again: builds with a trace, the same objects in their order."""
        self._count, self._again = count, again
        self._found: tuple[Trace, Sequence[Resource]] | None = None

    def of(self, number: int) -> Callable[[Path], str]:
        """What tells `file:line` of a field of that object, "" if it is not known."""
        return lambda path: self._place(number, path)

    def _place(self, number: int, path: Path) -> str:
        if self._count > _TRACED:
            return ""
        if self._found is None:
            trace = Trace()
            self._found = trace, self._again(trace)
        trace, resources = self._found
        node = trace.story(resources[number]).node
        place = node.set_at
        for step in path:
            below = node.below
            if isinstance(below, dict) and step in below:
                node = below[str(step)]
            elif isinstance(below, list) and isinstance(step, int) and step < len(below):
                node = below[step]
            else:
                break
            place = node.set_at or place
        return place


def substituted(
    obj: Object, request: Request, where: Where, secret: SecretVariables
) -> tuple[Object, str]:
    """(the object with its variables replaced, its YAML text).  Raises BuildFailed, Unset.

    secret: is told what was made of secret variables.
    """
    text, variables = dump(obj), request.variables
    if variables is None or not (variables or request.always):
        return obj, text
    before = f"post build failed for {where}: "
    _check_names(variables, before)
    here = SecretVariables(secret.names)
    try:
        replaced = substitute(text, variables, request.strict, here)
    except SubstitutionError as error:
        raise _unresolved(error, text, variables, where, before) from error
    finally:
        secret.made |= here.made
    if replaced == text:
        return obj, text
    try:
        made = load(replaced)
    except ManifestError as error:
        shown = _shown(error, text, replaced, where)
        raise BuildFailed(f"{before}envsubst error: YAMLToJSON: {shown}") from error
    if here.made:
        for value in reread(load(text), made, partial(_secret_text, request, here)):
            secret.note(value)
    problem = problem_of(made) if isinstance(made, dict) else "no object is left"
    if problem:
        raise BuildFailed(f"{before}after substitution {problem}")
    return made, dump(made)


def _secret_text(request: Request, secret: SecretVariables, text: str) -> str | None:
    """The text with its variables replaced, None if none of them is secret."""
    here = SecretVariables(secret.names)
    with suppress(SubstitutionError):  # of a part, as quotes of YAML stand round it no more
        replaced = substitute(text, request.variables or {}, request.strict, here)
        return replaced if here.made else None
    return ""


def _unresolved(
    error: SubstitutionError, text: str, variables: Mapping[str, str], where: Where, before: str
) -> BuildFailed:
    """The failure with a line for each problem: the variable, and the field that holds it."""
    fields = _Fields(text)
    lines = [
        f"{before}envsubst error: variable substitution failed: {each.text}"
        f"{_place(each, fields, where)}{_hint(each, variables)}"
        for each in error.problems[: MAX_PROBLEMS + 1]
    ]
    kind = Unset if any(each.unset for each in error.problems) else BuildFailed
    return kind(listed(lines))


def _place(problem: Problem, fields: "_Fields", where: Where) -> str:
    return f" at {where.field(fields.at(problem.line))}" if problem.line else ""


def _hint(problem: Problem, variables: Mapping[str, str]) -> str:
    """The variable that may be meant."""
    return nearest(problem.unset, variables, "; did you mean {!r}?") if problem.unset else ""


class _Fields:
    """Which field stands in which line of an object's text."""

    def __init__(self, text: str) -> None:
        positions = parse(text.encode(errors="surrogatepass"), "-")[0].positions
        found = sorted(((line, path) for path, line in positions.items()), key=lambda each: each[0])
        self._lines = [line for line, _ in found]
        self._paths = [path for _, path in found]

    def at(self, line: int) -> Path:
        """The path of the field: the innermost that begins there, or last before."""
        return self._paths[max(0, bisect_right(self._lines, line) - 1)]


def _shown(error: ManifestError, before: str, after: str, where: Where) -> str:
    """What is wrong with a text whose variables were replaced, without any value of it.

    before: the same text with its variables: those in the line of the error are named.
    """
    problem = _QUOTED.sub(lambda text: text[0] if len(text[0]) == 3 else "'...'", error.problem)
    lines = before.splitlines()
    if len(lines) != len(after.splitlines()) or not 0 < error.line <= len(lines):
        return problem
    names = ", ".join(f"{found}}}" for found in _REFERENCE.findall(lines[error.line - 1]))
    if not names:
        return problem
    field = where.field(_Fields(before).at(error.line))
    return f"{problem}, where {names} stands: put it in quotes ({field})"


def _check_names(variables: Mapping[str, str], before: str) -> None:
    for name in variables:
        if not NAME.fullmatch(name):
            raise Unset(
                f"{before}envsubst error: '{name}' var name is invalid, must match "
                "'^[_[:alpha:]][_[:alpha:][:digit:]]*$'"
            )

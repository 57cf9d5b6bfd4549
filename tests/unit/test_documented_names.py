"""The documents name settings, commands, options and values that exist, and say what they mean."""

import contextlib
import dataclasses
import functools
import json
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from engine.cli.main import group
from engine.cli.variables import unknown_variables
from engine.settings import Settings
from tests.unit.test_docs import ROOT, documents

README = ROOT / "README.md"
TEXTS = [
    *(path for path in documents() if path.parent.name != "results"),
    ROOT / "helm/values.yaml",
    ROOT / "helm/templates/NOTES.txt",
]
NEWEST = [path for path in TEXTS if path.name != "CHANGELOG.md"]
"""What tells of today only."""
FLAG = re.compile(r"(?<![\w-])--[a-zA-Z][\w-]*(?![\w-]|\.\.\.)")
VARIABLE = re.compile(r"\bLOCKSTEP_[A-Z_]*[A-Z]\b")
OTHERS = {
    "docker": "build-arg cap-drop entrypoint format network read-only rm security-opt tmpfs",
    "helm": "create-namespace reset-then-reuse-values set skip-crds values",
    "kubectl": "as clusterrole field-selector for force-conflicts from-file from-literal list "
    "overwrite replicas server-side serviceaccount sort-by wait",
    "sops": "encrypted-regex in-place",
    "git": "no-edit",
    "gpg": "export-secret-keys",
    "flux": "receiverAddr",
    "benchmarks": "help peer",
    "pytest": "pdb",
}
"""Options of other programs, by program."""
COMMAND_LINE = re.compile(r"^ *(?:\$ |> |- run: )?(?:lockstep|\$LOCKSTEP) +(.+)$", re.MULTILINE)
INLINE_COMMAND = re.compile(r"`lockstep ([^`]+)`")
SET = re.compile(r"--set ([\w.-]+)=")
BLOCK = re.compile(r"^```yaml\n((?:.*\n)*?)```|((?:^ {4,}.*\n|^\n(?= {4}))+)", re.MULTILINE)
NO_SETTINGS = {"LOCKSTEP_CACHE", "LOCKSTEP_SOPS_PGP_KEY_FILES"}
"""Variables of the tests and of commands."""


def test_the_readme_has_each_setting_with_its_default_and_meaning() -> None:
    lines = README.read_text().splitlines()
    rows = [line for line in lines if line.startswith("| `--")]

    assert rows == [row_of(each) for each in dataclasses.fields(Settings)]


def row_of(setting: "dataclasses.Field[Any]") -> str:
    name = setting.name.replace("_", "-")
    default = next(each.default for each in command("run").params if each.name == setting.name)
    written = str(default).lower() if isinstance(default, bool) else str(default or "")
    shown = f"`{written}`" if written else ""
    return f"| `--{name}` | {shown} | {setting.metadata['meaning']} |"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_option_that_is_named_exists(path: Path) -> None:
    known = {*own_options(), *other_options()}

    assert sorted(set(FLAG.findall(path.read_text())) - known) == []


def test_an_option_of_another_program_is_still_named() -> None:
    named = {name for path in TEXTS for name in FLAG.findall(path.read_text())}

    assert sorted(other_options() - named) == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_variable_that_is_named_is_a_setting(path: Path) -> None:
    named = set(VARIABLE.findall(path.read_text())) - NO_SETTINGS

    assert unknown_variables(named) == {}


@pytest.mark.parametrize("path", NEWEST, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_that_is_named_can_be_called_so(path: Path) -> None:
    wrong = {line: why for line in commands_of(path.read_text()) if (why := refusal(line))}

    assert wrong == {}


def commands_of(text: str) -> list[str]:
    """What stands after `lockstep` in code, up to what else the shell does with it."""
    joined = text.replace("\\\n", " ")
    found = [*COMMAND_LINE.findall(joined), *INLINE_COMMAND.findall(joined)]
    return [each for each in found if "..." not in each and "{{" not in each]


def refusal(line: str) -> str:
    """Why the command line would not take it, "" if it would; nothing is run."""
    words = shlex.split(line, comments=True)
    end = next((at for at, word in enumerate(words) if word in ("|", "||", "&&", ">")), len(words))
    try:
        called(group, "lockstep", words[:end])
    except (click.exceptions.Exit, click.MissingParameter, click.exceptions.NoArgsIsHelpError):
        return ""  # only named, as in "`lockstep build` decrypts"
    except click.ClickException as problem:
        message = problem.format_message()
        return "" if "' does not exist" in message else message  # a folder of the reader's
    return ""


def called(program: click.Command, name: str, words: list[str]) -> None:
    """Reads the words as the command line does.  Raises click.ClickException."""
    with program.make_context(name, words) as context:
        rest = [*context._protected_args, *context.args]
        if isinstance(program, click.Group) and rest:
            below, found, rest = program.resolve_command(context, rest)
            assert found is not None
            called(found, below or "", rest)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_value_of_the_chart_that_is_named_is_in_its_schema(path: Path) -> None:
    text = path.read_text()
    schema = json.loads((ROOT / "helm/values.schema.json").read_text())
    set_there = SET.findall(text)
    blocks = [block for block in blocks_of(text) if is_of(block, schema)]

    given = [*map(nested, set_there), *blocks]
    assert [name for value in given for name in unfit_names(value, schema, "")] == []


def blocks_of(text: str) -> Iterator[Any]:
    """What stands in code and is YAML."""
    for fenced, indented in BLOCK.findall(text):
        with contextlib.suppress(yaml.YAMLError):
            yield from yaml.safe_load_all(fenced or textwrap.dedent(indented))


def is_of(block: Any, schema: Mapping[str, Any]) -> bool:
    """Whether its first names are values, so that it is no manifest."""
    return isinstance(block, dict) and block.keys() <= schema["properties"].keys()


def nested(name: str) -> Any:
    """`a.b` as {a: {b: ""}}."""
    return functools.reduce(lambda inner, part: {part: inner}, reversed(name.split(".")), "")


def unfit_names(value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    """The names that the schema does not have."""
    known = schema.get("properties")
    if not isinstance(value, dict) or known is None:
        return
    for name, below in value.items():
        if name in known:
            yield from unfit_names(below, known[name], f"{at}.{name}")
        else:
            yield f"{at}.{name}"


def command(*words: str) -> click.Command:
    found: click.Command = group
    for word in words:
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word) or pytest.fail(f"no command {word}")
    return found


def other_options() -> set[str]:
    return {f"--{name}" for names in OTHERS.values() for name in names.split()}


@functools.cache
def own_options() -> frozenset[str]:
    return frozenset(all_options(group))


def all_options(of: click.Command) -> Iterator[str]:
    """Those of a command and of all below it."""
    for each in of.params:
        yield from (*each.opts, *each.secondary_opts)
    if isinstance(of, click.Group):
        context = click.Context(of)
        for name in of.list_commands(context):
            below = of.get_command(context, name)
            assert below is not None
            yield from all_options(below)

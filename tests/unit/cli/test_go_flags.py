from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from engine.cli.go_flags import FluxCommand, folders_of_sources, listed


@click.command(cls=FluxCommand)
@click.option("--bar/--no-bar", default=True)
@click.option("--deep", "-r", is_flag=True)
@click.option("--name", default="")
def command(bar: bool, deep: bool, name: str) -> None:
    click.echo(f"{bar} {deep} {name}")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], "True False "),
        (["--bar=false", "--deep"], "False True "),
        (["--bar=true", "-r", "--name=false"], "True True false"),
        (["--deep=true", "--deep=0"], "True True "),
        (["--deep=f"], "True False "),
    ],
)
def test_switches_may_have_a_value(words: list[str], wanted: str) -> None:
    assert CliRunner().invoke(command, words).output == f"{wanted}\n"


def test_a_switch_with_another_value_is_refused() -> None:
    assert CliRunner().invoke(command, ["--deep=perhaps"]).exit_code == 2


def test_lists_may_have_commas() -> None:
    assert listed(("a,b", " c ,", "")) == ("a", "b", "c")


def test_sources_have_folders(tmp_path: Path) -> None:
    text = f"GitRepository/ns/a={tmp_path},OCIRepository/ns/b={tmp_path}"

    assert folders_of_sources((text,)) == {
        "GitRepository/ns/a": tmp_path,
        "OCIRepository/ns/b": tmp_path,
    }


@pytest.mark.parametrize("text", ["a", "GitRepository/a=.", "GitRepository/ns/a=/nowhere"])
def test_what_names_no_folder_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="--local-sources"):
        folders_of_sources((text,))

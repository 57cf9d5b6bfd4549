import pytest

from engine.cli import table

NAMES = ["NAME", "READY", "MESSAGE"]


def test_columns_are_three_spaces_apart(capsys: pytest.CaptureFixture[str]) -> None:
    table.write(NAMES, [["a-long-name", "True", "fine"], ["b", "False", ""]])

    assert capsys.readouterr().out == (
        "NAME          READY   MESSAGE\na-long-name   True    fine\nb             False\n"
    )


def test_without_names_there_are_only_rows(capsys: pytest.CaptureFixture[str]) -> None:
    table.write([], [["a", "b"]])

    assert capsys.readouterr().out == "a   b\n"


def test_a_row_may_be_wider_than_those_before() -> None:
    assert table.line_of(["longer", "x"], [2]) == "longer   x"


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes it one that is 40 columns wide."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")


def test_a_terminal_gets_colours_and_folded_messages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    table.write(NAMES, [["apps", "False", "some words and a/path/that/is/longer/than/the/room"]])

    assert capsys.readouterr().out.splitlines() == [
        "NAME   READY   MESSAGE",
        "apps   \x1b[31mFalse\x1b[0m   some words and",
        "               a/path/that/is/longer/than/the/room",
    ]


def test_a_terminal_too_narrow_to_fold_loses_no_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    table.write(NAMES, [["a-name-that-is-rather-long", "True", "all is well"]])

    assert capsys.readouterr().out.endswith("-long   \x1b[32mTrue \x1b[0m   all is well\n")

import pytest

from engine.cli import table


def test_columns_are_three_spaces_apart(capsys: pytest.CaptureFixture[str]) -> None:
    table.write(["NAME", "READY", "MESSAGE"], [["a-long-name", "True", "fine"], ["b", "False", ""]])

    assert capsys.readouterr().out == (
        "NAME          READY   MESSAGE\na-long-name   True    fine\nb             False\n"
    )


def test_without_names_there_are_only_rows(capsys: pytest.CaptureFixture[str]) -> None:
    table.write([], [["a", "b"]])

    assert capsys.readouterr().out == "a   b\n"


def test_a_row_may_be_wider_than_those_before() -> None:
    assert table.line_of(["longer", "x"], [2]) == "longer   x"


def test_a_terminal_gets_colours_and_folded_messages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    table.write(["NAME", "READY", "MESSAGE"], [["apps", "False", "word " * 20]])

    out = capsys.readouterr().out
    assert "\x1b[31mFalse" in out
    assert len(out.splitlines()) > 3

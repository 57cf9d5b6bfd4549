"""A folder to play in."""

from pathlib import Path

from click.testing import CliRunner

from engine.cli.main import group


def test_a_kubeconfig_of_somebody_else_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("my own\n")

    result = CliRunner().invoke(group, ["demo", "--empty", str(tmp_path)])

    assert result.exit_code == 1
    assert f"{path} was written by somebody else: name an empty folder" in result.output
    assert path.read_text() == "my own\n"

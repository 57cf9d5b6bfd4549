import click
import pytest

from engine.cli.problems import Problem, is_expected, line_of, unwrapped
from engine.cluster import Forbidden, LeaseLost
from engine.cluster.kubeconfig import InvalidKubeconfig
from engine.cluster.transport import NotSent
from engine.errors import BuildFailed
from engine.objects.manifests import ManifestError
from engine.plugin import PluginConflict
from engine.serve.http import BadAddress


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Problem("no such thing; look elsewhere"), "no such thing; look elsewhere"),
        (BuildFailed("first\n\n  second.\nthird"), "first; second; third"),
        (
            NotSent(0, "", "GET http://x/version: Connection refused"),
            "GET http://x/version: Connection refused; is this cluster running? "
            "see --kubeconfig and --context",
        ),
        (
            Forbidden(403, "Forbidden", "pods is forbidden"),
            "pods is forbidden; ask for that permission, or use another --context",
        ),
        (InvalidKubeconfig("no such file"), "no such file; see --kubeconfig and --context"),
        (
            BadAddress("cannot listen on :80"),
            "cannot listen on :80; the flags are --health-addr, --metrics-addr, --storage-addr, "
            "--receiver-addr and --events-listen-addr",
        ),
        (PluginConflict("twice"), "twice"),
        (FileNotFoundError(2, "No such file", "a.yaml"), "'a.yaml': No such file"),
        (click.UsageError("what?"), "what?; see `lockstep --help`"),
    ],
)
def test_an_expected_error_says_what_and_what_to_do(error: Exception, line: str) -> None:
    assert is_expected(error)
    assert line_of(error) == line


def test_a_manifest_error_is_expected() -> None:
    assert is_expected(ManifestError.__new__(ManifestError))


def test_any_other_error_is_a_bug() -> None:
    assert not is_expected(KeyError("x"))
    assert "this is a bug in Lockstep" in line_of(KeyError("x"))


def test_the_error_of_a_task_group_is_the_one_inside() -> None:
    lost = LeaseLost("another engine")
    group = BaseExceptionGroup("", [ExceptionGroup("", [ValueError("bug"), lost])])

    assert unwrapped(group) is lost
    assert unwrapped(lost) is lost


def test_of_bugs_only_the_first_counts() -> None:
    first = ValueError("one")

    assert unwrapped(ExceptionGroup("", [first, ValueError("two")])) is first


def test_a_list_in_an_error_stays_a_list() -> None:
    error = click.UsageError("Missing argument. Choose from:\n\tbash,\n\tzsh\n\nelse none.")

    assert line_of(error) == (
        "Missing argument. Choose from: bash, zsh; else none; see `lockstep --help`"
    )

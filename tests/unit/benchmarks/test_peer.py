from pathlib import Path

import pytest

from benchmarks.peer import Ours, Peer, Place, peer_of
from benchmarks.scrape import served, total

PLACE = Place(Path("/k"), "http://git", Path("/s"))


def test_a_peer_is_a_name_and_a_command_that_may_have_equals_signs() -> None:
    assert peer_of("flux = A=1 run --x=y") == Peer("flux", "A=1 run --x=y")


@pytest.mark.parametrize("text", ["flux", "=run", "flux=", "lockstep=run", "../flux=run"])
def test_what_is_no_peer_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"NAME=COMMAND|our engine's name|a file's name"):
        peer_of(text)


def test_a_peer_runs_in_a_shell_and_is_told_where_to_work() -> None:
    env, *told, shell, option, command = Peer("flux", "run").command(PLACE)

    assert [Path(env).name, Path(shell).name, option, command] == ["env", "sh", "-c", "run"]
    assert {"KUBECONFIG=/k", "GIT_URL=http://git", "STORAGE=/s"} < set(told)


def test_our_engine_is_started_with_what_is_asked_for_and_profiled_on_demand() -> None:
    plain = Ours(("--concurrent=20",)).command(PLACE)
    profiled = Ours(profile="file").command(PLACE)

    assert plain[1:4] == ["-m", "engine", "run"]
    assert {"--kubeconfig=/k", "--storage-path=/s", "--concurrent=20"} <= set(plain)
    assert profiled[1:5] == ["-m", "benchmarks.profiled", "file", "run"]


def test_a_series_is_summed_by_a_label_or_as_a_whole() -> None:
    text = (
        "# TYPE rest_client_requests_total counter\n"
        'rest_client_requests_total{code="200",method="GET"} 3\n'
        'rest_client_requests_total{code="404",method="GET"} 1\n'
        'rest_client_requests_total{code="200",method="PATCH"} 2\n'
    )

    assert total(text, "rest_client_requests_total", "method") == {"GET": 4, "PATCH": 2}
    assert total(text, "rest_client_requests_total") == {"": 6}
    assert total("", "rest_client_requests_total") == {}


def test_an_api_servers_requests_for_resources_are_summed_without_watches() -> None:
    labels = 'component="apiserver",dry_run="",group="",resource="{}",subresource="",verb="{}"'
    lines = [
        f'apiserver_request_total{{code="200",{labels.format(resource, verb)}}} {count}'
        for resource, verb, count in (
            ("pods", "GET", "3"),
            ("pods", "APPLY", "1.5e+06"),
            ("pods", "WATCH", "7"),
            ("", "GET", "9"),
        )
    ]

    assert served("\n".join(["# TYPE x counter", *lines, "x 5"]).encode()) == 1_500_003

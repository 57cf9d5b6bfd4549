import pytest

from engine.cli.variables import unknown_variables
from engine.cluster.terms import UnfitTerms
from engine.entrance import request_timeout
from engine.settings import STRICT, Settings


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("LOCKSTEP_STORAGEPATH", "LOCKSTEP_STORAGE_PATH"),
        ("LOCKSTEP_CONCURENT", "LOCKSTEP_CONCURRENT"),
        ("LOCKSTEP_LOG_LEVELS", "LOCKSTEP_LOG_LEVEL"),
        ("LOCKSTEP_COLOUR", ""),
        ("LOCKSTEP_storage_path", "LOCKSTEP_STORAGE_PATH"),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_nearest(name: str, nearest: str) -> None:
    assert unknown_variables([name, "LOCKSTEP_CONCURRENT", "PATH"]) == {name: nearest}


@pytest.mark.parametrize(
    "name",
    [
        "LOCKSTEP_DEBUG",
        "LOCKSTEP_SERVICE_HOST",
        "LOCKSTEP_SERVICE_PORT",
        "LOCKSTEP_SERVICE_PORT_HTTP_METRICS",
        "LOCKSTEP_PORT",
        "LOCKSTEP_PORT_9090_TCP",
        "LOCKSTEP_PORT_9090_TCP_PROTO",
        "LOCKSTEP_SOURCE_CONTROLLER_SERVICE_HOST",
        "LOCKSTEP_SOURCE_CONTROLLER_PORT_80_UDP_ADDR",
    ],
)
def test_what_kubernetes_tells_of_services_is_no_mistake(name: str) -> None:
    assert unknown_variables([name]) == {}


@pytest.mark.parametrize(
    ("asked", "election", "wanted"),
    [
        (20.0, True, 20.0),
        (5.0, True, 5.0),
        (23.0, True, 23.0),
        (0.0, True, 1.0),  # none at all would let a write outlast every Lease
        (600.0, False, 600.0),
    ],
)
def test_a_request_may_take_as_long_as_was_asked_for(
    asked: float, election: bool, wanted: float
) -> None:
    settings = Settings(request_timeout=asked, enable_leader_election=election)

    assert request_timeout(settings) == wanted


def test_a_request_ends_before_the_lease_does() -> None:
    settings = Settings(
        leader_election_lease_duration=15.0,
        leader_election_renew_deadline=10.0,
        leader_election_retry_period=2.0,
    )

    assert 1 <= request_timeout(settings) < 15


def test_a_request_timeout_that_was_asked_for_is_never_cut() -> None:
    settings = Settings(request_timeout=24.0)

    with pytest.raises(UnfitTerms, match="--request-timeout=24s: a write must end before"):
        request_timeout(settings)


def test_strict_tenancy_sets_what_locks_tenants_in() -> None:
    strict = Settings(tenancy="strict", insecure_kubeconfig_exec=True).effective

    assert {name: getattr(strict, name) for name in STRICT} == STRICT


def test_strict_tenancy_leaves_an_account_that_was_given() -> None:
    strict = Settings(tenancy="strict", default_service_account="tenant").effective

    assert strict.default_service_account == "tenant"
    assert strict.no_remote_bases


def test_tenancy_as_flux_has_it_changes_no_setting() -> None:
    settings = Settings(no_remote_bases=True)

    assert settings.effective == settings
    assert not Settings().no_cross_namespace_refs

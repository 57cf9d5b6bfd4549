import pytest

from engine.api.duration import Interval
from engine.api.kustomize import Kustomization, KustomizationSpec, SourceReference
from engine.api.meta import ObjectMeta


def kustomization(
    interval: float, timeout: float | None = None, retry_interval: float | None = None
) -> Kustomization:
    return Kustomization(
        metadata=ObjectMeta(name="apps"),
        spec=KustomizationSpec(
            interval=Interval(interval),
            timeout=None if timeout is None else Interval(timeout),
            retry_interval=None if retry_interval is None else Interval(retry_interval),
            prune=True,
            source_ref=SourceReference(kind="GitRepository", name="fleet"),
        ),
    )


@pytest.mark.parametrize(
    ("interval", "timeout", "wanted"),
    [(600, None, 570), (600, 120, 120), (600, 5, 30), (40, None, 30), (10, 900, 900)],
)
def test_a_timeout_is_the_interval_less_30_seconds_and_never_under_30(
    interval: float, timeout: float | None, wanted: float
) -> None:
    assert kustomization(interval, timeout).timeout == wanted


def test_a_retry_comes_after_the_interval_unless_said_otherwise() -> None:
    assert kustomization(600).retry_interval == 600
    assert kustomization(600, retry_interval=30).retry_interval == 30

from engine.telemetry import Metrics


def series(metrics: Metrics, start: str) -> list[str]:
    lines = metrics.text().decode().splitlines()
    return [line for line in lines if line.startswith(start)]


def test_ready_is_one_series_of_three_at_a_time() -> None:
    metrics = Metrics()
    metrics.ready("Kustomization", "ns", "app", "True")
    metrics.ready("Kustomization", "ns", "app", "False")

    assert series(metrics, "gotk_reconcile_condition{") == [
        'gotk_reconcile_condition{kind="Kustomization",name="app",namespace="ns",'
        f'status="{status}",type="Ready"}} {value}'
        for status, value in (("True", "0.0"), ("False", "1.0"), ("Unknown", "0.0"))
    ]


def test_a_deleted_object_leaves_no_series() -> None:
    metrics = Metrics()
    for name in ("app", "other"):
        metrics.ready("Kustomization", "ns", name, "True")
        metrics.suspend("Kustomization", "ns", name, True)
        metrics.duration.labels("Kustomization", name, "ns").observe(1)

    metrics.forget("Kustomization", "ns", "app")
    metrics.forget("Kustomization", "ns", "never seen")

    gotk = series(metrics, "gotk_")
    assert [line for line in gotk if 'name="app"' in line] == []
    assert [line for line in gotk if line.startswith("gotk_suspend_status{")] == [
        'gotk_suspend_status{kind="Kustomization",name="other",namespace="ns"} 1.0'
    ]


def test_durations_have_the_buckets_of_flux() -> None:
    metrics = Metrics()
    metrics.duration.labels("Kustomization", "app", "ns").observe(1)

    limits = [
        float(line.partition('le="')[2].partition('"')[0])
        for line in series(metrics, "gotk_reconcile_duration_seconds_bucket")
    ]
    assert len(limits) == 11
    assert (limits[0], limits[-1]) == (0.01, float("inf"))
    assert 1799.9 < limits[-2] < 1800.1


def test_the_process_is_measured_and_nothing_has_a_created_series() -> None:
    text = Metrics().text().decode()

    assert "process_resident_memory_bytes" in text
    assert "python_gc_collections_total" in text
    assert "_created" not in text

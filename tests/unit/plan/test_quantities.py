import pytest

from engine.plan.quantities import stored


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("0.5", "500m"),
        (2.5, "2500m"),
        (1, "1"),
        ("1000m", "1"),
        ("1000", "1k"),
        ("1.5", "1500m"),
        ("64Mi", "64Mi"),
        ("1024Mi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1000Ki", "1000Ki"),
        ("0", "0"),
        ("1e3", "1e3"),
        ("-1", "-1"),
        ("0.1Ki", "102400m"),
        ("0.3Mi", "0.3Mi"),
        ("many", "many"),
        (True, True),
    ],
)
def test_a_quantity_is_written_as_the_api_server_stores_it(given: object, wanted: object) -> None:
    found = stored({"containers": [{"resources": {"limits": {"cpu": given}}}]})

    assert found == {"containers": [{"resources": {"limits": {"cpu": wanted}}}]}


def test_text_that_only_looks_like_a_quantity_stays() -> None:
    given = {"data": {"x": "0.5"}, "limits": ["0.5"], "emptyDir": {"sizeLimit": "1024Mi"}}

    assert stored(given) == {**given, "emptyDir": {"sizeLimit": "1Gi"}}

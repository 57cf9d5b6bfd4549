"""A field of `spec` or a reason of a condition that no test proves fails here, by name."""

from tests.support.matrix import claimed, wanted


def test_every_field_and_every_reason_has_a_test_on_both_api_servers() -> None:
    assert sorted(wanted() - claimed().keys()) == []


def test_no_test_claims_what_there_is_not() -> None:
    unknown = {name: tests for name, tests in claimed().items() if name not in wanted()}

    assert unknown == {}

"""Decryption Secrets as `lockstep check` judges them."""

import base64
from typing import Any

import pytest

from engine.plugin import Severity
from plugins.checks import decryption
from tests.support.scripted_api import json
from tests.support.sops_vectors import FOLDER
from tests.unit.plugins.checks.scenes import ALL, discovery, found

END = 1_578_009_600.0  # of the key in expired.asc: 2020-01-03
DAY = 86_400.0
LIST = "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations"
SECRET = "/api/v1/namespaces/apps/secrets/keys"


def holding(**data: bytes) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}}


@pytest.mark.parametrize(
    ("secret", "left", "severity", "what"),
    [
        (None, 0, Severity.ERROR, "x does not exist"),
        (holding(password=b"a"), 0, Severity.ERROR, "x has no key that is read"),
        (holding(**{"age.agekey": b"a"}), 0, None, ""),
        (holding(**{"sops.vault-token": b"a"}), 0, None, ""),
        (holding(**{"a.asc": (FOLDER / "expired.asc").read_bytes()}), 31, None, ""),
        (
            holding(**{"a.asc": (FOLDER / "expired.asc").read_bytes()}),
            3,
            Severity.WARNING,
            "ends on 2020-01-03",
        ),
    ],
)
def test_a_secret_is_judged(
    secret: dict[str, Any] | None, left: int, severity: Severity | None, what: str
) -> None:
    findings = decryption.judged("x", secret, END - left * DAY)

    assert {each.severity for each in findings} == ({severity} if severity is not None else set())
    assert all(what in each.what for each in findings)


async def test_a_secret_that_is_missing_names_who_needs_it() -> None:
    spec = {"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}}
    items = [
        {"metadata": {"namespace": "apps", "name": name}, "spec": spec} for name in ("b", "a")
    ] + [{"metadata": {"namespace": "apps", "name": "none"}, "spec": {}}]
    listed = {"kind": "KustomizationList", "metadata": {"resourceVersion": "1"}, "items": items}

    findings = await found(
        decryption.check,
        {**discovery(*ALL), ("GET", LIST): json(listed), ("GET", SECRET): json({}, code=404)},
    )

    assert [each.what for each in findings] == [
        "decryption Secret apps/keys of a, b does not exist"
    ]

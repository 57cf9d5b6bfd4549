"""The forms of `lockstep diff`; whole commands are in test_diff_all.py and tests/cluster."""

import json

import click
import pytest

from engine.apply.prediction import Prediction, Prospect
from engine.cli.comparing import Compared
from engine.cli.diff_output import FORMS, written
from engine.objects.ref import Ref
from engine.plan.drift import Difference

MAP = Ref("", "ConfigMap", "ns", "a")


def compared(*differences: Difference, secrets: tuple[str, ...] = ()) -> Compared:
    one = Prediction(MAP, Prospect.CONFIGURED, differences)
    refused = Prediction(Ref("", "Pod", "ns", "p"), Prospect.REFUSED, (), "Pod/ns/p: no hunter2")
    return Compared("Kustomization/ns/k", (one, refused), secrets=secrets)


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_and_what_stood_in_its_place_are_in_no_form(form: str) -> None:
    change = Difference(".data.url", "db://old-secret", "db://hunter2", ("data", "url"))
    text = written([compared(change, secrets=("hunter2",))], form)

    assert "ConfigMap" in text
    assert "hunter2" not in text
    assert "old-secret" not in text


def test_values_are_told_as_they_come_and_go() -> None:
    text = written(
        [
            compared(
                Difference(".data.x", "1", "2", ("data", "x")),
                Difference(".data.y", None, "2", ("data", "y")),
                Difference(".data.z", "x" * 200, None, ("data", "z")),
            )
        ],
        "text",
    )

    assert click.unstyle(text) == (
        "Kustomization/ns/k\n"
        "  ~ ConfigMap/ns/a configured\n"
        '      .data.x: "1" → "2"\n'
        '      .data.y: added "2"\n'
        f'      .data.z: removed, was "{"x" * 99}...\n'
        "  ✗ Pod/ns/p refused: Pod/ns/p: no hunter2\n"
        "  1 configured, 1 refused\n"
    )


def test_programs_are_told_all_of_a_value() -> None:
    change = Difference(".data.z", "x" * 200, None, ("data", "z"))
    (told,) = json.loads(written([compared(change)], "json"))

    assert told["objects"][0]["fields"] == [
        {"path": ".data.z", "before": "x" * 200, "after": None, "origin": ""}
    ]


def test_flux_s_form_tells_items_of_lists_and_maps_together() -> None:
    port = {"name": "p", "port": 1}
    text = written(
        [
            compared(
                Difference(".spec.ports[p]", port, None, ("spec", "ports", "[p]")),
                Difference(".data.x", None, "1", ("data", "x")),
                Difference(".data.w", None, "2", ("data", "w")),
                Difference(".spec.n", 1, 2, ("spec", "n")),
            )
        ],
        "flux",
    )

    assert text == (
        "► ConfigMap/ns/a drifted\n"
        '\ndata\n+ two map entries added:\nw: "2"\nx: "1"\n'
        "\nspec.ports\n- one list entry removed:\n- name: p\n  port: 1\n"
        "\nspec.n\n± value change\n- 1\n+ 2\n"
        "\n"
    )

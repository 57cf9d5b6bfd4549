import pytest

from engine.apply.refused_fields import refused_fields
from engine.cluster import Invalid
from engine.cluster.errors import Cause

WEB = {
    "spec": {
        "template": {
            "spec": {"containers": [{"name": "side"}, {"name": "web", "imag": "x", "args": ["a"]}]}
        },
        "ports": [{"port": 80}, {"port": 123456}],
        "rules": {"a.b/c": 1},
    }
}
SAYS = "failed to create typed patch object (ns/web; apps/v1, Kind=Deployment): "


def refusal(text: str = "", *fields: str) -> Invalid:
    causes = tuple(Cause(field, "FieldValueInvalid", "Invalid value") for field in fields)
    return Invalid(422, "Invalid", text, causes)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (refusal("", "spec.ports[1].port"), (".spec.ports[1].port",)),
        (
            refusal("", "spec.template.spec.containers[1].image"),
            (".spec.template.spec.containers[web].image",),
        ),
        (
            refusal("", "spec.template.spec.containers[7].image"),
            (".spec.template.spec.containers[7].image",),
        ),
        (refusal("", "spec.rules[a.b/c]"), (".spec.rules.a.b/c",)),
        (refusal("", "", "<nil>"), ()),
        (
            refusal(f'{SAYS}.spec.template.spec.containers[name="web"].imag: field not declared'),
            (".spec.template.spec.containers[web].imag",),
        ),
        (
            refusal(f"{SAYS}errors:\n  .spec.x: field not declared\n  .spec.y: expected map"),
            (".spec.x", ".spec.y"),
        ),
        (
            refusal('strict decoding error: unknown field "spec.x", unknown field "spec.z[0].y"'),
            (".spec.x", ".spec.z[0].y"),
        ),
        (refusal("spec: Invalid value: .hidden: x", "spec.a", "spec.a"), (".spec.a",)),
        (refusal("", "a", "b", "c", "d"), (".a", ".b", ".c")),
        (ValueError("spec.x"), ()),
    ],
)
def test_the_fields_that_an_error_names_are_found_in_the_object(
    error: Exception, wanted: tuple[str, ...]
) -> None:
    assert refused_fields(error, WEB) == wanted

"""What substitution makes of a secret variable is masked in all that a build says."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import BuildFailed
from engine.objects.manifests import dump
from engine.objects.redact import masked_values, masker
from engine.render import Rendered, Request, render
from engine.render.explanation import Explainer, explain
from engine.source.tree import MemoryTree

PASSWORD = "c4n4ry-Hunter2"
REQUEST = Request(
    variables={"pw": PASSWORD, "region": "eu-1", "octal": "0777", "list": "[c4n4ry-a, {b: 12345}]"},
    secret_variables=frozenset({"pw", "octal", "list"}),
    seal=b"uid of the Secret",
)


def config(**data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


def built(request: Request = REQUEST, **data: Any) -> Rendered:
    return render(MemoryTree({"a.yaml": dump(config(**data)).encode()}), request)


def shown(rendered: Rendered) -> Any:
    """The data of the object as an event shows it."""
    (made,) = rendered.objects
    return masked_values(made.obj["data"], masker(rendered.opened.values))


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("${pw}", "***"),
        ("${pw^^}", "***"),
        ("x-${pw:0:7}-${region}", "x-***-eu-1"),
        ("${pw/Hunter/Panther}", "***"),
        ("${unset:-${pw,,}}", "***"),
        ("${region}", "eu-1"),
        ("'${pw}' # a comment", "'***' # a comment"),
    ],
)
def test_what_is_made_of_a_secret_variable_is_masked(written: str, wanted: str) -> None:
    assert shown(built(a=written)) == {"a": wanted}


def test_a_secret_that_yaml_reads_as_something_else_is_masked() -> None:
    found = built(a="${octal}", b="${list}", c="${region}")

    assert found.objects[0].obj["data"]["a"] == 0o777
    assert shown(found) == {"a": "***", "b": ["***", {"b": "***"}], "c": "eu-1"}


def test_only_what_a_secret_variable_became_is_masked() -> None:
    assert built(a="${region^^} ${unset:-public}").opened.values == ()


@pytest.mark.parametrize(
    "data",
    [
        {"a": "${pw^^} ${nope}"},
        {"a": "${pw:2:-${pw}}${region:2:-5}"},
        {"${pw^^}": 1, "C4N4RY-HUNTER2": 2},
    ],
)
def test_no_error_quotes_what_a_secret_variable_became(data: dict[str, Any]) -> None:
    with pytest.raises(BuildFailed) as caught:
        built(**data)

    assert "c4n4ry" not in str(caught.value).lower()


def test_objects_whose_names_are_secret_are_refused_without_them() -> None:
    objects = [{**config(), "metadata": {"name": name}} for name in ("x${pw,,}", "xc4n4ry-hunter2")]
    tree = MemoryTree({f"{at}.yaml": dump(each).encode() for at, each in enumerate(objects)})

    with pytest.raises(BuildFailed, match=r"ConfigMap/x\*\*\* is there twice"):
        render(tree, REQUEST)


def test_an_unexpected_error_says_nothing_of_a_secret_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(obj: Any) -> Any:
        raise KeyError(str(obj))

    monkeypatch.setattr("engine.render.applicable.normalised", broken)

    with pytest.raises(RuntimeError, match="KeyError; its text may hold what is secret"):
        built(a="${pw^^}")
    with pytest.raises(KeyError):
        built(a="${region}")


def test_the_digest_cannot_be_compared_with_guesses_of_a_variable() -> None:
    one, same = built(a="${pw}"), built(a="${pw}")
    other = built(replace(REQUEST, seal=b"of another Secret"), a="${pw}")
    (made,) = one.objects
    guess = f"sha256:{hashlib.sha256(dump(made.obj).encode()).hexdigest()}"

    assert one.digest == same.digest
    assert len({one.digest, other.digest, guess}) == 3


def test_a_build_without_a_secret_in_it_has_a_plain_digest() -> None:
    (made,) = built(a="${region}").objects

    assert built(a="${region}").digest == (
        f"sha256:{hashlib.sha256(dump(made.obj).encode()).hexdigest()}"
    )


def test_an_explanation_shows_nothing_of_what_a_hidden_variable_became() -> None:
    copying = (
        "resources: [a.yaml, b.yaml]\nreplacements:\n- source: {kind: ConfigMap, name: a, "
        "fieldPath: data.a}\n  targets: [{select: {name: b}, fieldPaths: [data.b]}]\n"
    )
    b = {**config(b="x", c=f"{PASSWORD.upper()} is copied"), "metadata": {"name": "b"}}
    files = {"a.yaml": dump(config(a="${pw^^}")), "b.yaml": dump(b), "kustomization.yaml": copying}
    tree = MemoryTree({name: text.encode() for name, text in files.items()})

    told = repr(explain(tree, Request(variables=REQUEST.variables), how=Explainer(hidden={"pw"})))

    assert "c4n4ry" not in told.lower()

"""No error of a build quotes what was decrypted, wherever it goes wrong."""

from typing import Any

import pytest
import yaml

from engine.errors import BuildFailed
from engine.objects.manifests import dump
from engine.render import Request
from engine.render.decrypt_words import Words, revealed
from engine.sops import Format
from tests.support.decrypting import decrypted
from tests.support.sealing import Person, Seal

ME = Person()
CANARY = "c4n4ry-Hunter2"
WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web"}]}}},
}


def patched(patch: bytes, name: str = "patch.yaml", **options: Any) -> dict[str, bytes | str]:
    kustomization = {"resources": ["web.yaml"], "patches": [{"path": name, **options}]}
    return {"kustomization.yaml": dump(kustomization), "web.yaml": dump(WEB), name: patch}


BROKEN: dict[str, dict[str, bytes | str]] = {
    "a patch of an object that is not there": patched(
        Seal([ME]).yaml({**WEB, "metadata": {"name": CANARY}})
    ),
    "a patch that is no YAML": patched(
        Seal([ME]).binary(f"kind: x\n  {CANARY}: [\n- '{CANARY}\n"), "patch"
    ),
    "a patch with a key twice": patched(
        Seal([ME]).binary(f"{CANARY}: 1\nkind: [{CANARY}, *{CANARY}]\n"), "patch"
    ),
    "a patch that is text": patched(Seal([ME]).binary(CANARY), "patch"),
    "a patch of the wrong type": patched(
        Seal([ME], "^spec$").yaml({**WEB, "spec": {"template": CANARY}})
    ),
    "a JSON patch of a field that is not there": patched(
        Seal([ME]).binary(dump([{"op": "remove", "path": f"/spec/{CANARY}"}])),
        "patch",
        target={"kind": "Deployment"},
    ),
    "a JSON patch whose test fails": patched(
        Seal([ME]).binary(dump([{"op": "test", "path": "/spec/replicas", "value": CANARY}])),
        "patch",
        target={"kind": "Deployment"},
    ),
    "an object without a kind": {
        "a.yaml": Seal([ME], "^metadata$").yaml(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": CANARY}
        )
    },
    "a variable that is not set": {
        "a.yaml": Seal([ME], "^stringData$").yaml(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "a"},
                "stringData": {"x": "pa${c4n4ry}word"},
            }
        )
    },
    "variables that are malformed": {
        "a.yaml": Seal([ME], "^stringData$").yaml(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "a"},
                "stringData": {"x": "a${c4n4ry!!}b${c4n4ry"},
            }
        )
    },
}


@pytest.mark.parametrize("case", BROKEN)
def test_no_error_quotes_what_was_decrypted(case: str) -> None:
    request = Request(variables={"host": "h"})

    with pytest.raises(BuildFailed) as caught:
        decrypted(BROKEN[case], ME, request=request)

    said = "".join(map(str, (caught.value, caught.value.__cause__ or "")))
    assert "c4n4ry" not in said
    assert "cannot be decrypted" not in said


def test_an_unexpected_error_of_a_build_with_decrypted_values_has_no_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(obj: Any) -> Any:
        if "sops" not in obj:
            raise KeyError(str(obj))
        return obj

    monkeypatch.setattr("engine.render.applicable.normalised", broken)
    files = {"a.yaml": Seal([ME], "^data$").yaml({**WEB, "data": {"x": CANARY}})}

    with pytest.raises(RuntimeError) as caught:
        decrypted(files, ME)

    told = f"{caught.value!r} {getattr(caught.value, '__notes__', ())}"
    assert CANARY not in told
    assert "KeyError" in told
    assert "pipeline.py" in told


def test_what_the_file_says_openly_is_not_hidden() -> None:
    words = Words()
    sealed = b"kind: Deployment\nspec: ENC[AES256_GCM,data:x]\nsops: {}\n"
    words.read(sealed, b"kind: Deployment\nspec: hunter2\n", Format.YAML, "patch.yaml")

    told = words.hidden("patch.yaml:1: no 'Deployment' with 'spec' of 'hunter2', nor 'Hunter'")

    assert told == "patch.yaml:1: no 'Deployment' with 'spec' of '***', nor 'Hunter'"


def test_short_quotes_about_a_decrypted_file_are_hidden() -> None:
    words = Words()
    words.read(b"data: ENC[x]", b"data: hunter2", Format.YAML, "patch.yaml")

    assert words.hidden("patch.yaml:1: 'h' is wrong") == "patch.yaml:1: '***' is wrong"
    assert words.hidden("other.yaml:1: 'y' is wrong") == "other.yaml:1: 'y' is wrong"


def test_only_values_that_were_encrypted_are_told() -> None:
    sealed = yaml.safe_load("{a: 'ENC[x]', b: plain, c: ['ENC[y]', z], d: 'ENC[z]', e: 'ENC[n]'}")
    plain = {"a": "secret", "b": "plain", "c": ["other", "z"], "d": True, "e": 4711}

    assert list(revealed(sealed, plain)) == ["secret", "other", "4711"]


def test_of_a_very_long_value_as_much_is_told_as_a_message_can_have() -> None:
    words = Words()

    words.told(b"0123456789abcdef" * 2**14)

    (value,) = words.values
    assert len(value) == 48 * 1024


def test_what_only_begins_as_an_encrypted_value_is_not_searched_for_its_end() -> None:
    words = Words()

    words.read(b"ENC[" * 500_000, b"hunter2", Format.BINARY, "file")

    assert words.hidden("file: 'hunter2'") == "file: '***'"


@pytest.mark.parametrize(
    ("form", "sealed", "plain", "values"),
    [
        (Format.DOTENV, "A=ENC[x]\nB_plain=2", "A=secret=1\nB_plain=2", ["secret=1"]),
        (Format.INI, "[s]\na = ENC[x]", "[s]\na = secret", ["secret"]),
        (Format.BINARY, '{"data": "ENC[x]"}', "all\nof it", ["all\nof it"]),
        (Format.YAML, "a: ENC[x]\n---\nb: ENC[x]", "a: one\n---\nb: two", ["one", "two"]),
        (Format.JSON, '{"a": "ENC[x]"}', '{"a": "one"}', ["one"]),
    ],
)
def test_the_values_of_a_file_are_known_by_its_format(
    form: Format, sealed: str, plain: str, values: list[str]
) -> None:
    words = Words()

    words.read(sealed.encode(), plain.encode(), form, "file")

    assert list(words.values) == values

"""Secrets in plain text, and what only looks like one."""

import base64
from pathlib import Path

import pytest
import yaml

from engine.custody.plain import plain_secrets
from tests.support.custody import CANARY, LOGIN, Repository
from tests.support.sealing import Person, Seal

ME = Person()


def found(tmp_path: Path, files: dict[str, bytes | str]) -> list[str]:
    repository = Repository(tmp_path)
    repository.put(files)
    flaws = list(plain_secrets(repository.survey()))
    assert not [each for each in flaws if CANARY in f"{each}"]
    return [f"{each.place}: {each.what}" for each in flaws]


def test_a_secret_is_found_with_its_line(tmp_path: Path) -> None:
    text = "---\nkind: ConfigMap\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\n" + (
        f"data:\n  b: {base64.b64encode(CANARY.encode()).decode()}\n"
    )

    assert found(tmp_path, {"a.yaml": text}) == ["a.yaml:8: Secret 'a' is in plain text (data: b)"]


def test_a_secret_in_a_list_is_found(tmp_path: Path) -> None:
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [dict(LOGIN)]})

    (line,) = found(tmp_path, {"a.yaml": text})

    assert "Secret 'login' is in plain text (stringData: password)" in line


@pytest.mark.parametrize("value", ["", "${PASSWORD}", "${A:=x}${B}"])
def test_what_is_empty_or_a_variable_is_no_secret(tmp_path: Path, value: str) -> None:
    text = yaml.safe_dump({**LOGIN, "stringData": {"password": value}})

    assert found(tmp_path, {"a.yaml": text}) == []


def test_an_encrypted_secret_is_none_but_what_its_rule_left_out_is(tmp_path: Path) -> None:
    leaky = {**LOGIN, "data": {"token": base64.b64encode(b"other").decode()}}

    lines = found(
        tmp_path,
        {
            "a.yaml": Seal([ME], "^stringData$").yaml(LOGIN),
            "b.yaml": Seal([ME], "^stringData$").yaml(leaky),
            "c.yaml": yaml.safe_dump(
                {
                    **LOGIN,
                    "stringData": {},
                    "data": {"x.env": base64.b64encode(Seal([ME]).dotenv(A="b")).decode()},
                }
            ),
        },
    )

    assert len(lines) == 1
    assert lines[0].startswith("b.yaml:8: Secret 'login' is encrypted, but not its data (token)")


def test_generators_with_literals_and_files_in_plain_text_are_found(tmp_path: Path) -> None:
    lines = found(
        tmp_path,
        {
            "app/kustomization.yaml": (
                "secretGenerator:\n- name: g\n"
                f"  literals:\n  - password={CANARY}\n  - user=$" + "{USER}\n"
                "  envs: [plain.env, sealed.env, gone.env]\n  files: [key=../key.pem]\n"
            ),
            "app/plain.env": f"A={CANARY}\n",
            "app/sealed.env": Seal([ME]).dotenv(A="b"),
            "key.pem": CANARY,
        },
    )

    assert lines == [
        "app/kustomization.yaml:3: secretGenerator 'g' has literals in plain text (password)",
        "app/kustomization.yaml:6: secretGenerator 'g' takes 'app/plain.env' (envs), which is in "
        "plain text",
        "app/kustomization.yaml:7: secretGenerator 'g' takes 'key.pem' (files), which is in plain "
        "text",
    ]

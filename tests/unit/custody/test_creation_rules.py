"""`.sops.yaml` as sops reads it."""

from pathlib import Path

import pytest

from engine.custody.creation_rules import CreationRules, InvalidRules
from engine.custody.recipients import Recipient
from tests.support.custody import Repository

RULES = """\
keys:
- &me age1me
creation_rules:
- path_regex: ^apps/.*\\.ya?ml$
  age: " age1me, age1you,"
  pgp: [aa11, "BB 22"]
  kms: arn:aws:kms:eu:1:key/a+arn:aws:iam::1:role/r
  gcp_kms: projects/p
  azure_keyvault: https://v.vault.azure.net/keys/k/1,https://v.vault.azure.net/keys/l
  hc_vault_transit_uri: https://vault/v1/sops/keys/k
- path_regex: groups
  shamir_threshold: 1
  key_groups:
  - merge:
    - age: [age1merged]
    age: [*me, *me]
    pgp: [cc33]
    kms: [{arn: arn:aws:kms:eu:1:key/a, context: {Env: prod}}]
  - gcp_kms: [{resource_id: projects/p}]
    azure_keyvault: [{vaultUrl: https://v.vault.azure.net, key: k, version: "1"}]
    hc_vault: [https://vault/v1/sops/keys/k]
- path_regex: nobody
- age: age1rest
"""


def rules(tmp_path: Path, text: str = RULES, **files: str) -> CreationRules:
    Repository(tmp_path).put({".sops.yaml": text, **files})
    return CreationRules(tmp_path)


def names(group: tuple[Recipient, ...]) -> list[str]:
    return [f"{each.kind} {each.name}" for each in group]


def test_every_kind_of_key_is_read_from_lists_and_comma_lists(tmp_path: Path) -> None:
    rule, config = rules(tmp_path).of("apps/a.yaml")

    assert rule is not None
    assert (rule.place, config) == (".sops.yaml:4", ".sops.yaml")
    assert [names(group) for group in rule.groups] == [
        [
            "age age1me",
            "age age1you",
            "pgp AA11",
            "pgp BB22",
            "kms arn:aws:kms:eu:1:key/a+arn:aws:iam::1:role/r",
            "gcp_kms projects/p",
            "azure_kv https://v.vault.azure.net/keys/k/1",
            "azure_kv https://v.vault.azure.net/keys/l/",
            "hc_vault https://vault/v1/sops/keys/k",
        ]
    ]


def test_key_groups_are_merged_and_name_nobody_twice(tmp_path: Path) -> None:
    rule, _ = rules(tmp_path).of("groups/a.yaml")

    assert rule is not None
    assert [names(group) for group in rule.groups] == [
        ["age age1merged", "age age1me", "pgp CC33", "kms arn:aws:kms:eu:1:key/a"],
        [
            "gcp_kms projects/p",
            "azure_kv https://v.vault.azure.net/keys/k/1",
            "hc_vault https://vault/v1/sops/keys/k",
        ],
    ]
    assert rule.threshold == 1
    assert [dict(context) for context in rule.contexts.values()] == [{"Env": "prod"}]


def test_the_first_rule_that_matches_counts_and_may_name_nobody(tmp_path: Path) -> None:
    found = rules(tmp_path)

    rest, _ = found.of("other.yaml")

    assert rest is not None
    assert names(rest.groups[0]) == ["age age1rest"]
    assert found.of("nobody/a") == (None, ".sops.yaml")


def test_the_nearest_file_counts_and_its_paths_are_from_its_folder(tmp_path: Path) -> None:
    inner = {"apps/.sops.yaml": "creation_rules: [{path_regex: ^a.yaml$, age: age1inner}]\n"}
    found = rules(tmp_path, **inner)

    rule, config = found.of("apps/a.yaml")

    assert rule is not None
    assert (config, names(rule.groups[0])) == ("apps/.sops.yaml", ["age age1inner"])
    assert found.of("apps/b.yaml") == (None, "apps/.sops.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("creation_rules: [{path_regex: '('}]\n", r"\.sops\.yaml:1: path_regex: "),
        ("creation_rules:\n- age: {a: b}\n", r"\.sops\.yaml:2: age must be a text"),
        ("creation_rules: [{key_groups: [{kms: [{role: r}]}]}]\n", "must be a list of arn"),
        ("a: b\n c: d\n", r"\.sops\.yaml:2"),
    ],
)
def test_a_file_that_sops_would_refuse_says_where(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidRules, match=problem):
        rules(tmp_path, text).of("a.yaml")

"""Encrypted files and objects of a build.  Contract: flux-behaviour 4.6."""

import base64
import json
from typing import Any

import pytest
import yaml

from engine.errors import BuildFailed
from engine.objects.manifests import dump
from engine.render import Decrypting, Lacking, Request, render
from tests.support.decrypting import REFUSED, decrypted, tree
from tests.support.sealing import Person, Seal

CANARY = "c4n4ry-Hunter2"
ME, OTHER = Person(), Person()
SECRETS = "^(data|stringData)$"


def secret(name: str = "login", **values: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": values or {"password": CANARY},
    }


def text_of(value: str) -> str:
    return base64.b64decode(value).decode()


def kustomization(**fields: Any) -> str:
    return dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"} | fields)


DEPLOYMENT = dump(
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web"}]}}},
    }
)


def test_an_encrypted_secret_is_decrypted_after_the_build() -> None:
    files = {"a.yaml": Seal([ME], SECRETS).yaml(secret())}

    built = decrypted(files, ME, request=Request(target_namespace="prod", name_prefix="p-"))

    (made,) = built.rendered.objects
    assert text_of(made.obj["data"]["password"]) == CANARY
    assert made.obj["metadata"] == {"name": "p-login", "namespace": "prod"}
    assert "sops" not in made.obj
    assert not made.encrypted


def test_all_data_keys_are_asked_for_together_with_the_lines_that_need_them() -> None:
    files = {
        "kustomization.yaml": kustomization(
            resources=["a.yaml", "b.yaml", "web.yaml"],
            secretGenerator=[
                {"name": "gen", "envs": ["app.env"], "files": ["blob", "conf=c.json"]},
            ],
            patches=[{"path": "patch.yaml"}],
        ),
        "a.yaml": Seal([ME], SECRETS).yaml(secret("a")),
        "b.yaml": Seal([ME], SECRETS).yaml(secret("b")),
        "web.yaml": DEPLOYMENT,
        "app.env": Seal([ME]).dotenv(TOKEN="t"),
        "blob": Seal([ME]).binary("b"),
        "c.json": Seal([ME]).json({"c": "d"}),
        "patch.yaml": Seal([ME], "^replicas$").yaml(
            {**yaml.safe_load(DEPLOYMENT), "spec": {"replicas": 3}}
        ),
    }

    built = decrypted(files, ME)

    files_asked, objects_asked = (sorted(key.where for key in each) for each in built.rounds)
    assert [each.partition(":")[0] for each in files_asked] == [
        "app.env",
        "blob",
        "c.json",
        "patch.yaml",
    ]
    assert objects_asked == ["a.yaml:1", "b.yaml:1"]


def test_files_of_generators_are_decrypted_by_the_name_of_their_key() -> None:
    files = {
        "kustomization.yaml": kustomization(
            secretGenerator=[
                {
                    "name": "gen",
                    "envs": ["app.env"],
                    "files": ["blob", "conf.json=c.txt", ".dockerconfigjson=d"],
                    "options": {"disableNameSuffixHash": True},
                },
            ],
        ),
        "app.env": Seal([ME]).dotenv(TOKEN=CANARY),
        "blob": Seal([ME]).binary(f"{CANARY}\nmore"),
        "c.txt": Seal([ME]).json({"c": CANARY}),
        "d": Seal([ME]).json({"auths": {"x": CANARY}}),
    }

    values = decrypted(files, ME).values("gen")

    assert text_of(values["TOKEN"]) == CANARY
    assert text_of(values["blob"]) == f"{CANARY}\nmore"
    assert json.loads(text_of(values["conf.json"])) == {"c": CANARY}
    assert json.loads(text_of(values[".dockerconfigjson"])) == {"auths": {"x": CANARY}}


def test_what_becomes_a_config_map_stays_encrypted() -> None:
    sealed = Seal([ME]).binary(CANARY)
    options = {"disableNameSuffixHash": True}
    files = {
        "kustomization.yaml": kustomization(
            secretGenerator=[{"name": "s", "files": ["blob"], "options": options}],
            configMapGenerator=[{"name": "c", "files": ["blob"], "options": options}],
        ),
        "blob": sealed,
    }

    built = decrypted(files, ME)

    assert text_of(built.values("s")["blob"]) == CANARY
    assert built.values("c")["blob"].encode() == sealed


@pytest.mark.parametrize(
    "field",
    [
        {"patches": [{"path": "patch.yaml"}]},
        {"patches": [{"path": "patch.yaml", "target": {"kind": "Deployment"}}]},
        {"patchesStrategicMerge": ["patch.yaml"]},
    ],
)
def test_encrypted_patches_are_decrypted_before_the_build(field: dict[str, Any]) -> None:
    patch = {**yaml.safe_load(DEPLOYMENT), "spec": {"replicas": 3}}
    files = {
        "kustomization.yaml": kustomization(resources=["web.yaml"], **field),
        "web.yaml": DEPLOYMENT,
        "patch.yaml": Seal([ME], "^replicas$").yaml(patch),
    }

    (made,) = decrypted(files, ME).rendered.objects

    assert made.obj["spec"]["replicas"] == 3
    assert "sops" not in made.obj


def test_values_of_a_secret_that_are_encrypted_files_are_decrypted_one_by_one() -> None:
    made = secret()
    del made["stringData"]
    made["data"] = {
        "plain": base64.b64encode(b"plain").decode(),
        "app.yaml": base64.b64encode(Seal([ME]).yaml({"a": CANARY})).decode(),
        "app.env": base64.b64encode(Seal([ME]).dotenv(A=CANARY)).decode(),
        "blob": base64.b64encode(Seal([ME]).binary(CANARY)).decode(),
    }

    values = decrypted({"a.yaml": dump(made)}, ME).values("login")

    assert {name: text_of(value).strip() for name, value in values.items()} == {
        "plain": "plain",
        "app.yaml": f"a: {CANARY}",
        "app.env": f"A={CANARY}",
        "blob": CANARY,
    }


def test_files_of_a_remote_base_are_decrypted_after_the_build_only() -> None:
    """As in Flux, which walks the folders of the source itself."""
    url = "https://git.example.com/org/repo//base?ref=v1"
    generator = [{"name": "g", "files": ["blob"], "options": {"disableNameSuffixHash": True}}]
    base = {
        "base/kustomization.yaml": kustomization(
            resources=["login.yaml"], secretGenerator=generator
        ),
        "base/login.yaml": Seal([ME], SECRETS).yaml(secret()),
        "base/blob": Seal([ME]).binary("b"),
    }

    built = decrypted(
        {"kustomization.yaml": kustomization(resources=[url])}, ME, bases={url: tree(base)}
    )

    (asked,) = built.rounds
    assert len(asked) == 2
    assert text_of(built.values("login")["password"]) == CANARY
    assert text_of(built.values("g")["blob"]) == "b"
    assert built.rendered.opened.files == frozenset()


def test_an_object_opts_out_by_an_annotation() -> None:
    out = secret()
    out["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/decrypt": "Disabled"}

    built = decrypted({"a.yaml": Seal([ME], SECRETS).yaml(out)})

    assert built.rounds == []
    assert built.rendered.objects[0].encrypted


def test_variables_are_replaced_in_what_was_decrypted() -> None:
    files = {"a.yaml": Seal([ME], SECRETS).yaml(secret(url="https://${host}/"))}

    built = decrypted(files, ME, request=Request(variables={"host": "h"}))

    assert text_of(built.values("login")["url"]) == "https://h/"


def test_without_decryption_nothing_is_asked_for_and_nothing_changes() -> None:
    sealed = Seal([ME], SECRETS).yaml(secret())
    files = {
        "kustomization.yaml": kustomization(
            resources=["a.yaml"], secretGenerator=[{"name": "g", "files": ["blob"]}]
        ),
        "a.yaml": sealed,
        "blob": Seal([ME]).binary("x"),
    }

    rendered = render(tree(files), Request())

    assert [made.encrypted for made in rendered.objects] == [True, False]
    assert rendered.opened.count == 0


def test_documents_that_were_encrypted_together_and_apart_stand_in_one_file() -> None:
    together = Seal([ME], SECRETS).yaml(secret("a"), secret("b"))
    apart = Seal([ME], SECRETS).yaml(secret("c"))
    content = together + b"---\n" + apart + b"---\n" + dump(secret("d")).encode()

    built = decrypted({"all.yaml": content}, ME)

    names = ("a", "b", "c", "d")
    assert [text_of(built.values(name)["password"]) for name in names] == [CANARY] * 4


@pytest.mark.parametrize(
    ("old", "new"), [(b"name: login", b"name: other"), (b"kind: Secret", b"kind: Wish")]
)
def test_a_file_that_was_changed_since_it_was_encrypted_is_refused(old: bytes, new: bytes) -> None:
    files = {"a.yaml": Seal([ME], SECRETS).yaml(secret()).replace(old, new)}

    with pytest.raises(BuildFailed, match=r"(?s)decryption failed for .* \(a.yaml:1\): .*a.yaml"):
        decrypted(files, ME)
    built = decrypted(files, ME, verify_mac=False)

    assert len(built.rendered.objects) == 1


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("key", [b"mac", b'"m\\x61c"', b"!!binary bWFj"])
@pytest.mark.parametrize("is_binary", [False, True])
def test_a_changed_document_whose_mac_is_written_another_way_is_refused(
    wrapped: bool, key: bytes, is_binary: bool
) -> None:
    """Else the unchanged document beside it would answer for it."""
    sealed = Seal([ME], SECRETS).yaml(secret())
    start = sealed.index(b"mac: ENC[")
    plain = sealed[start:].splitlines()[0]
    mac = plain.removeprefix(b"mac: ")
    spelled = b"!!binary " + base64.b64encode(mac) if is_binary else b'"\\x45' + mac[1:] + b'"'
    changed = sealed.replace(plain, key + b": " + spelled)
    changed = changed.replace(b"name: login", b"name: forged")
    if wrapped:
        items = b"- " + changed.replace(b"\n", b"\n  ")
        changed = b"apiVersion: v1\nkind: List\nitems:\n" + items
    files = {"a.yaml": sealed + b"---\n" + changed}

    with pytest.raises(BuildFailed, match="decryption failed for"):
        decrypted(files, ME)


def test_an_object_whose_sops_part_is_not_that_of_its_file_is_refused() -> None:
    """Else a patch could have values of another file decrypted into an object of its own."""
    sealed = yaml.safe_load(Seal([ME], SECRETS).yaml(secret()))
    patch = {**sealed, "metadata": {"name": "mine"}}
    files = {
        "kustomization.yaml": kustomization(
            resources=["mine.yaml"], patches=[{"patch": dump(patch)}]
        ),
        "mine.yaml": dump(secret("mine", other="x")),
    }

    with pytest.raises(BuildFailed, match="is not that of its file"):
        decrypted(files, ME)


def test_every_key_that_cannot_be_had_is_reported_with_its_file() -> None:
    files = {
        "kustomization.yaml": kustomization(
            resources=["a.yaml", "b.yaml"],
            secretGenerator=[{"name": "g", "files": ["blob", "other"]}],
        ),
        "a.yaml": Seal([ME], SECRETS).yaml(secret("a")),
        "b.yaml": Seal([OTHER], SECRETS).yaml(secret("b")),
        "blob": Seal([OTHER]).binary("x"),
        "other": Seal([OTHER]).binary("y"),
    }

    with pytest.raises(BuildFailed) as caught:
        decrypted(files, ME)

    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert all(REFUSED in line and "cannot be decrypted" in line for line in lines)
    assert ["blob:" in lines[0], "other:" in lines[1]] == [True, True]


def test_a_recipient_that_is_no_utf_8_is_one_that_nobody_has_the_key_of() -> None:
    sealed = Seal([ME]).dotenv(A="x").replace(ME.recipient.encode(), b"age1\xff")
    files = {
        "kustomization.yaml": kustomization(secretGenerator=[{"name": "s", "envs": ["a.env"]}]),
        "a.env": sealed,
    }

    with pytest.raises(Lacking) as lacking:
        render(tree(files), Request(decryption=Decrypting("mine")))

    assert len(lacking.value.needs.data_keys) == 1


def test_every_object_that_cannot_be_decrypted_is_reported() -> None:
    files = {
        f"{name}.yaml": Seal([who], SECRETS).yaml(secret(name))
        for name, who in (("a", OTHER), ("b", ME), ("c", OTHER))
    }

    with pytest.raises(BuildFailed) as caught:
        decrypted(files, ME)

    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()] == [
        "decryption failed for Secret/a (a.yaml:1)",
        "decryption failed for Secret/c (c.yaml:1)",
    ]


def test_a_file_of_more_than_5_mib_is_refused() -> None:
    files = {
        "kustomization.yaml": kustomization(secretGenerator=[{"name": "g", "files": ["blob"]}]),
        "blob": Seal([ME]).binary("x" * 4 * 2**20),
    }

    with pytest.raises(BuildFailed, match="5,242,880"):
        decrypted(files, ME)


def test_a_text_that_only_speaks_of_sops_is_left_alone() -> None:
    text = "{{ sops: template }}\nmac: none"
    files = {
        "kustomization.yaml": kustomization(
            secretGenerator=[
                {"name": "g", "files": ["a.yaml"], "options": {"disableNameSuffixHash": True}}
            ]
        ),
        "a.yaml": text,
    }

    assert text_of(decrypted(files).values("g")["a.yaml"]) == text


def test_the_digest_tells_nothing_to_who_guesses_the_value() -> None:
    """A plain digest could be compared with that of each guess; this one takes the data key."""
    plain = render(tree({"a.yaml": dump(secret())}), Request()).digest
    seal = Seal([ME], SECRETS)
    sealed = {"a.yaml": seal.yaml(secret())}

    assert decrypted(sealed, ME).rendered.digest == decrypted(sealed, ME).rendered.digest != plain
    other = {"a.yaml": Seal([ME], SECRETS).yaml(secret())}
    assert decrypted(other, ME).rendered.digest != decrypted(sealed, ME).rendered.digest


def test_what_was_decrypted_is_told_so_that_it_can_be_masked() -> None:
    files = {"a.yaml": Seal([ME], SECRETS).yaml(secret(password=CANARY, user="somebody", no="x"))}

    assert set(decrypted(files, ME).rendered.opened.values) == {CANARY, "somebody"}


def test_keys_are_asked_for_once_more_if_another_file_is_there() -> None:
    with pytest.raises(Lacking) as caught:
        render(
            tree({"a.yaml": Seal([ME], SECRETS).yaml(secret())}),
            Request(decryption=Decrypting("these")),
        )

    assert "a.yaml:1" in str(caught.value)

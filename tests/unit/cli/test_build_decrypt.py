"""`lockstep build` with encrypted files, and the keys of whoever runs it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from engine.objects.manifests import dump
from tests.support.sealing import Person, Seal

Call: TypeAlias = Callable[..., Any]

CANARY = "c4n4ry-Hunter2"
ME, OTHER = Person(), Person()
FLUX = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": "apps", "namespace": "flux-system"},
    "spec": {
        "interval": "1m",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": "flux-system"},
        "decryption": {"provider": "sops", "secretRef": {"name": "keys"}},
    },
}
LOGIN = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "login"},
    "stringData": {"password": CANARY},
}
WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web"}]}}},
}
PATCH = {
    **WEB,
    "spec": {
        "replicas": 4711,
        "template": {"spec": {"containers": [{"name": "web", "image": CANARY}]}},
    },
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An encrypted Secret and patch in `apps`; no key of the user is where sops looks."""
    for name in ("SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    resources = {"resources": ["login.yaml", "web.yaml"], "patches": [{"path": "patch.yaml"}]}
    files = {
        ".git/HEAD": b"ref: refs/heads/main\n",
        "apps.yaml": dump(FLUX).encode(),
        "apps/kustomization.yaml": dump(resources).encode(),
        "apps/login.yaml": Seal([ME], "^stringData$").yaml(LOGIN),
        "apps/web.yaml": dump(WEB).encode(),
        "apps/patch.yaml": Seal([ME], "^(replicas|image)$").yaml(PATCH),
        "keys.txt": ME.key_file,
        "others.txt": OTHER.key_file,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def built(call: Call, repository: Path, *more: str) -> Any:
    return call(
        "build", str(repository / "apps"), "--kustomization-file", str(repository / "apps.yaml"),
        *more,
    )  # fmt: skip


def by_kind(text: str) -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def given_as_text(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY", ME.secret)


def given_as_file(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(repository / "keys.txt"))


def where_sops_looks(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository / "config" / "sops" / "age"
    folder.mkdir(parents=True)
    (folder / "keys.txt").write_bytes(ME.key_file)


@pytest.mark.parametrize("give", [given_as_text, given_as_file, where_sops_looks])
def test_it_decrypts_with_the_keys_that_sops_would_take(
    call: Call, repository: Path, monkeypatch: pytest.MonkeyPatch, give: Callable[..., None]
) -> None:
    give(repository, monkeypatch)

    ended = built(call, repository, "--show-secrets")

    made = by_kind(ended.out)
    assert made["Secret"]["stringData" if "stringData" in made["Secret"] else "data"]
    assert "sops" not in made["Secret"]
    assert made["Deployment"]["spec"]["replicas"] == 4711
    assert CANARY in ended.out
    assert ended.err == ""


def test_what_was_decrypted_is_masked_wherever_it_stands(call: Call, repository: Path) -> None:
    ended = built(call, repository, "--sops-age-key-file", str(repository / "keys.txt"))

    made = by_kind(ended.out)
    assert made["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"] == "***"
    assert "c4n4ry" not in ended.out + ended.err
    assert ended.status == 0


@pytest.mark.parametrize("target", ["Secret/login", "Deployment/web"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_explanation_shows_what_was_decrypted(
    call: Call, repository: Path, target: str, form: str
) -> None:
    key = ("--sops-age-key-file", str(repository / "keys.txt"))

    ended = built(call, repository, *key, "--explain", target, "-o", form)

    assert ended.status == 0
    assert "c4n4ry" not in ended.out
    assert "4711" not in ended.out
    assert "***" in ended.out


def test_an_explanation_tells_which_line_holds_what_was_decrypted(
    call: Call, repository: Path
) -> None:
    key = ("--sops-age-key-file", str(repository / "keys.txt"))

    ended = built(call, repository, *key, "--explain", "Deployment/web.spec.replicas")

    assert 'apps/patch.yaml:6: patches[0] (apps/kustomization.yaml:2): 1 -> "***"' in ended.out


def test_without_a_key_it_stays_encrypted_and_says_so(call: Call, repository: Path) -> None:
    ended = built(call, repository)

    assert ended.status == 0
    assert "sops" in by_kind(ended.out)["Secret"]
    assert "no age key is there: what is encrypted stays so; set SOPS_AGE_KEY" in ended.err


def test_without_spec_decryption_the_engine_would_refuse_it(call: Call, repository: Path) -> None:
    spec = {key: value for key, value in FLUX["spec"].items() if key != "decryption"}
    (repository / "apps.yaml").write_text(dump({**FLUX, "spec": spec}))

    ended = built(call, repository)

    assert "the engine would refuse it: Secret/login; set spec.decryption" in ended.err


def test_a_key_that_opens_nothing_is_named(call: Call, repository: Path) -> None:
    ended = built(call, repository, "--sops-age-key-file", str(repository / "others.txt"))

    assert ended.status == 1
    assert "apps/kustomization.yaml:5: patches[0]" in ended.err or "patches[0]" in ended.err
    assert "others.txt" in ended.err
    assert f"it is encrypted for {ME.recipient}" in ended.err
    assert OTHER.secret not in ended.err


def test_a_file_that_was_changed_is_refused_unless_that_is_allowed(
    call: Call, repository: Path
) -> None:
    path = repository / "apps" / "login.yaml"
    path.write_bytes(path.read_bytes().replace(b"name: login", b"name: other"))
    key = ("--sops-age-key-file", str(repository / "keys.txt"))

    strict = built(call, repository, *key)
    lax = built(call, repository, *key, "--no-sops-verify-mac")

    assert (strict.status, lax.status) == (1, 0)
    assert "apps/login.yaml" in strict.err


def test_without_any_option_what_stays_encrypted_is_named(call: Call, repository: Path) -> None:
    generator = {"secretGenerator": [{"name": "g", "files": ["token=login.yaml"]}]}
    (repository / "apps/kustomization.yaml").write_text(
        dump({"resources": ["login.yaml", "web.yaml"], **generator})
    )

    ended = call("build", str(repository / "apps"), "--show-secrets")

    assert "ENC[" in ended.out
    assert "stays encrypted: apps/login.yaml:1, apps/kustomization.yaml" in ended.err
    assert "--sops-age-key-file" in ended.err


def test_a_key_file_decrypts_without_a_kustomization(call: Call, repository: Path) -> None:
    key = ("--sops-age-key-file", str(repository / "keys.txt"))

    ended = call("build", str(repository / "apps"), *key, "--show-secrets")

    assert "c4n4ry" in ended.out or by_kind(ended.out)["Secret"]["data"]

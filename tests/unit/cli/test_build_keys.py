"""`lockstep build` with OpenPGP keys, and with keys of services that are asked as the caller."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from anyio import to_thread
from pysequoia import Tsk

from engine.cli.own_keys import PGP_KEY_FILES
from engine.objects.manifests import dump
from engine.plugin import KeyRing
from engine.sops import Format, MasterKey, resealed
from plugins.decryptors.pgp import seal_key
from tests.support.clouds.amazon import KEY, Amazon
from tests.support.clouds.world import world
from tests.support.sealing import Person, Seal
from tests.unit.cli.test_build_decrypt import CANARY, FLUX, LOGIN

Call: TypeAlias = Callable[..., Any]

SEAL = Seal([Person()], "^stringData$")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
OURS = (
    *("SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", PGP_KEY_FILES),
    *("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_CLIENT_ID"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "VAULT_ADDR", "VAULT_TOKEN"),
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Kustomization with decryption; nothing of whoever runs the tests counts."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps.yaml").write_text(dump(FLUX))
    (tmp_path / ".git").mkdir()
    return tmp_path


def sealed_for(repository: Path, key: MasterKey) -> None:
    content = resealed(SEAL.yaml(LOGIN), Format.YAML, [[key]], now=NOW)
    (repository / "apps" / "login.yaml").write_bytes(content)


def arguments(repository: Path, *more: str) -> tuple[str, ...]:
    file = str(repository / "apps.yaml")
    return "build", str(repository / "apps"), "--kustomization-file", file, *more


async def openpgp(repository: Path) -> Path:
    """A file sealed for a key, and the key's file."""
    key = Tsk.generate("anna <anna@example.com>")
    ring = KeyRing({"anna.asc": str(key).encode()})
    name = key.extract_certificate().fingerprint
    sealed_for(repository, await seal_key(SEAL.data_key, name, ring, None))  # type: ignore[arg-type]
    path = repository / "anna.asc"
    path.write_bytes(ring.values["anna.asc"])
    return path


@pytest.mark.parametrize("by", ["option", "variable"])
async def test_an_openpgp_key_decrypts(
    by: str, call: Call, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await openpgp(repository)
    option = ("--sops-pgp-key-file", str(path)) if by == "option" else ()
    if by == "variable":
        monkeypatch.setenv(PGP_KEY_FILES, str(path))

    ended = await to_thread.run_sync(
        partial(call, *arguments(repository, "--show-secrets", *option))
    )

    assert ended.err == ""
    assert base64.b64encode(CANARY.encode()).decode() in ended.out


async def test_a_key_service_is_asked_as_the_caller(
    call: Call, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        clouds.serve("127.0.0.1", amazon.kms)
        sealed_for(repository, MasterKey("kms", KEY, amazon.sealed(SEAL.data_key)))
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", clouds.plain)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDSTATIC")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "static-secret")

        ended = await to_thread.run_sync(partial(call, *arguments(repository)))

        assert (ended.status, ended.err) == (0, "")
        assert "password" in ended.out
        assert CANARY not in ended.out
        assert len(clouds.seen) == 1


async def test_a_key_service_that_does_not_know_the_caller_says_what_to_set(
    call: Call, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed_for(repository, MasterKey("kms", KEY, "AAAA"))
    monkeypatch.setenv("AWS_PROFILE", "absent")

    ended = await to_thread.run_sync(partial(call, *arguments(repository)))

    assert ended.status == 1
    assert "apps/login.yaml" in ended.err
    assert f"AWS KMS key '{KEY}', asked as your own identity: AWS profile 'absent'" in ended.err
    assert "set AWS_PROFILE" in ended.err


def test_where_nobody_is_named_it_stays_encrypted(call: Call, repository: Path) -> None:
    sealed_for(repository, MasterKey("kms", KEY, "AAAA"))

    ended = call(*arguments(repository))

    assert ended.status == 0
    assert "ENC[" in ended.out
    assert "set what a key service asks for: AWS_PROFILE" in ended.err

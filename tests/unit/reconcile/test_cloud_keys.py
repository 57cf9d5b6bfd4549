"""Kustomizations whose files a cloud's key service opens: built-in plugins, real protocols."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from engine.objects.manifests import dump
from plugins import PLUGIN
from plugins.clouds.jwt import encoded
from tests.support.clouds import amazon, google, microsoft, vaults
from tests.support.clouds.world import Received, Refusal, World, world
from tests.support.fleet import config_map
from tests.support.sealing import Seal
from tests.unit.reconcile.test_decryption import APP, CANARY, SOPS, Shop, secret

SEAL = Seal((), "^(data|stringData)$")
PLAIN = base64.b64encode(SEAL.data_key).decode()
AT = "2026-11-23T06:00:00Z"


def keys(data: Mapping[str, bytes]) -> dict[str, Any]:
    """The decryption Secret."""
    values = {name: base64.b64encode(value).decode() for name, value in data.items()}
    metadata = {"name": "keys", "namespace": "flux"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": values}


def of_amazon(clouds: World) -> tuple[dict[str, Any], dict[str, bytes]]:
    sealed = amazon.Amazon(clouds).sealed(SEAL.data_key, {"env": "prod"})
    entry = {"arn": amazon.KEY, "created_at": AT, "enc": sealed, "context": {"env": "prod"}}
    return {"kms": [{**entry, "aws_profile": ""}]}, amazon.static()


def of_google(clouds: World) -> tuple[dict[str, Any], dict[str, bytes]]:
    google.Google(clouds)
    entry = {"resource_id": google.KEY, "created_at": AT, "enc": google.sealed(PLAIN)}
    return {"gcp_kms": [entry]}, google.static()


def of_microsoft(clouds: World) -> tuple[dict[str, Any], dict[str, bytes]]:
    microsoft.Microsoft(clouds)
    version = microsoft.KEY.rpartition("/")[2]
    entry = {
        "vault_url": microsoft.VAULT,
        "name": "sops",
        "version": version,
        "created_at": AT,
        "enc": microsoft.sealed(encoded(SEAL.data_key)),
    }
    login = {
        "tenantId": microsoft.TENANT,
        "clientId": microsoft.CLIENT,
        "clientSecret": "client-secret~1",
    }
    return {"azure_kv": [entry]}, {"sops.azure-kv": json.dumps(login).encode()}


def of_vault(clouds: World) -> tuple[dict[str, Any], dict[str, bytes]]:
    vaults.Vault(clouds)
    entry = {
        "vault_address": vaults.ADDRESS,
        "engine_path": "team/transit",
        "key_name": "sops",
        "created_at": AT,
        "enc": f"vault:v1:{PLAIN}",
    }
    return {"hc_vault": [entry]}, {"sops.vault-token": b"hvs.static\n"}


def shop(clouds: World, entries: Mapping[str, Any], data: Mapping[str, bytes]) -> Shop:
    """A Kustomization with a login in Git that only a key service can open."""
    file = yaml.safe_load(SEAL.yaml(secret()))
    del file["sops"]["age"]
    file["sops"] |= entries
    made = Shop(plugins=PLUGIN, http=clouds.http, clock=clouds.clock)
    made.client.put(keys(data))
    login = yaml.safe_dump(file, sort_keys=False)
    made.files("main@sha1:1", app__login=login, app__map=dump(config_map("m", "apps")))
    made.kustomization(**SOPS)
    return made


@pytest.mark.parametrize("service", [of_amazon, of_google, of_microsoft, of_vault])
async def test_what_a_key_service_opens_is_applied_in_plain_text(service: Any) -> None:
    async with world() as clouds:
        made = shop(clouds, *service(clouds))

        await made.run()

        assert made.said() == "True ReconciliationSucceeded: Applied revision: main@sha1:1"
        assert made.password() == CANARY


async def test_a_service_that_refuses_is_told_with_file_key_and_remedy() -> None:
    async with world() as clouds:
        entries, data = of_amazon(clouds)
        made = shop(clouds, entries, data)
        clouds.serve("kms.eu-west-1.amazonaws.com", amazon.Amazon(clouds, allowed=set()).kms)

        await made.run()

        assert made.said().startswith("False BuildFailed: ")
        assert "app/login.yaml" in made.said()
        assert f"grant kms:Decrypt on '{amazon.KEY}'" in made.said()


@pytest.mark.parametrize("service", [of_amazon, of_google, of_microsoft, of_vault])
async def test_a_service_that_repeats_all_it_hears_gives_no_secret_away(service: Any) -> None:
    async def parrot(request: Received) -> Any:
        said = f"{request.body.decode()} {dict(request.headers)}"
        raise Refusal(403, {"message": said, "error_description": said, "errors": [said]})

    async with world() as clouds:
        entries, data = service(clouds)
        for host in clouds.hosts():
            clouds.serve(host, parrot)
        made = shop(clouds, entries, data)

        await made.run()

        said = f"{made.said()} {made.events} {made.client.objects[APP]}"
        assert made.said().startswith("False BuildFailed: ")
        for canary in ("static-secret", "client-secret~1", "hvs.static", "PRIVATE KEY", CANARY):
            assert canary not in said

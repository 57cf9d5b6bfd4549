"""Kustomizations that decrypt: whose keys, when they count, and what a failure costs."""

import base64
from typing import Any

import anyio
import pytest

from engine.cluster import Forbidden
from engine.objects.manifests import dump
from engine.objects.ref import Ref
from engine.plugin import KeyUnavailable
from engine.reconcile.triggers import INTERVAL
from engine.settings import Settings
from engine.source.artifact import Artifact
from engine.source.tree import MemoryTree
from plugins import PLUGIN
from tests.support.audit import STARTS, audited
from tests.support.clock import ImpatientClock, ManualClock, settle
from tests.support.fleet import config_map
from tests.support.locksmith import Locksmith
from tests.support.memory_client import MemoryClient, kind
from tests.support.observing import logged
from tests.support.reconciling import APP, SOURCE, Workshop
from tests.support.sealing import Person, Seal

CANARY = "c4n4ry-Hunter2-" + 100 * "long"  # events cut what is longer than 80
ME, OTHER = Person(), Person()
SOPS = {"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}}
OTHER_APP = Ref(APP.group, APP.kind, "tenant", "app")
LOGIN = Ref("", "Secret", "apps", "login")


def secret(name: str = "login", value: str = CANARY, namespace: str = "apps") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {"password": value},
    }


def sealed(obj: dict[str, Any], *people: Person, regex: str = "^(data|stringData)$") -> bytes:
    return Seal(people or (ME,), regex).yaml(obj)


def keys(*people: Person, name: str = "keys", namespace: str = "flux") -> dict[str, Any]:
    data = {
        f"{number}.agekey": base64.b64encode(person.key_file).decode()
        for number, person in enumerate(people)
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


class Shop(Workshop):
    """A Workshop with files instead of objects, and a locksmith."""

    def files(self, revision: str, **files: bytes | str) -> None:
        content = {
            f"{path.replace('__', '/')}.yaml": each.encode() if isinstance(each, str) else each
            for path, each in files.items()
        }
        artifact = Artifact(revision, f"sha256:{revision}", MemoryTree(content))
        self.engine.artifacts.put(SOURCE, artifact)
        described = {"revision": revision, "digest": artifact.digest, "url": "http://x"}
        name = {"name": SOURCE.name, "namespace": SOURCE.namespace, "generation": 1}
        obj = {"apiVersion": f"{SOURCE.group}/v1", "kind": SOURCE.kind, "metadata": name}
        self.tell({**obj, "spec": {}, "status": {"artifact": described}})

    def password(self, ref: Ref = LOGIN) -> str:
        found = self.client.objects.get(ref)
        return base64.b64decode(found["data"]["password"]).decode() if found else ""


def shop(
    *people: Person,
    settings: Settings | None = None,
    clock: ImpatientClock | ManualClock | None = None,
    **spec: Any,
) -> tuple[Shop, Locksmith]:
    """A Kustomization whose Secret holds the keys of these people; an encrypted login in Git."""
    smith = Locksmith()
    made = Shop(
        plugins=smith.plugin, settings=settings or Settings(), clock=clock or ImpatientClock()
    )
    if people:
        made.client.put(keys(*people))
    made.files("main@sha1:1", app__login=sealed(secret()), app__map=dump(config_map("m", "apps")))
    made.kustomization(**(SOPS | spec))
    return made, smith


async def test_what_is_encrypted_in_git_is_applied_in_plain_text() -> None:
    made, smith = shop(ME)

    await made.run()

    assert made.said() == "True ReconciliationSucceeded: Applied revision: main@sha1:1"
    assert made.password() == CANARY
    assert smith.asked == [ME.recipient]
    assert "sops" not in made.client.objects[LOGIN]


async def test_a_commit_that_leaves_encrypted_files_alone_opens_no_key() -> None:
    made, smith = shop(ME)
    await made.run()

    made.files("main@sha1:2", app__login=sealed(secret()), other__map="a: b")
    await made.run()
    again = len(smith.asked)
    login = sealed(secret(value="new"))
    made.files("main@sha1:3", app__login=login)
    await made.run()
    made.files("main@sha1:4", app__login=login, app__map=dump(config_map("n", "apps")))
    await made.run()

    assert again == 2  # it was sealed anew, with another data key
    assert len(smith.asked) == 3
    assert made.password() == "new"
    assert made.engine.data_keys.statistics().refused == 0


async def test_an_unchanged_build_costs_neither_a_key_nor_a_build() -> None:
    made, smith = shop(ME)
    login = sealed(secret())
    made.files("main@sha1:1", app__login=login)
    await made.run()

    made.files("main@sha1:2", app__login=login, elsewhere__map="a: b")
    await made.run()

    assert len(smith.asked) == 1
    assert made.engine.builds.statistics().built == 1
    assert made.status()["lastAppliedRevision"] == "main@sha1:2"


async def test_a_removed_key_secret_ends_the_remembered_build() -> None:
    """As in Flux, which reads the Secret at every reconcile."""
    made, _ = shop(ME)
    await made.run()

    made.client.remove(Ref("", "Secret", "flux", "keys"))
    await made.run()

    assert made.said() == (
        "False BuildFailed: cannot get sops decryption Secret 'flux/keys': not found; create it, "
        "or correct spec.decryption.secretRef"
    )
    assert made.password() == CANARY  # nothing is pruned


async def test_a_key_secret_that_may_not_be_read_fails_the_build() -> None:
    made, _ = shop(ME)
    made.client.refuse("get Secret/flux/keys", Forbidden(403, "Forbidden", "not yours"))

    await made.run()

    assert made.said() == (
        "False BuildFailed: cannot get sops decryption Secret 'flux/keys': not yours"
    )


async def test_a_rotated_key_secret_ends_the_remembered_build() -> None:
    made, smith = shop(ME)
    await made.run()

    made.client.put(keys(OTHER))
    await made.run()
    refused = made.said()
    made.client.put(keys(OTHER, ME))
    await made.run()

    assert refused == (
        "False BuildFailed: decryption failed for Secret/login (app/login.yaml:1): cannot be "
        "decrypted: app/login.yaml:1: no key of Secret 'flux/keys' (0.agekey) opens it; it is "
        f"encrypted for {ME.recipient}; tried: no identity is {ME.recipient}"
    )
    assert made.said().startswith("True ReconciliationSucceeded")
    assert len(smith.asked) == 3


async def test_a_key_that_one_tenant_opened_serves_no_other() -> None:
    made, smith = shop(ME)
    await made.run()
    made.client.put(keys(OTHER, namespace="tenant"))
    made.kustomization(OTHER_APP, sourceRef={**_source(), "namespace": "flux"}, **SOPS)

    await made.run(OTHER_APP)

    assert "no key of Secret 'tenant/keys'" in made.said(ref=OTHER_APP)
    assert len(smith.asked) == 2


async def test_the_same_keys_in_another_namespace_are_another_tenants() -> None:
    made, smith = shop(ME)
    await made.run()
    made.client.put(keys(ME, namespace="tenant"))
    made.kustomization(
        OTHER_APP,
        sourceRef={**_source(), "namespace": "flux"},
        targetNamespace="tenant",
        **SOPS,
    )

    await made.run(OTHER_APP)

    assert len(smith.asked) == 2
    assert made.password(Ref("", "Secret", "tenant", "login")) == CANARY


def _source() -> dict[str, str]:
    return {"kind": "GitRepository", "name": "fleet"}


async def test_an_undecryptable_file_fails_only_the_kustomization_that_needs_it() -> None:
    made, _ = shop(ME)
    made.files(
        "main@sha1:1",
        app__login=sealed(secret(), OTHER),
        good__login=sealed(secret("fine")),
    )
    good = Ref(APP.group, APP.kind, APP.namespace, "good")
    made.kustomization(good, path="./good", **SOPS)

    await made.run()
    await made.run(good)

    assert made.said().startswith("False BuildFailed: decryption failed")
    assert made.said(ref=good).startswith("True ReconciliationSucceeded")


ARN = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d"


def served(**settings: Any) -> tuple[Shop, Locksmith]:
    """A login that only a key service can open, and does."""
    made, smith = shop(settings=Settings(**settings), decryption={"provider": "sops"})
    seal = Seal([], "^stringData$", [ARN])
    smith.service[ARN] = seal.data_key
    made.files("main@sha1:1", app__login=seal.yaml(secret()))
    return made, smith


async def test_a_key_service_is_asked_again_when_its_answer_is_old_and_its_refusal_counts() -> None:
    made, smith = served(data_key_max_age=3600.0)
    await made.run()
    await made.run()
    asked_once = len(smith.asked)
    await made.clock.sleep(3601.0)
    await made.run()
    asked_again = len(smith.asked)
    smith.service[ARN] = KeyUnavailable(f"{ARN}: 403 revoked")
    await made.run()
    still_known = made.said()
    await made.clock.sleep(3601.0)
    await made.run()

    assert (asked_once, asked_again, made.engine.builds.statistics().built) == (1, 2, 1)
    assert still_known.startswith("True ReconciliationSucceeded")
    assert made.said() == (
        "False BuildFailed: decryption failed for Secret/login (app/login.yaml:1): cannot be "
        f"decrypted: app/login.yaml:1: no key of the engine itself opens it; it is encrypted for "
        f"{ARN}; tried: {ARN}: 403 revoked"
    )


async def test_what_a_key_service_refuses_is_asked_for_again_at_the_next_try() -> None:
    made, smith = served()
    key, smith.service[ARN] = smith.service[ARN], KeyUnavailable("503 not now")
    await made.run()
    refused = made.said()
    smith.service[ARN] = key
    await made.run()

    assert "503 not now" in refused
    assert made.password() == CANARY


async def test_a_build_that_no_key_of_the_secret_opens_is_not_tried_again() -> None:
    made, smith = shop(OTHER)

    await made.run()
    await made.run()

    assert len(smith.asked) == 1
    assert made.said().startswith("False BuildFailed: decryption failed")


async def test_the_global_age_key_counts_only_without_a_secret_and_nothing_else_of_it() -> None:
    settings = Settings(sops_age_secret="all-keys", runtime_namespace="system")
    made, _ = shop(settings=settings, decryption={"provider": "sops"})
    globals_ = keys(ME, name="all-keys", namespace="system")
    globals_["data"]["sops.vault-token"] = base64.b64encode(b"token").decode()
    made.client.put(globals_)
    own = Ref(APP.group, APP.kind, APP.namespace, "own")
    made.client.put(keys(OTHER))
    made.kustomization(own, **SOPS)

    await made.run()
    await made.run(own)

    assert made.password() == CANARY
    assert "Secret 'flux/keys' (0.agekey)" in made.said(ref=own)


async def test_an_encrypted_secret_without_decryption_is_never_applied() -> None:
    made, _ = shop(decryption=None)

    await made.run()

    assert made.said() == (
        "False ReconciliationFailed: Secret/apps/login is SOPS encrypted, configuring decryption "
        "is required for this secret to be reconciled (app/login.yaml:1)"
    )
    assert made.client.writes() == ["status Kustomization/flux/app"] or not made.password()


async def test_what_another_operator_decrypts_is_applied_as_it_is() -> None:
    wish = {
        "apiVersion": "example.com/v1",
        "kind": "SopsSecret",
        "metadata": {"name": "wish", "namespace": "apps"},
        "spec": {"password": CANARY},
    }
    kinds = [kind("example.com/v1", "SopsSecret", "sopssecrets")]
    made = Shop(client=MemoryClient(kinds=kinds))
    made.files("main@sha1:1", app__wish=sealed(wish, regex="^spec$"))
    made.kustomization()

    await made.run()

    found = made.client.objects[Ref("example.com", "SopsSecret", "apps", "wish")]
    assert "sops" in found
    assert made.said().startswith("True ReconciliationSucceeded")


async def test_a_service_account_of_its_own_needs_the_gate() -> None:
    made, _ = shop(ME, decryption={"provider": "sops", "serviceAccountName": "kms"})

    await made.run()

    assert made.said().startswith("False FeatureGateDisabled: spec.decryption.serviceAccountName")
    assert made.said("Stalled").startswith("True FeatureGateDisabled")


async def test_a_file_that_was_tampered_with_is_refused_and_can_be_allowed() -> None:
    changed = sealed(secret()).replace(b"name: login", b"name: other")
    made, _ = shop(ME)
    made.files("main@sha1:2", app__login=changed)
    await made.run()
    lax, _ = shop(ME, settings=Settings(sops_verify_mac=False))
    lax.files("main@sha1:2", app__login=changed)
    await lax.run()

    assert "False BuildFailed: decryption failed for Secret/other" in made.said()
    assert lax.password(Ref("", "Secret", "apps", "other")) == CANARY


@pytest.mark.parametrize("where", ["object", "patch", "generator"])
async def test_nothing_tells_a_decrypted_value_even_where_it_drifts(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    made, _ = shop(ME)
    plain = {**config_map("m", "apps"), "data": {"token": CANARY, "open": "x"}}
    patch = sealed(plain, regex="^token$")
    generator = dump({"secretGenerator": [{"name": "g", "namespace": "apps", "files": ["f.yaml"]}]})
    files: dict[str, dict[str, Any]] = {
        "object": {"app__m": patch},
        "patch": {
            "app__kustomization": dump({"resources": ["m.yaml"], "patches": [{"path": "p.yaml"}]}),
            "app__m": dump({**plain, "data": {"open": "x"}}),
            "app__p": patch,
        },
        "generator": {"app__kustomization": generator, "app__f": sealed({"a": CANARY}, regex="a")},
    }
    made.files("main@sha1:1", **files[where])
    await made.run()
    ref = next(each for each in made.client.objects if each.namespace == "apps")
    live = made.client.objects[ref]
    live["data"] = {**live["data"], next(iter(live["data"])): "changed", "token": "somebody-elses"}

    await made.run(reasons=("drift",))
    await made.run()

    everything = repr((made.told(), made.status(), made.said(), caplog.text))
    assert "configured" in everything
    assert "c4n4ry" not in everything
    assert base64.b64encode(b"c4n4ry").decode() not in everything
    assert ME.secret not in everything
    assert "somebody-elses" not in everything  # it stands where a secret belongs


async def test_the_data_keys_of_one_build_are_opened_at_the_same_time() -> None:
    made, smith = shop(ME)
    files = {f"app__s{number}": sealed(secret(f"s{number}")) for number in range(40)}
    made.files("main@sha1:1", **files)

    await made.run()

    assert made.said().startswith("True ReconciliationSucceeded")
    assert len(smith.asked) == 40
    assert 8 <= smith.at_once <= 16


def written(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether a file was opened for writing, or a program was started."""
    mode = arguments[1] if event == "open" else "w"
    return isinstance(mode, str) and not set("wax+").isdisjoint(mode)


async def test_cve_2021_41254_no_program_is_run_and_no_file_written_whatever_a_secret_holds() -> (
    None
):
    """Flux imported keys by a shell: a Secret could hold a script that it ran."""
    script = b"#!/bin/sh\ntouch /tmp/owned\n"
    hostile = {
        "x.asc": script + b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n$(touch /tmp/owned)\n",
        "$(touch owned).agekey": script + b"AGE-PLUGIN-TOUCH-1QQQQ\n$(touch /tmp/owned)",
        "../../x.agekey": b"AGE-SECRET-KEY-1`touch /tmp/owned`",
        "sops.vault-token": script,
    }
    made = Shop(plugins=PLUGIN)
    held = keys(ME)
    held["data"] |= {name: base64.b64encode(text).decode() for name, text in hostile.items()}
    made.client.put(held)
    made.files("main@sha1:1", app__login=sealed(secret()), bad__login=sealed(secret(), OTHER))
    made.kustomization(**SOPS)
    bad = Ref(APP.group, APP.kind, APP.namespace, "bad")
    made.kustomization(bad, path="./bad", **SOPS)

    with audited("open", *STARTS) as heard:
        await made.run()
        await made.run(bad)

    assert [each for each in heard if written(*each)] == []
    assert made.password() == CANARY
    assert made.said(ref=bad).startswith("False BuildFailed: decryption failed")
    assert "/tmp/owned" not in made.said(ref=bad)


@pytest.mark.parametrize("is_encrypted", [True, False])
async def test_a_revision_is_noted_without_a_look_at_the_keys_only_if_nothing_was_decrypted(
    is_encrypted: bool,
) -> None:
    made, _ = shop(ME, clock=ManualClock())
    login = sealed(secret()) if is_encrypted else dump(config_map("login", "apps"))
    async with anyio.create_task_group() as watching:
        watching.start_soon(made.engine.clusters.own.live.serve)
        await settle()
        made.files("main@sha1:1", app__login=login)
        await made.run()
        await settle()
        made.files("main@sha1:2", app__login=login, other__map="a: b")
        made.client.remove(Ref("", "Secret", "flux", "keys"))
        await made.run(reasons=(INTERVAL, str(SOURCE)))
        watching.cancel_scope.cancel()

    assert made.engine.orderly.statistics().noted == (0 if is_encrypted else 1)
    assert ("BuildFailed" in made.said()) is is_encrypted


async def test_what_an_api_server_quotes_of_a_suspended_object_is_masked() -> None:
    made, _ = shop(ME)
    plain = {**config_map("m", "apps"), "data": {"t": CANARY}}
    made.files("main@sha1:2", app__m=sealed(plain, regex="^t$"))
    await made.run()
    live = made.client.objects[Ref("", "ConfigMap", "apps", "m")]
    live["data"] = {"t": "changed"}
    made.kustomization(suspend=True)
    refusal = Forbidden(403, "Forbidden", f"admission webhook: data.t: bad value {CANARY!r}")
    made.client.refuse("dry-run ConfigMap/apps/m", refusal)

    with logged() as log:
        await made.run(reasons=("drift",))

    assert "drift of a suspended object not looked at" in log.getvalue()
    assert "data.t: bad value" in log.getvalue()
    assert "c4n4ry" not in log.getvalue()

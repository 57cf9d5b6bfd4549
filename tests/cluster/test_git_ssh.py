"""GitRepositories over ssh."""

from pathlib import Path

import anyio
import asyncssh
import pytest

from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.ssh_git import CLIENT, HOST, STRANGER, SshGit, known_hosts, serve_asyncssh


async def keys(fleet: Fleet, server: SshGit, known: bytes, name: str = "keys") -> None:
    """A Secret as `flux create secret git` makes one."""
    data = {
        "identity": CLIENT.export_private_key().decode(),
        "identity.pub": CLIENT.export_public_key().decode(),
        "known_hosts": known.decode(),
    }
    await fleet.put(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
    )


def served(fleet: Fleet) -> Path:
    fleet.commit({"app/web.yaml": config_map("web", value="1")})
    return fleet.folder / "repositories"


@pytest.mark.covers("GitRepository.spec.secretRef.name", "GitRepository.spec.url")
async def test_a_fleet_over_ssh_is_applied_and_followed(fleet: Fleet) -> None:
    async with serve_asyncssh(served(fleet)) as server:
        await keys(fleet, server, server.known_hosts)
        await fleet.source(url=server.url("fleet"), secretRef={"name": "keys"})
        await fleet.kustomization("app", path="./app")
        async with fleet.engine():
            await fleet.until("Kustomization", "app", is_ready)
            await fleet.goes_live({"app/web.yaml": config_map("web", value="2")})

        assert await fleet.data("web") == {"value": "2"}
        assert server.logins == ["git"]
        assert set(server.commands) == {f"git-upload-pack '{server.folder}/fleet'"}


@pytest.mark.covers("GitRepository:AuthenticationFailed")
async def test_a_server_that_is_not_known_is_described_until_it_is(fleet: Fleet) -> None:
    async with serve_asyncssh(served(fleet)) as server:
        await keys(fleet, server, known_hosts(STRANGER, f"[127.0.0.1]:{server.port}"))
        await fleet.source(url=server.url("fleet"), secretRef={"name": "keys"})
        async with fleet.engine():
            failed = await fleet.until("GitRepository", "fleet", has_reason("AuthenticationFailed"))
            assert not server.logins

            right = {"stringData": {"known_hosts": server.known_hosts.decode()}}
            await fleet.patch("Secret", "keys", right)
            await fleet.reconcile("GitRepository", "fleet")
            await fleet.until("GitRepository", "fleet", is_ready)

    message = condition_of(failed)["message"]
    assert f"the host key of '127.0.0.1:{server.port}' is not the one that is known" in message
    assert HOST.get_fingerprint() in message
    assert STRANGER.get_fingerprint() in message
    assert condition_of(failed, "FetchFailed")["reason"] == "AuthenticationFailed"
    assert not condition_of(failed, "Stalled")


@pytest.mark.parametrize("missing", ["identity", "known_hosts", "secretRef"])
async def test_what_ssh_lacks_is_named(fleet: Fleet, missing: str) -> None:
    data = {"identity": "x", "known_hosts": "x"}
    data.pop(missing, None)
    await fleet.put(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": data}
    )
    reference = {} if missing == "secretRef" else {"secretRef": {"name": "keys"}}
    await fleet.source(url="ssh://git@git.example.com/x", **reference)
    async with fleet.engine():
        failed = await fleet.until("GitRepository", "fleet", has_reason("AuthenticationFailed"))

    wanted = "identity" if missing == "secretRef" else missing
    message = condition_of(failed)["message"]
    assert f"invalid 'ssh' auth option: '{wanted}' is required" in message
    assert ("spec.secretRef" in message) == (missing == "secretRef")


@pytest.mark.covers("GitRepository.spec.timeout", "GitRepository:GitOperationFailed")
async def test_a_server_that_hangs_is_left_in_time(fleet: Fleet) -> None:
    async def hang(process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.stdout.write(b"000e")
        await process.stdin.read()

    async with serve_asyncssh(served(fleet), process_factory=hang) as server:
        await keys(fleet, server, server.known_hosts)
        await fleet.source(url=server.url("fleet"), secretRef={"name": "keys"}, timeout="1s")
        async with fleet.engine():
            failed = await fleet.until("GitRepository", "fleet", has_reason("GitOperationFailed"))
            with anyio.fail_after(30):
                await server.closed.wait()

    assert "no complete answer within 1s (spec.timeout)" in condition_of(failed)["message"]

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization

from engine.cluster.connect import (
    InvalidKubeconfig,
    Licence,
    from_kubeconfig,
    from_tenant,
    in_cluster,
    locate,
)
from engine.cluster.credentials import FAILED_PERIOD, TOKEN_FILE_PERIOD, Library, TokenFile
from engine.cluster.errors import Unauthorized
from engine.cluster.kubeconfig import parse

# A certificate of nobody, and its key; made for this test alone, valid for a hundred years.
CERTIFICATE = (
    "MIIBeTCCAR+gAwIBAgIUHyh6EXBQCt5CQlrSJb6odTpvsxMwCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwG"
    "bm9ib2R5MCAXDTI2MTEyMjIwNTYxOFoYDzIxMjYxMDI5MjA1NjE4WjARMQ8wDQYDVQQDDAZub2JvZHkw"
    "WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQdhEFXY+V88mLR+ELo+4I0VPDJVMw44QlJI+R7reMDGuN6"
    "vVw6esU7FPbfLk+dWXON6JgH+N4undQw+++4UYXto1MwUTAdBgNVHQ4EFgQUllaH/jTGOt4v1h4lYo3X"
    "2vqPDKYwHwYDVR0jBBgwFoAUllaH/jTGOt4v1h4lYo3X2vqPDKYwDwYDVR0TAQH/BAUwAwEB/zAKBggq"
    "hkjOPQQDAgNIADBFAiAEVnP3wyK4uDA6Yl/eZNCCy2jTEoegiPA6+V7X+svIXAIhAOvT7M1q6zBvr8yJ"
    "haieMBc3cC48EhiCHjM78fTr4e02"
)
KEY = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgC+RxuBTfYPAfbxckPZjEltqUQ1x9j/7a"
    "7D1GBu3HcaChRANCAAQdhEFXY+V88mLR+ELo+4I0VPDJVMw44QlJI+R7reMDGuN6vVw6esU7FPbfLk+d"
    "WXON6JgH+N4undQw+++4UYXt"
)


def pem(**parts: str) -> str:
    """Base64 by what it is, as PEM."""
    named = {name.replace("_", " "): body for name, body in parts.items()}
    return "".join(
        f"-----BEGIN {name}-----\n{body}\n-----END {name}-----\n" for name, body in named.items()
    )


PEM = pem(CERTIFICATE=CERTIFICATE, PRIVATE_KEY=KEY)


def config(user: dict[str, Any] | None = None, **cluster: Any) -> dict[str, Any]:
    return {
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "apps"}},
            {"name": "there", "context": {"cluster": "missing", "user": "u"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "https://k8s.example:6443/", **cluster}}],
        "users": [{"name": "u", "user": user or {}}],
    }


async def headers(user: dict[str, Any]) -> dict[str, str]:
    return dict(await parse(config(user), file="f").credentials.headers(0))


async def test_a_token_and_a_password_become_headers() -> None:
    assert await headers({"token": "abc"}) == {"Authorization": "Bearer abc"}
    assert await headers({"username": "me", "password": "pw"}) == {
        "Authorization": "Basic " + base64.b64encode(b"me:pw").decode()
    }
    assert await headers({}) == {}


def test_the_cluster_is_read() -> None:
    endpoint = parse(
        config({"as": "jane"}, **{"tls-server-name": "api", "proxy-url": "http://proxy"}), file="f"
    )

    assert endpoint.host == "https://k8s.example:6443"
    assert (endpoint.namespace, endpoint.server_name) == ("apps", "api")
    assert endpoint.proxy == "http://proxy"
    assert endpoint.headers == {"Impersonate-User": "jane"}
    assert endpoint.tls is not None
    assert endpoint.tls.verify_mode is ssl.CERT_REQUIRED


def test_verification_can_be_turned_off_in_a_file_of_our_own() -> None:
    endpoint = parse(config(**{"insecure-skip-tls-verify": True}), file="f")

    assert endpoint.tls is not None
    assert endpoint.tls.verify_mode is ssl.CERT_NONE


def test_certificates_may_be_inline_or_in_files(tmp_path: Path) -> None:
    data = base64.b64encode(PEM.encode()).decode()
    file = tmp_path / "certificate.pem"
    file.write_text(PEM)
    user = {"client-certificate-data": data, "client-key-data": data}
    inline = parse(config(user, **{"certificate-authority-data": data}), file="f")
    user = {"client-certificate": str(file), "client-key": str(file)}
    files = parse(config(user, **{"certificate-authority": str(file)}), file="f")

    for endpoint in (inline, files):
        assert endpoint.tls is not None
        assert endpoint.tls.get_ca_certs()


def test_plugins_and_providers_are_left_to_the_library() -> None:
    for user in ({"exec": {"command": "aws"}}, {"auth-provider": {"name": "oidc"}}):
        assert isinstance(parse(config(user), file="f").credentials, Library)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "kubeconfig 'f': current-context: is not set"),
        ({**config(), "current-context": "gone"}, "kubeconfig 'f': contexts: there is no 'gone'"),
        (
            {**config(), "current-context": "there"},
            "kubeconfig 'f': clusters: there is no 'missing'",
        ),
        (
            config(server="k8s:6443"),
            "kubeconfig 'f': clusters['c'].server: 'k8s:6443' is not a URL of http or https",
        ),
        (
            config({"exec": {}}),
            "kubeconfig 'f': users['u'].exec.command: is not set",
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_and_field(given: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidKubeconfig) as error:
        parse(given, file="f")

    assert str(error.value) == text


@pytest.mark.parametrize(
    ("user", "cluster", "field"),
    [
        ({"client-certificate-data": "AAAA"}, {}, "users['u'].client-certificate: no usable"),
        ({}, {"certificate-authority": "/nowhere"}, "clusters['c'].certificate-authority: no cert"),
        ({}, {"certificate-authority-data": "AAAA"}, "certificate-authority-data: no certificate"),
    ],
)
def test_unusable_certificates_are_reported(
    user: dict[str, Any], cluster: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidKubeconfig) as error:
        parse(config(user, **cluster), file="f")

    assert field in str(error.value)


@pytest.mark.parametrize(
    ("user", "cluster", "field"),
    [
        ({"exec": {"command": "sh"}}, {}, "users['u'].exec"),
        ({"auth-provider": {"name": "gcp"}}, {}, "users['u'].auth-provider"),
        ({"tokenFile": "/token"}, {}, "users['u'].tokenFile"),
        ({"client-certificate": "/crt"}, {}, "users['u'].client-certificate"),
        ({"client-key": "/key"}, {}, "users['u'].client-key"),
        ({}, {"certificate-authority": "/ca"}, "clusters['c'].certificate-authority"),
        ({}, {"insecure-skip-tls-verify": True}, "clusters['c'].insecure-skip-tls-verify"),
        ({}, {"server": "http://169.254.169.254/latest?x="}, "clusters['c'].server"),
        ({}, {"server": "http://10.0.0.1/#"}, "clusters['c'].server"),
        ({}, {"server": "https://me:pw@10.0.0.1"}, "clusters['c'].server"),
    ],
)
def test_cve_2022_24817_a_tenants_kubeconfig_may_not_reach_out(
    user: dict[str, Any], cluster: dict[str, Any], field: str
) -> None:
    content = yaml.safe_dump(config(user, **cluster)).encode()
    with pytest.raises(InvalidKubeconfig, match="refused") as error:
        from_tenant(content, "f", Licence())

    assert field in str(error.value)


@pytest.mark.parametrize("user", [{"auth-provider": {"name": "gcp"}}, {"tokenFile": "/token"}])
def test_cve_2022_24817_some_things_no_setting_allows(user: dict[str, Any]) -> None:
    content = yaml.safe_dump(config(user)).encode()
    with pytest.raises(InvalidKubeconfig, match="refused"):
        from_tenant(content, "f", Licence(exec_plugins=True, unverified_tls=True))


def test_programs_and_unverified_tls_need_their_flag_which_is_named() -> None:
    program = yaml.safe_dump(config({"exec": {"command": "aws"}})).encode()
    unverified = yaml.safe_dump(config(**{"insecure-skip-tls-verify": True})).encode()
    with pytest.raises(InvalidKubeconfig, match="--insecure-kubeconfig-exec"):
        from_tenant(program, "f", Licence(unverified_tls=True))
    with pytest.raises(InvalidKubeconfig, match="--insecure-kubeconfig-tls"):
        from_tenant(unverified, "f", Licence(exec_plugins=True))

    allowed = from_tenant(program, "f", Licence(exec_plugins=True), {})
    assert isinstance(allowed.credentials, Library)
    endpoint = from_tenant(unverified, "f", Licence(unverified_tls=True), {})
    assert endpoint.tls is not None
    assert endpoint.tls.verify_mode is ssl.CERT_NONE


def test_a_proxy_that_cannot_be_used_is_named() -> None:
    content = yaml.safe_dump(config(**{"proxy-url": "socks5://p:1"})).encode()
    with pytest.raises(InvalidKubeconfig, match=r"proxy-url: only a proxy of http"):
        from_tenant(content, "f", Licence())


@pytest.mark.parametrize("text", ["token: [s3cr3t", "s3cr3t: s3cr3t: s3cr3t", "s3cr3t", "\xff"])
def test_what_is_no_kubeconfig_is_not_quoted(text: str) -> None:
    with pytest.raises(InvalidKubeconfig) as error:
        from_tenant(text.encode("latin-1"), "apps/remote", Licence())

    assert "s3cr3t" not in str(error.value)
    assert str(error.value).startswith("kubeconfig 'apps/remote': not ")


BOMBS = {
    "nesting": "a: " + "[" * 30_000,
    "merges": "a0: &a0 {k: v}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12)),
    "aliases": "a0: &a0 [x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
    "length": "a: [" + "x," * 500_000 + "]",
}


@pytest.mark.parametrize("name", BOMBS)
def test_cve_2022_24878_a_kubeconfig_that_is_a_bomb_is_refused(name: str) -> None:
    """The first crashed the process, and with it every tenant's engine."""
    with pytest.raises(InvalidKubeconfig, match="not YAML of at most 64 KiB, 100 levels deep"):
        from_tenant(BOMBS[name].encode(), "apps/remote", Licence())


def test_a_key_with_a_passphrase_is_refused_before_anybody_tries_one() -> None:
    """Nor is a person asked: OpenSSL would, and take as long as the key says."""
    key = serialization.load_pem_private_key(pem(PRIVATE_KEY=KEY).encode(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"pw"),
    )
    fields = {
        "client-certificate-data": base64.b64encode(pem(CERTIFICATE=CERTIFICATE).encode()).decode(),
        "client-key-data": base64.b64encode(locked).decode(),
    }
    with pytest.raises(InvalidKubeconfig, match="no usable key pair: the key has a passphrase"):
        from_tenant(yaml.safe_dump(config(fields)).encode(), "f", Licence())


def test_what_credentials_hold_is_known_to_be_secret() -> None:
    user = {"token": "t0k3n", "username": "me", "password": "p4ss"}
    content = yaml.safe_dump(config(user, **{"proxy-url": "http://u:pr0xy@p:1"})).encode()
    endpoint = from_tenant(content, "f", Licence(), {})

    assert set(endpoint.secrets) == {"t0k3n", "p4ss", "pr0xy"}
    assert "t0k3n" not in repr(endpoint)


def test_authorities_are_the_same_wherever_they_were_read_from(tmp_path: Path) -> None:
    data = base64.b64encode(pem(CERTIFICATE=CERTIFICATE).encode()).decode()
    file = tmp_path / "ca.crt"
    file.write_text(PEM)
    inline = parse(config(**{"certificate-authority-data": data}), file="f")
    from_file = parse(config(**{"certificate-authority": str(file)}), file="f")
    of_system = parse(config(), file="f")
    unverified = {"certificate-authority-data": data, "insecure-skip-tls-verify": True}

    assert inline.trust == from_file.trust != ""
    assert of_system.trust == parse(config(**unverified), file="f").trust == ""


async def test_paths_are_relative_to_their_file_and_the_first_of_a_name_counts(
    tmp_path: Path,
) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "token").write_text(f"token of {name}\n")
        text = yaml.safe_dump(config({"tokenFile": "token"}))
        (folder / "config").write_text(text)
    files = [tmp_path / "none", tmp_path / "two" / "config", tmp_path / "one" / "config"]
    endpoint = from_kubeconfig(files, environment={})

    assert await endpoint.credentials.headers(0) == {"Authorization": "Bearer token of two"}


async def test_a_token_file_is_read_again_after_a_minute_or_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("1")
    token = TokenFile(path)
    seen = [await token.headers(0)]
    path.write_text("2")
    seen += [await token.headers(TOKEN_FILE_PERIOD - 1), await token.headers(TOKEN_FILE_PERIOD)]
    path.write_text("3")
    token.refused(seen[0])  # was renewed meanwhile
    seen.append(await token.headers(TOKEN_FILE_PERIOD))
    token.refused(seen[-1])
    seen.append(await token.headers(TOKEN_FILE_PERIOD))

    assert [s["Authorization"][-1] for s in seen] == ["1", "1", "2", "2", "3"]


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidKubeconfig, match="no such file"):
        from_kubeconfig(tmp_path / "none", environment={})
    broken = tmp_path / "broken"
    broken.write_text("a: [")
    with pytest.raises(InvalidKubeconfig, match=r"broken': not YAML"):
        from_kubeconfig(broken, environment={})


async def test_a_pod_finds_its_own_cluster(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "namespace").write_text("flux-system")
    (tmp_path / "ca.crt").write_text(PEM)
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    endpoint = in_cluster(environment, tmp_path)

    assert (endpoint.host, endpoint.namespace) == ("https://[fd00::1]:443", "flux-system")
    assert await endpoint.credentials.headers(0) == {"Authorization": "Bearer secret"}


def test_outside_a_pod_there_is_no_own_cluster(tmp_path: Path) -> None:
    with pytest.raises(InvalidKubeconfig, match="not in a cluster"):
        in_cluster({}, tmp_path)
    with pytest.raises(InvalidKubeconfig, match="there is no 'token'"):
        in_cluster({"KUBERNETES_SERVICE_HOST": "h"}, tmp_path)


def test_the_kubeconfig_is_looked_for_as_kubectl_does(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    for path, host in ((tmp_path / ".kube" / "config", "home"), (tmp_path / "other", "other")):
        path.write_text(yaml.safe_dump(config(server=f"http://{host}")))
    home = {"HOME": str(tmp_path)}

    assert locate(environment=home).host == "http://home"
    assert (
        locate(environment={**home, "KUBECONFIG": str(tmp_path / "other")}).host == "http://other"
    )
    assert locate(str(tmp_path / "other"), environment=home).host == "http://other"


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "http://p:1", "NO_PROXY": ".example"}, ""),
        ({"HTTP_PROXY": "http://p:1"}, ""),
    ],
)
def test_the_environments_proxy_is_used_unless_excepted(
    environment: dict[str, str], proxy: str
) -> None:
    assert from_kubeconfig(config(), environment=environment).proxy == proxy


@pytest.mark.parametrize(
    ("host", "excepted", "proxy"),
    [
        ("10.96.0.1", "x/y, 10.0.0.0/8", ""),
        ("10.96.0.1", "10.97.0.0/16,fd00::/8", "http://p:1"),
        ("[fd00::1]", "10.0.0.0/8,fd00::/8", ""),
        ("k8s.example", "10.0.0.0/8", "http://p:1"),
    ],
)
def test_networks_may_be_excepted_from_the_proxy_as_go_understands_them(
    host: str, excepted: str, proxy: str
) -> None:
    environment = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": excepted}
    endpoint = from_kubeconfig(config(server=f"https://{host}:6443"), environment=environment)

    assert endpoint.proxy == proxy


def plugin(tmp_path: Path, script: str) -> dict[str, Any]:
    """A user whose token is what the shell script prints."""
    version = "client.authentication.k8s.io/v1"
    path = tmp_path / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"exec": {"apiVersion": version, "command": str(path), "interactiveMode": "Never"}}


async def test_a_plugin_is_run_once_until_its_token_is_refused(tmp_path: Path) -> None:
    answer = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
    script = f"""echo >> {tmp_path}/runs; echo '{answer}"status":{{"token":"t"}}}}'"""
    credentials = parse(config(plugin(tmp_path, script)), file="f").credentials
    seen = [await credentials.headers(now) for now in (0, 1000)]
    for _ in range(9):
        credentials.refused({"Authorization": "Bearer older"})
    await credentials.headers(1001)
    credentials.refused(seen[0])
    seen.append(await credentials.headers(1002))

    assert seen == [{"Authorization": "Bearer t"}] * 3
    assert (tmp_path / "runs").read_text() == "\n\n"


async def test_a_plugin_that_fails_is_quoted_and_not_run_again_for_each_request(
    tmp_path: Path,
) -> None:
    user = plugin(tmp_path, f"echo >> {tmp_path}/runs; echo go away >&2; exit 3")
    credentials = parse(config(user), file="f").credentials
    for now in (0, 1, FAILED_PERIOD - 1, FAILED_PERIOD):
        with pytest.raises(Unauthorized, match=r"credentials of context 'here': exec: .*go away"):
            await credentials.headers(now)

    assert (tmp_path / "runs").read_text() == "\n\n"


async def test_a_plugins_relative_path_is_one_from_its_kubeconfig(tmp_path: Path) -> None:
    answer = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
    user = plugin(tmp_path, f"""echo '{answer}"status":{{"token":"t"}}}}'""")
    user["exec"]["command"] = "./plugin"
    (tmp_path / "config").write_text(yaml.safe_dump(config(user)))
    endpoint = from_kubeconfig(tmp_path / "config", environment={})

    assert await endpoint.credentials.headers(0) == {"Authorization": "Bearer t"}


@pytest.mark.parametrize(
    "given",
    ["clusters: {c: {}}", "users: [u]", "contexts: [{name: here, context: [1]}]"],
)
def test_a_malformed_part_is_named(tmp_path: Path, given: str) -> None:
    file = tmp_path / "config"
    file.write_text(f"current-context: here\n{given}\n")
    with pytest.raises(InvalidKubeconfig, match=f"config': {given.partition(':')[0]}"):
        from_kubeconfig(file, environment={})


def test_impersonation_of_groups_is_refused_rather_than_left_out() -> None:
    with pytest.raises(InvalidKubeconfig, match=r"users\['u'\].as-groups"):
        parse(config({"as": "somebody", "as-groups": ["g"]}), file="f")

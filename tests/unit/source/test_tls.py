"""TLS with a CA of one's own and with client certificates."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from engine.serve.git import git_application
from engine.source.author import commit_files, create_repository
from engine.source.credentials import Credentials
from engine.source.failures import AuthenticationFailed, GitError, GitOperationFailed
from engine.source.git import Fetched, GitRequest, Tools, fetch
from engine.source.git_refs import Reference
from engine.source.stores import Stores
from engine.source.tls import tls_context
from tests.support.git_server import serve_application
from tests.unit.source.test_transport import redirecting

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `crt` and `key`, self-signed for 127.0.0.1: CA, server and client in one."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=test", "-keyout", "key", "-out", "crt"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def served(tmp_path: Path) -> Path:
    create_repository(tmp_path / "served" / "fleet.git")
    commit_files(tmp_path / "served" / "fleet.git", {"a.yaml": b"1"}, "x")
    return tmp_path / "served"


def server_context(certificate: Path, *, asks_for_one: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "crt", certificate / "key")
    if asks_for_one:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate / "crt")
    return context


async def fetched(folder: Path, tools: Tools, url: str, credentials: Credentials) -> Fetched:
    request = GitRequest(f"{url}/fleet.git", Reference("main"), credentials)
    return await fetch(request, Stores(folder / "stores").of(url), tools)


async def test_a_ca_of_ones_own_is_trusted(
    tmp_path: Path, tools: Tools, served: Path, certificate: Path
) -> None:
    ca = Credentials(ca=(certificate / "crt").read_bytes())
    context = server_context(certificate)
    async with serve_application(git_application(served), context) as url:
        assert (await fetched(tmp_path, tools, url, ca)).tree.read("a.yaml") == b"1"


async def test_an_unknown_ca_is_refused_with_what_to_do(
    tmp_path: Path, tools: Tools, served: Path, certificate: Path
) -> None:
    context = server_context(certificate)
    async with serve_application(git_application(served), context) as url:
        with pytest.raises(GitOperationFailed, match=r"is not trusted: .*put the CA that signed"):
            await fetched(tmp_path, tools, url, Credentials())


async def test_a_client_certificate_is_shown_to_its_server_only(
    tmp_path: Path, tools: Tools, served: Path, certificate: Path
) -> None:
    crt, key = (certificate / "crt").read_bytes(), (certificate / "key").read_bytes()
    context = server_context(certificate, asks_for_one=True)
    pair = Credentials(ca=crt, certificate=crt, key=key)
    async with serve_application(git_application(served), context) as url:
        assert (await fetched(tmp_path, tools, url, pair)).tree.read("a.yaml") == b"1"
        with pytest.raises((GitOperationFailed, AuthenticationFailed)):
            await fetched(tmp_path, tools, url, Credentials(ca=crt))

        async with serve_application(redirecting(url)) as elsewhere:
            with pytest.raises((GitOperationFailed, AuthenticationFailed)):
                await fetched(tmp_path, tools, elsewhere, pair)


async def test_https_is_not_left_for_http(
    tmp_path: Path, tools: Tools, served: Path, certificate: Path
) -> None:
    ca = Credentials(ca=(certificate / "crt").read_bytes())
    async with serve_application(git_application(served)) as plain:
        application = redirecting(plain)
        async with serve_application(application, server_context(certificate)) as url:
            with pytest.raises(GitOperationFailed, match="redirects from https to"):
                await fetched(tmp_path, tools, url, ca)


@pytest.mark.parametrize("form", [["-topk8"], ["-traditional"]], ids=["PKCS 8", "traditional"])
def test_a_key_with_a_passphrase_is_refused_before_anybody_tries_one(
    form: list[str], certificate: Path
) -> None:
    """OpenSSL would ask a person for it, or take as long as the key says."""
    command = ["openssl", *(["pkcs8"] if form == ["-topk8"] else ["pkey", "-aes256"]), *form]
    command += ["-in", "key", "-passout", "pass:x"]
    locked = subprocess.run(command, cwd=certificate, check=True, capture_output=True).stdout

    with pytest.raises(GitError, match=r"'tls.key': the key has a passphrase: store it without"):
        tls_context(b"", (certificate / "crt").read_bytes(), locked)

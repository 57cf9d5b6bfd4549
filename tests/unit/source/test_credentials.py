import pytest

from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.failures import AuthenticationFailed


def test_a_secret_gives_what_flux_reads_from_it() -> None:
    data = {
        "username": b"flux",
        "password": b"s3cret",
        "bearerToken": b"t0ken\n",
        "caFile": b"CA",
        "tls.crt": b"CERT",
        "tls.key": b"KEY",
    }

    found = Credentials.from_secret(data, "apps/git")

    assert found == Credentials("flux", "s3cret", "t0ken", b"CA", b"CERT", b"KEY")
    assert Credentials.from_secret({}, "apps/git") == ANONYMOUS


def test_nothing_secret_is_shown() -> None:
    found = Credentials("flux", "s3cret", "t0ken", b"CA", b"CERT", b"KEY", b"ID", b"HOSTS")

    assert repr(found) == "Credentials()"
    assert found.secrets == ("Zmx1eDpzM2NyZXQ=", "s3cret", "t0ken")  # the first: flux:s3cret


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"username": b"s3cret"}, "'username' without 'password'"),
        ({"password": b"s3cret"}, "'password' without 'username'"),
        ({"tls.crt": b"s3cret"}, "'tls.crt' without 'tls.key'"),
        ({"tls.key": b"s3cret"}, "'tls.key' without 'tls.crt'"),
        ({"username": b"\xff", "password": b"s3cret"}, "'username' in Secret"),
    ],
)
def test_a_key_that_is_missing_is_named_and_no_value(data: dict[str, bytes], problem: str) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        Credentials.from_secret(data, "apps/git")

    assert problem in str(caught.value)
    assert "'apps/git'" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_for_ssh_only_what_ssh_needs_is_read() -> None:
    data = {
        "identity": b"ID",
        "known_hosts": b"HOSTS",
        "password": b"of the key",
        "username": b"unused",
        "tls.crt": b"unused",
    }

    found = Credentials.for_ssh(data, "apps/git")

    assert found == Credentials(password="of the key", identity=b"ID", known_hosts=b"HOSTS")


@pytest.mark.parametrize("missing", ["identity", "known_hosts"])
def test_ssh_needs_a_key_and_known_hosts(missing: str) -> None:
    data = {"identity": b"s3cret", "known_hosts": b"s3cret"} | {missing: b""}

    with pytest.raises(AuthenticationFailed) as caught:
        Credentials.for_ssh(data, "apps/git")

    assert f"'{missing}' is required: add the key '{missing}'" in str(caught.value)
    assert "s3cret" not in str(caught.value)

"""Reads kubeconfigs: which API server, whom to trust, who we are.

Source: client-go tools/clientcmd (merging, relative paths, precedence of credentials).
"""

import base64
import binascii
import hashlib
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from engine.cluster.credentials import Credentials, Fixed, Library, TokenFile, basic, bearer
from engine.cluster.endpoint import Endpoint, normal_host
from engine.objects.manifests import ManifestError, load_short

_SECTIONS = ("clusters", "users", "contexts")
_FILES = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
}


_PROXIES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Licence:
    """What a tenant's kubeconfig may do beyond naming a cluster and holding credentials inline."""

    exec_plugins: bool = False
    unverified_tls: bool = False


class InvalidKubeconfig(ValueError):  # noqa: N818 - it is the file that is wrong, not we
    """A kubeconfig that cannot be used; the text says which file and field."""


def read(files: list[Path]) -> dict[str, Any]:
    """One kubeconfig out of several: of each name the first entry counts; file paths absolute.

    Files that do not exist are skipped.  Raises InvalidKubeconfig if none exists.
    """
    merged: dict[str, Any] = {}
    found = False
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidKubeconfig(f"kubeconfig {str(file)!r}: {error}") from error
        found = True
        config = decode(text, str(file))
        check_sections(config, str(file))
        _merge(merged, _absolute(config, file))
    if not found:
        raise InvalidKubeconfig(f"kubeconfig {', '.join(map(repr, map(str, files)))}: no such file")
    return merged


def decode(text: str | bytes, file: str) -> dict[str, Any]:
    """The kubeconfig that `text` holds.  Raises InvalidKubeconfig if it is not a mapping."""
    try:
        config = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)  # the text may quote a token, the place not
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "not UTF-8 text"
        raise InvalidKubeconfig(f"kubeconfig {file!r}: not YAML: {place}") from None
    if not isinstance(config, dict):
        raise InvalidKubeconfig(f"kubeconfig {file!r}: not a mapping")
    return config


def decode_tenants(content: bytes, file: str) -> dict[str, Any]:
    """The kubeconfig that a tenant gives.  Raises InvalidKubeconfig, which quotes nothing of it.

    Not read as our own: libyaml's bindings crash on deep nesting, and merge keys without an end.
    """
    try:
        config = load_short(content)
    except ManifestError as error:  # its problem may quote a token, the place not
        place = f": line {error.line}, column {error.column}" if error.column else ""
        raise InvalidKubeconfig(
            f"kubeconfig {file!r}: not YAML of at most 64 KiB, 100 levels deep{place}"
        ) from None
    if not isinstance(config, dict):
        raise InvalidKubeconfig(f"kubeconfig {file!r}: not a mapping")
    return config


def check_sections(config: Mapping[str, Any], file: str) -> None:
    """Raises InvalidKubeconfig unless each section is a list of named mappings, as it must be."""
    for section in _SECTIONS:
        _check(config, section, file)


def _check(config: Mapping[str, Any], section: str, file: str) -> None:
    """Raises InvalidKubeconfig unless the section is a list of named mappings, as it must be."""
    entries = config.get(section) or ()
    if not isinstance(entries, list | tuple):
        raise InvalidKubeconfig(f"kubeconfig {file!r}: {section}: not a list")
    for number, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get(section[:-1]) or {}, Mapping):
            text = f"{section}[{number}]: not a mapping with {section[:-1]!r} as another one in it"
            raise InvalidKubeconfig(f"kubeconfig {file!r}: {text}")


def _absolute(config: dict[str, Any], file: Path) -> dict[str, Any]:
    """The same with paths taken relative to the file that names them."""
    result = dict(config)
    for section, fields in _FILES.items():
        singular = section[:-1]
        entries = []
        for entry in config.get(section) or ():
            inner = dict(entry.get(singular) or {})
            for field in fields:
                if inner.get(field):
                    inner[field] = str(file.parent.absolute() / inner[field])
            plugin = inner.get("exec")
            if isinstance(plugin, Mapping) and "/" in str(plugin.get("command") or ""):
                command = str(file.parent.absolute() / plugin["command"])
                inner["exec"] = {**plugin, "command": command}
            entries.append({**entry, singular: inner})
        result[section] = entries
    return result


def _merge(into: dict[str, Any], config: Mapping[str, Any]) -> None:
    for section in _SECTIONS:
        entries = into.setdefault(section, [])
        names = {entry.get("name") for entry in entries}
        entries += [e for e in config.get(section) or () if e.get("name") not in names]
    if not into.get("current-context"):
        into["current-context"] = config.get("current-context") or ""


def parse(
    config: Mapping[str, Any], *, file: str, context: str = "", tenant: Licence | None = None
) -> Endpoint:
    """The Endpoint of one context of a kubeconfig.

    file: what messages call the kubeconfig.   context: empty: its current one.
    tenant: of a tenant's, what it may do: all else must be inline, no program is run, no file of
    ours is opened and TLS is verified (Flux's sanitising, pkg/runtime/client); None: our own.
    Raises InvalidKubeconfig, naming file and field.
    """
    name = context or str(config.get("current-context") or "")
    if not name:
        raise InvalidKubeconfig(f"kubeconfig {file!r}: current-context: is not set")
    chosen = _entry(config, "contexts", name, file)
    cluster = _entry(config, "clusters", str(chosen.get("cluster") or ""), file)
    user_name = str(chosen.get("user") or "")
    user = _entry(config, "users", user_name, file) if user_name else {}
    where = _Where(file, str(chosen.get("cluster") or ""), user_name)
    if tenant is not None:
        _refuse_foreign(cluster, user, tenant, where)
    server = str(cluster.get("server") or "")
    if not server.startswith(("https://", "http://")):
        raise where.of_cluster("server", f"{server!r} is not a URL of http or https")
    tls = _tls(cluster, user, where) if server.startswith("https://") else None
    return Endpoint(
        host=normal_host(server),
        tls=tls,
        trust=_trust(cluster, tls),
        secrets=_secrets(cluster, user),
        credentials=_credentials(config, name, user, tls, where),
        namespace=str(chosen.get("namespace") or ""),
        server_name=str(cluster.get("tls-server-name") or ""),
        proxy=str(cluster.get("proxy-url") or ""),
        headers=_impersonation(user, where),
    )


@dataclass(frozen=True, slots=True)
class _Where:
    """Names the place of a problem."""

    file: str
    cluster: str
    user: str

    def of_cluster(self, field: str, problem: str) -> InvalidKubeconfig:
        text = f"kubeconfig {self.file!r}: clusters[{self.cluster!r}].{field}: {problem}"
        return InvalidKubeconfig(text)

    def of_user(self, field: str, problem: str) -> InvalidKubeconfig:
        return InvalidKubeconfig(
            f"kubeconfig {self.file!r}: users[{self.user!r}].{field}: {problem}"
        )


def _entry(config: Mapping[str, Any], section: str, name: str, file: str) -> Mapping[str, Any]:
    for entry in config.get(section) or ():
        if isinstance(entry, Mapping) and entry.get("name") == name:
            inner = entry.get(section[:-1]) or {}
            if isinstance(inner, Mapping):
                return inner
            raise InvalidKubeconfig(f"kubeconfig {file!r}: {section}[{name!r}]: not a mapping")
    raise InvalidKubeconfig(f"kubeconfig {file!r}: {section}: there is no {name!r}")


def _refuse_foreign(
    cluster: Mapping[str, Any], user: Mapping[str, Any], may: Licence, where: _Where
) -> None:
    """Raises InvalidKubeconfig for what would use this machine, or send requests astray.

    Source: CVE-2022-24817 (programs and files named by a tenant's kubeconfig).
    """
    if set("?#@") & set(str(cluster.get("server") or "")):
        raise where.of_cluster("server", "a login, query or fragment in the URL is refused")
    proxy = str(cluster.get("proxy-url") or "")
    if proxy and not proxy.startswith(_PROXIES):
        raise where.of_cluster("proxy-url", "only a proxy of http or https can be used")
    if cluster.get("certificate-authority"):
        raise where.of_cluster("certificate-authority", "files are refused: give the data inline")
    if cluster.get("insecure-skip-tls-verify") and not may.unverified_tls:
        text = "unverified TLS is refused: give certificate-authority-data, or have the engine run "
        raise where.of_cluster("insecure-skip-tls-verify", f"{text}with --insecure-kubeconfig-tls")
    for field in ("client-certificate", "client-key", "tokenFile"):
        if user.get(field):
            raise where.of_user(field, "files are refused: give the data inline")
    if user.get("auth-provider"):
        raise where.of_user("auth-provider", "providers are refused: give a token")
    if user.get("exec") and not may.exec_plugins:
        text = "programs are refused: give a token, use spec.kubeConfig.configMapRef, or have the "
        raise where.of_user("exec", f"{text}engine run with --insecure-kubeconfig-exec")


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], where: _Where) -> ssl.SSLContext:
    tls = ssl.create_default_context()
    try:
        if data := cluster.get("certificate-authority-data"):
            field = "certificate-authority-data"
            tls = ssl.create_default_context(cadata=_bytes(data).decode())
        elif path := cluster.get("certificate-authority"):
            field = "certificate-authority"
            tls = ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise where.of_cluster(field, f"no certificate: {error}") from error
    # Authorities made by older tools lack what Python 3.13 asks of them; Go accepts those.
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    try:
        _load_certificate(tls, user)
    except (OSError, ValueError) as error:
        raise where.of_user("client-certificate", f"no usable key pair: {error}") from error
    return tls


def _secrets(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> tuple[str, ...]:
    """See `Endpoint.secrets`."""
    login = urlsplit(str(cluster.get("proxy-url") or "")).password
    values = [user.get(name) for name in ("token", "password", "client-key-data")]
    return tuple(str(each) for each in (*values, login) if each)


def _trust(cluster: Mapping[str, Any], tls: ssl.SSLContext | None) -> str:
    """See `Endpoint.trust`: the same whichever file the same certificates came from."""
    names = ("certificate-authority-data", "certificate-authority")
    is_own = any(cluster.get(name) for name in names)
    if tls is None or tls.verify_mode is ssl.CERT_NONE or not is_own:
        return ""
    return trust_of(tls)


def trust_of(tls: ssl.SSLContext) -> str:
    """A digest of the authorities that it trusts."""
    digest = hashlib.sha256()
    for certificate in sorted(tls.get_ca_certs(binary_form=True)):
        digest.update(hashlib.sha256(certificate).digest())
    return digest.hexdigest()


def _load_certificate(tls: ssl.SSLContext, user: Mapping[str, Any]) -> None:
    """Have `tls` show the user's certificate, if there is one; data goes before files."""
    certificate, key = (_content(user, field) for field in ("client-certificate", "client-key"))
    if not certificate:
        return
    if b"ENCRYPTED" in certificate + key:
        # Refused before OpenSSL tries: a key says itself how many hours that takes.
        raise ValueError("the key has a passphrase: store it without (openssl pkey)")
    with tempfile.NamedTemporaryFile() as file:  # OpenSSL takes files only; readable by us alone
        file.write(certificate + b"\n" + key)
        file.flush()
        tls.load_cert_chain(file.name, password="")  # never ask a person for one


def _content(user: Mapping[str, Any], field: str) -> bytes:
    if data := user.get(f"{field}-data"):
        return _bytes(data)
    return Path(user[field]).read_bytes() if user.get(field) else b""


def _bytes(data: Any) -> bytes:
    """Base64 decoded.  Raises ValueError if it is not."""
    try:
        return base64.b64decode(data, validate=False)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"not base64: {error}") from error


def _credentials(
    config: Mapping[str, Any],
    context: str,
    user: Mapping[str, Any],
    tls: ssl.SSLContext | None,
    where: _Where,
) -> Credentials:
    """By client-go's precedence: token file, token, basic, then a plugin or provider."""
    if path := user.get("tokenFile"):
        return TokenFile(Path(path))
    if token := user.get("token"):
        return bearer(str(token))
    if username := user.get("username"):
        return basic(str(username), str(user.get("password") or ""))
    if "exec" in user:
        plugin = user["exec"]
        if not isinstance(plugin, Mapping) or not plugin.get("command"):
            raise where.of_user("exec.command", "is not set")
        return Library(config, context, tls)
    if "auth-provider" in user:
        return Library(config, context, tls)
    return Fixed()


def _impersonation(user: Mapping[str, Any], where: _Where) -> Mapping[str, str]:
    for field in ("as-groups", "as-uid", "as-user-extra"):
        if user.get(field):  # left out, we would act with other rights than the file says
            raise where.of_user(field, "is not supported: impersonate by 'as' alone")
    return {"Impersonate-User": str(user["as"])} if user.get("as") else {}

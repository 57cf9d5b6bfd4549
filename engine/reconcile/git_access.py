"""What a GitRepository shows to its server, and by which way it goes there.

Credentials come from its Secret, or from its cloud or GitHub App (`spec.provider`), which are asked
once more if the server refuses what they gave.
Source: flux-behaviour 3.4 and 8; source-controller gitrepository_controller.go, getAuthOpts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.api.source import GitRepository
from engine.cluster import ApiError
from engine.cluster.outbound import Route
from engine.errors import Failure
from engine.plugin import Purpose, Scope, ServiceAccount, Token, TokenUnavailable
from engine.reconcile.run import Run
from engine.reconcile.secrets import values_of
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.failures import AuthenticationFailed
from engine.source.git import Fetched, GitRequest
from engine.source.proxies import Proxy
from engine.source.transport import secrets_in

_APP = "githubAppID"
_NO_APP = "secretRef with github app data must be specified when provider is set to github"


class InvalidProviderConfiguration(Failure):
    """`spec.provider` and the Secret do not go together; tried again, as the Secret may change."""


class NoProviderSecret(Failure, reason="InvalidProviderConfiguration"):
    """`spec.provider` needs a Secret, and the object names none."""

    terminal = True


@dataclass(frozen=True, slots=True)
class Access:
    """How to come to a repository; token: what the provider gave, None without one."""

    credentials: Credentials = ANONYMOUS
    proxy: Proxy | None = None
    token: Token | None = field(default=None, repr=False)


async def access_to(repository: GitRepository, run: Run) -> Access:
    """The credentials and the proxy that the object names; messages will not show them.

    Raises AuthenticationFailed, InvalidProviderConfiguration, FeatureGateDisabled.
    """
    spec = repository.spec
    run.secrets += secrets_in(spec.url)
    proxy = None
    if spec.proxy_secret_ref is not None:
        proxy = await _proxy(repository, spec.proxy_secret_ref.name, run)
    data = await _secret(repository, run)
    name = f"{repository.metadata.namespace}/{spec.secret_ref.name}" if spec.secret_ref else ""
    if spec.provider == "generic" and data.get(_APP):
        raise InvalidProviderConfiguration(
            f"secretRef '{name}' has github app data but provider is not set to github: set "
            "spec.provider to 'github', or name another Secret"
        )
    credentials = _credentials(spec.url, data, name)
    run.secrets += credentials.secrets
    if spec.provider == "generic":
        return Access(credentials, proxy)
    token = await _token(repository, run, data, credentials, proxy)
    login = replace(
        credentials,
        username=token.user,
        password=token.secret if token.user else "",
        bearer_token="" if token.user else token.secret,
    )
    run.secrets += login.secrets
    return Access(login, proxy, token)


async def fetched_with_access(request: GitRequest, repository: GitRepository, run: Run) -> Fetched:
    """The commit; a login that its provider gave and the server refuses is asked for once more."""
    try:
        return await run.engine.depot.fetch(request)
    except AuthenticationFailed:
        again = await _renewed(request, repository, run)
        if again is None:
            raise
        return await run.engine.depot.fetch(again)


async def _renewed(request: GitRequest, repository: GitRepository, run: Run) -> GitRequest | None:
    """The request with another login, None if there is none."""
    access = await access_to(repository, run)
    if access.token is not None and access.credentials == request.credentials:
        run.context.refused(access.token)
        access = await access_to(repository, run)
    if access.token is None or access.credentials == request.credentials:
        return None
    return replace(request, credentials=access.credentials)


async def _secret(repository: GitRepository, run: Run) -> Mapping[str, bytes]:
    """The values of the object's Secret, {} if it names none."""
    spec = repository.spec
    if spec.secret_ref is None:
        if spec.provider == "github":
            raise NoProviderSecret(f"{_NO_APP}: set spec.secretRef")
        return {}
    data = await _values(repository, spec.secret_ref.name, run, "spec.secretRef.name")
    if spec.provider == "github" and not data.get(_APP):
        raise InvalidProviderConfiguration(
            f"{_NO_APP}: add {_APP} and githubAppPrivateKey to the Secret "
            f"'{repository.metadata.namespace}/{spec.secret_ref.name}'"
        )
    return data


async def _values(
    repository: GitRepository, name: str, run: Run, named_by: str
) -> Mapping[str, bytes]:
    namespace = repository.metadata.namespace
    failed = f"failed to get secret '{namespace}/{name}': "
    try:
        data = await values_of("Secret", namespace, name, run)
    except ApiError as error:
        raise AuthenticationFailed(f"{failed}{error}") from error
    if data is None:
        raise AuthenticationFailed(
            f'{failed}secrets "{name}" not found; create it, or correct {named_by}'
        )
    return data


async def _proxy(repository: GitRepository, name: str, run: Run) -> Proxy:
    data = await _values(repository, name, run, "spec.proxySecretRef.name")
    proxy = Proxy.from_secret(data, f"{repository.metadata.namespace}/{name}")
    run.secrets += proxy.secrets
    return proxy


def _credentials(url: str, data: Mapping[str, bytes], name: str) -> Credentials:
    if not url.startswith("ssh://"):
        return Credentials.from_secret(data, name) if name else ANONYMOUS
    if not name:
        raise AuthenticationFailed(
            "failed to configure authentication options: invalid 'ssh' auth option: 'identity' is "
            "required: set spec.secretRef to a Secret with the keys 'identity' and 'known_hosts'"
        )
    return Credentials.for_ssh(data, name)


async def _token(
    repository: GitRepository,
    run: Run,
    data: Mapping[str, bytes],
    credentials: Credentials,
    proxy: Proxy | None,
) -> Token:
    """What the provider gives for the repository.  Raises AuthenticationFailed."""
    spec, settings = repository.spec, run.engine.settings
    is_app = spec.provider == "github"
    name = spec.service_account_name
    if not name and settings.object_level_workload_identity:
        name = settings.default_service_account
    account = ServiceAccount(repository.metadata.namespace, name) if name and not is_app else None
    app = {key: value for key, value in data.items() if key.startswith("githubApp")}
    route = Route(proxy=proxy.url_with_login if proxy else "", ca=credentials.ca if is_app else b"")
    scope = Scope(Purpose.GIT, spec.url, secret=app if is_app else {}, route=route)
    try:
        return await run.context.token(spec.provider, account, scope)
    except TokenUnavailable as error:
        raise AuthenticationFailed(
            f"failed to configure authentication options: {error}"
        ) from error

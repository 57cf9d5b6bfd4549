"""GitHub Apps: a token of one installation, for the App's key.

All of it is the tenant's own: key, base URL and repository; the base URL is kept off this machine.
Source: GitHub Docs, "Generating an installation access token"; fluxcd/pkg auth/githubapp.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from engine.cluster.outbound import Unanswered
from engine.plugin import Context, Purpose, Scope, ServiceAccount, Token, TokenUnavailable
from plugins.clouds.answers import Refused, check, document, instant_in, text_in
from plugins.clouds.jwt import signed
from plugins.clouds.private_keys import BadKey

_API = "https://api.github.com"
_USER = "x-access-token"
_SECONDS = 120  # the life of the App's own statement
_DRIFT = 30  # seconds that GitHub's clock may be behind
_HEADERS = {"Accept": "application/vnd.github+json", "User-Agent": "lockstep"}


@dataclass(frozen=True, slots=True)
class App:
    """What the Secret says.  One of installation (its id) and owner is set."""

    id: str
    installation: str
    owner: str
    key: bytes = field(repr=False)
    api: str = _API


async def token(_: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
    """GIT: the login of the installation.  Raises TokenUnavailable."""
    if scope.purpose is not Purpose.GIT:
        raise TokenUnavailable("provider 'github' gives tokens for Git only")
    app = app_of(scope.secret)
    route = replace(scope.route, is_guarded=True)
    now = int(ctx.clock.wall())
    claims = {"iat": now - _DRIFT, "exp": now - _DRIFT + _SECONDS, "iss": app.id}
    try:
        proof = await signed(claims, app.key)
    except BadKey as error:
        raise TokenUnavailable(f"githubAppPrivateKey: {error}") from error
    what = f"GitHub App {app.id}"

    async def ask(method: str, path: str) -> dict[str, Any]:
        headers = {**_HEADERS, "Authorization": f"Bearer {proof}"}
        answer = await ctx.http.send(method, f"{app.api}/{path}", headers=headers, route=route)
        check(answer, f"{what} at '{urlsplit(app.api).hostname}'", (proof,))
        return document(answer, what)

    try:
        installation = app.installation
        if not installation:
            installation = await _installation_of(app, ask)
        body = await ask("POST", f"app/installations/{installation}/access_tokens")
        until = instant_in(body, "expires_at", what)
        return Token(secret=text_in(body, "token", what), user=_USER, expires_at=until)
    except (Refused, Unanswered) as error:
        raise TokenUnavailable(f"no GitHub credentials: {error}{_hint(error)}") from error


async def _installation_of(app: App, ask: Callable[[str, str], Awaitable[dict[str, Any]]]) -> str:
    """The id of the owner's installation: of an organization, else of a user."""
    owner = quote(app.owner, safe="")
    try:
        body = await ask("GET", f"orgs/{owner}/installation")
    except Refused as error:
        if error.status != 404:
            raise
        body = await ask("GET", f"users/{owner}/installation")
    number = body.get("id")
    if not isinstance(number, int):
        raise Refused(200, f"the installation of '{app.owner}' has no id: is it GitHub's API?")
    return str(number)


def _hint(error: Exception) -> str:
    if isinstance(error, Refused) and error.status == 401:
        return ": check githubAppID and githubAppPrivateKey, and the clock"
    if isinstance(error, Refused) and error.status == 404:
        return ": is the App installed there, and the installation right?"
    return ""


def app_of(secret: Mapping[str, bytes]) -> App:
    """What the data of a Secret say.  Raises TokenUnavailable, which names keys and no value."""
    texts = {
        name: secret.get(f"githubApp{name}", b"").decode(errors="replace").strip()
        for name in ("ID", "InstallationID", "InstallationOwner", "BaseURL")
    }
    key = secret.get("githubAppPrivateKey", b"")
    if not texts["ID"].isdecimal():
        raise TokenUnavailable("the Secret has no githubAppID, or it is no number")
    if bool(texts["InstallationID"]) == bool(texts["InstallationOwner"]):
        raise TokenUnavailable(
            "the Secret needs one of githubAppInstallationID and githubAppInstallationOwner"
        )
    if texts["InstallationID"] and not texts["InstallationID"].isdecimal():
        raise TokenUnavailable("githubAppInstallationID is no number")
    if not key:
        raise TokenUnavailable("the Secret has no githubAppPrivateKey")
    return App(
        texts["ID"],
        texts["InstallationID"],
        texts["InstallationOwner"],
        key,
        _api(texts["BaseURL"]),
    )


def _api(base: str) -> str:
    """The API's URL without a slash at its end; GitHub Enterprise's may be given without path."""
    if not base:
        return _API
    parts = urlsplit(base.rstrip("/"))
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username:
        raise TokenUnavailable("githubAppBaseURL is no URL of an API")
    return base.rstrip("/")

"""`github`: the status of a commit at GitHub or GitHub Enterprise.

Source: notification-controller internal/notifier github.go and github_helpers.go; GitHub REST API,
commit statuses.
"""

import orjson

from engine.plugin import (
    Context,
    Destination,
    Notification,
    Purpose,
    Scope,
    TokenUnavailable,
    Undeliverable,
    Undelivered,
)
from plugins.notifiers.commits import Mark, listed, mark_of, repository_of
from plugins.notifiers.posting import ask, bearer

_APP = "githubAppID"


async def notify(notification: Notification, destination: Destination, ctx: Context) -> None:
    """Marks the commit, unless its newest status of that name says so.  Raises Undelivered."""
    mark = mark_of(notification, destination)
    if mark is None:
        return
    repository = repository_of(destination.address)
    if repository.id.count("/") != 1:
        raise Undeliverable("the address does not end in the owner and the name of a repository")
    base = f"{_api(repository.host)}/repos/{repository.id}"
    headers = {
        "Accept": "application/vnd.github+json",
        **bearer(await _token(destination, ctx)),
    }
    found = await ask(
        "GET",
        f"{base}/commits/{mark.commit}/statuses?per_page=50",
        destination,
        ctx,
        (b"", headers),
    )
    newest = next((each for each in listed(found) if each.get("context") == mark.name), {})
    status = _status(mark)
    if any(newest.get(key) != value for key, value in status.items()):
        url = f"{base}/statuses/{mark.commit}"
        await ask("POST", url, destination, ctx, (orjson.dumps(status), headers))


def _status(mark: Mark) -> dict[str, str]:
    state = "success" if mark.is_good else "failure"
    return {"state": state, "context": mark.name, "description": mark.description}


def _api(host: str) -> str:
    """Where the API of a host is; host: with its scheme."""
    is_public = host.partition("://")[2] == "github.com"
    return "https://api.github.com" if is_public else f"{host}/api/v3"


async def _token(destination: Destination, ctx: Context) -> str:
    token = destination.token or destination.password
    if token:
        return token
    if _APP not in destination.secret:
        raise Undeliverable(
            "a GitHub token, or a GitHub App, is needed: keys 'token', or 'githubAppID' and the "
            "others of the App, in the Secret of spec.secretRef"
        )
    scope = Scope(
        Purpose.GIT, destination.address, secret=destination.secret, route=destination.route
    )
    try:
        return (await ctx.token("github", None, scope)).secret
    except TokenUnavailable as error:
        raise Undelivered(str(error)) from error

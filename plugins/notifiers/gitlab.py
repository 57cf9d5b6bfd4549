"""`gitlab`: the status of a commit at GitLab.

Source: notification-controller internal/notifier gitlab.go; GitLab REST API, commit statuses.
"""

from urllib.parse import quote

import orjson

from engine.plugin import Context, Destination, Notification, Undeliverable
from plugins.notifiers.commits import listed, mark_of, repository_of
from plugins.notifiers.posting import ask


async def notify(notification: Notification, destination: Destination, ctx: Context) -> None:
    """Marks the commit, unless it is marked so.  Raises Undelivered."""
    mark = mark_of(notification, destination)
    if mark is None:
        return
    if not destination.token:
        raise Undeliverable("a GitLab token is needed: key 'token' in the Secret of spec.secretRef")
    repository = repository_of(destination.address)
    project = f"{repository.host}/api/v4/projects/{quote(repository.id, safe='')}"
    headers = {"PRIVATE-TOKEN": destination.token}
    wanted = {
        "sha": mark.commit,
        "status": "success" if mark.is_good else "failed",
        "name": mark.name,
        "description": mark.description,
    }
    query = f"name={quote(mark.name, safe='')}"
    url = f"{project}/repository/commits/{mark.commit}/statuses?{query}"
    found = listed(await ask("GET", url, destination, ctx, (b"", headers)))
    if any(wanted.items() <= each.items() for each in found):
        return
    body = {
        "name": mark.name,
        "description": mark.description,
        "state": wanted["status"],
    }
    url = f"{project}/statuses/{mark.commit}"
    await ask("POST", url, destination, ctx, (orjson.dumps(body), headers))

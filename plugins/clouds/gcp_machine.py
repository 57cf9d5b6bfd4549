"""The pod's own identity at Google: a key file, another cloud's token, a login, or the machine."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import orjson

from engine.cluster.outbound import Route, Unanswered
from engine.plugin import Context, Token, TokenUnavailable
from plugins.clouds import gcp
from plugins.clouds.answers import check

_HOST = "metadata.google.internal"
_LOCAL = Route(is_local=True)
_FLAVOR = {"Metadata-Flavor": "Google"}


async def own(ctx: Context) -> Token:
    """The token of this pod.  Raises TokenUnavailable, Refused, Unanswered."""
    path = ctx.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or await _of_user(ctx)
    if path:
        key = await _key_of(path)
        return await _federated(key, ctx) if _is_federated(key) else await gcp.of_key(key, ctx)
    at, scopes = ctx.clock.wall(), quote(",".join(gcp.SCOPES), safe="")
    what = f"instance/service-accounts/default/token?scopes={scopes}"
    try:
        answer = await ctx.http.send("GET", _url(what, ctx), headers=_FLAVOR, route=_LOCAL)
    except Unanswered as error:
        raise TokenUnavailable(
            "no Google credentials: there is no GOOGLE_APPLICATION_CREDENTIALS, nobody ran "
            f"`gcloud auth application-default login`, and the machine gives none: {error}"
        ) from error
    check(answer, "the metadata service of Google")
    return gcp.token_in(answer, "the metadata service of Google", at)


async def _of_user(ctx: Context) -> str:
    """The file that `gcloud auth application-default login` leaves, "" if it is not there."""
    home = ctx.environ.get("HOME")
    folder = ctx.environ.get("CLOUDSDK_CONFIG") or (home and f"{home}/.config/gcloud")
    path = anyio.Path(folder or "/", "application_default_credentials.json")
    return str(path) if folder and await path.is_file() else ""


async def metadata(path: str, ctx: Context) -> str:
    """A text that the machine tells of itself: `project/project-id`.  Raises Refused, ..."""
    answer = await ctx.http.send("GET", _url(path, ctx), headers=_FLAVOR, route=_LOCAL)
    check(answer, f"the metadata service of Google, '{path}'")
    return answer.body.decode(errors="replace").strip()


def _url(path: str, ctx: Context) -> str:
    host = ctx.environ.get("GCE_METADATA_HOST") or _HOST
    return f"http://{host}/computeMetadata/v1/{path}"


async def _key_of(path: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(await anyio.Path(path).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise TokenUnavailable(f"GOOGLE_APPLICATION_CREDENTIALS '{path}': {why}") from error
    return found if isinstance(found, dict) else {}


def _is_federated(key: Mapping[str, Any]) -> bool:
    return key.get("type") == "external_account"


async def _federated(key: Mapping[str, Any], ctx: Context) -> Token:
    """Workload identity federation with a token in a file: what the operator mounted."""
    source = key.get("credential_source") or {}
    path = source.get("file")
    if not path:
        raise TokenUnavailable(
            "GOOGLE_APPLICATION_CREDENTIALS of type 'external_account' needs a token in a file "
            "(credential_source.file)"
        )
    try:
        proof = (await anyio.Path(str(path)).read_text()).strip()
    except OSError as error:
        raise TokenUnavailable(
            f"the token file '{path}' cannot be read: {error.strerror}"
        ) from error
    form = source.get("format") or {}
    if form.get("type") == "json":
        try:
            proof = str(orjson.loads(proof)[form.get("subject_token_field_name", "")])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise TokenUnavailable(f"the token file '{path}' has no such field") from error
    url = urlsplit(str(key.get("service_account_impersonation_url") or ""))
    email = url.path.rpartition("/")[2].removesuffix(":generateAccessToken")
    return await gcp.exchanged(proof, str(key.get("audience", "")), email, ctx)

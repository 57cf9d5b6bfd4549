"""Keep the webhook of one Receiver at the path that its token means.

Order of steps, conditions and messages: flux-behaviour 6.4; notification-controller
receiver_controller.go.
"""

import binascii
from base64 import b64decode

from engine.api.duration import format_duration
from engine.api.meta import SUCCEEDED
from engine.api.notification import Receiver, ReceiverSpec
from engine.cluster import Client, Resource
from engine.errors import Failure, InvalidCELExpression, TokenNotFound, ValidationFailed
from engine.hooks import FilterError, Filters, filters_of, path_of
from engine.objects.ref import Object, Ref
from engine.reconcile.outcome import Result
from engine.reconcile.receiver_hooks import Closed, Hook
from engine.reconcile.run import Run

_SECRETS = Resource("", "v1", "Secret", "secrets", namespaced=True)
_TERMINAL = "Reconciliation failed terminally due to configuration error"
_PATH = "webhookPath"
_MOST_RESOURCES = 1000
"""Entries of a Receiver: at each call each looks at all objects of its kind, of all tenants."""


async def reconcile(receiver: Receiver, run: Run) -> Result:
    """Opens the webhook."""
    spec, ref = receiver.spec, run.turn.key
    filters = filters_in(spec)  # InvalidCELExpression
    check(spec)  # ValidationFailed
    token, read_at = b"", run.engine.clock.monotonic()
    if spec.secret_ref is not None:
        secret = Ref("", "Secret", ref.namespace, spec.secret_ref.name)
        with run.engine.configs.reading(ref, secret) as reading:
            found = await run.client.get(_SECRETS, secret.namespace, secret.name)
            reading.answered(found)
        token = token_in(found, secret)  # TokenNotFound
    path = path_of(token, ref.name, ref.namespace)
    run.secrets.append(path)  # it stands in the status, and in no log
    run.status[_PATH] = path
    if spec.type not in run.engine.plugins.receivers:
        raise ValidationFailed(f"{_TERMINAL}: {not_supported(spec)}")
    run.engine.hooks.open(Hook(ref, path, spec, filters, token, read_at))
    next_run = format_duration(spec.interval)
    note = f"Reconciliation finished, next run in {next_run}"
    return Result(f"Receiver initialized for path: {path}", SUCCEEDED, spec.interval, note)


async def finalize(_receiver: Receiver, run: Run) -> None:
    """Closes the webhook."""
    run.engine.hooks.forget(run.turn.key)


def close(run: Run, _reason: str, failure: Failure | None) -> None:
    """Takes no more calls, if the Receiver itself is why."""
    if failure is None:
        return
    if isinstance(failure, TokenNotFound):
        run.status.pop(_PATH, None)
    elif not failure.terminal:
        return  # the API server's trouble: what was ready stays so
    spec = run.obj.get("spec") or {}
    told = "" if spec.get("type") in run.engine.plugins.receivers else _told(str(spec.get("type")))
    closed = Closed(run.turn.key, f"it is not ready: {failure.reason}", told)
    run.engine.hooks.close(closed, str(run.status.get(_PATH) or ""))


def filters_in(spec: ReceiverSpec) -> Filters:
    """The expressions.  Raises InvalidCELExpression."""
    try:
        return filters_of(spec)
    except FilterError as error:
        raise InvalidCELExpression(f"{_TERMINAL}: {error}") from error


def check(spec: ReceiverSpec) -> None:
    """Raises ValidationFailed if fields do not fit together.

    The definition's own rules say the same; an API server that does not know them lets them pass.
    """
    is_oidc = spec.type == "generic-oidc"
    problems = {
        "generic-oidc receiver requires at least one oidcProvider": is_oidc
        and not spec.oidc_providers,
        "oidcProviders can only be set when type is generic-oidc": not is_oidc
        and bool(spec.oidc_providers),
        "secretRef cannot be set when type is generic-oidc": is_oidc
        and spec.secret_ref is not None,
        "secretRef is required when type is not generic-oidc": not is_oidc
        and spec.secret_ref is None,
        f"resources has more than {_MOST_RESOURCES} entries: name several objects by matchLabels "
        "and '*'": len(spec.resources) > _MOST_RESOURCES,
    }
    for problem, is_so in problems.items():
        if is_so:
            raise ValidationFailed(f"{_TERMINAL}: {problem}")


def not_supported(spec: ReceiverSpec) -> str:
    """Why calls of that type are never taken."""
    return (
        f"{_told(spec.type)}: choose another type, or run the engine with --receiver-addr= and "
        "leave Receivers to Flux's notification-controller"
    )


def _told(kind: str) -> str:
    return f"receiver type '{kind}' is not supported yet"


def token_in(secret: Object | None, ref: Ref) -> bytes:
    """The token in a Secret, never empty.  Raises TokenNotFound.

    ref: the Secret's.   An empty token would make the path one that anybody can compute.
    """
    where = f"'{ref.namespace}/{ref.name}'"
    if secret is None:
        problem = f'Secret "{ref.name}" not found'
        raise TokenNotFound(f"unable to read token from secret {where} error: {problem}")
    data = secret.get("data") or {}
    if "token" not in data:
        raise TokenNotFound(f"invalid {where} secret data: required fields 'token'")
    try:
        token = b64decode(data["token"] or "")
    except binascii.Error:
        raise TokenNotFound(f"invalid {where} secret data: 'token' is not base64") from None
    if not token:
        raise TokenNotFound(f"invalid {where} secret data: 'token' is empty: anybody could call it")
    return token


async def token_now(hook: Hook, client: Client) -> bytes:
    """The token as the Secret has it at this moment.  Raises TokenNotFound, ApiError."""
    reference = hook.spec.secret_ref
    if reference is None:
        return hook.token
    ref = Ref("", "Secret", hook.ref.namespace, reference.name)
    return token_in(await client.get(_SECRETS, ref.namespace, ref.name), ref)

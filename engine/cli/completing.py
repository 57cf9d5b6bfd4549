"""What a shell offers after Tab: kinds, and names of objects where a cluster answers at once."""

from collections.abc import Iterable, Sequence
from functools import partial

import anyio
import click
from click.shell_completion import CompletionItem

from engine.cli import kinds
from engine.cli.caller import caller_of
from engine.cli.problems import is_expected
from engine.cli.target import Target

_PATIENCE = 2.0  # seconds that somebody looks at a prompt that does not answer


def complete_kind(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Words for a kind, then the names of its objects."""
    given: Sequence[str] = ctx.params.get(parameter.name or "") or ()
    if not given:
        return _offered([*kinds.first_words(), "all"], incomplete)
    if len(given) == 1 and (family := list(kinds.second_words(given[0]))):
        return _offered([*family, "all"], incomplete)
    try:
        kind, names = kinds.parse_one(given)
    except click.UsageError:
        return []
    found = anyio.run(partial(_names, _target(ctx), kind))
    return _offered([name for name in found if name not in names], incomplete)


def _offered(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _target(ctx: click.Context) -> Target:
    """The cluster that the options so far name."""
    given = {name: ctx.params.get(name) or "" for name in ("kubeconfig", "context")}
    namespace = ctx.params.get("namespace") or "flux-system"
    return Target(**given, namespace=namespace, caller=caller_of(dict(ctx.params)))


async def _names(target: Target, kind: kinds.Kind) -> list[str]:
    """The names of the objects; none where the cluster cannot be asked: a prompt shows no error."""
    with anyio.move_on_after(_PATIENCE):
        try:
            async with target.client() as client:
                found = await client.list(kind.resource, target.namespace, metadata_only=True)
                return [each["metadata"]["name"] for each in found.items]
        except Exception as error:
            if not is_expected(error):
                raise
    return []

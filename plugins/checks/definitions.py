"""Whether Flux's kinds are served, in the version that the engine speaks."""

from collections.abc import Iterable, Sequence

from engine.api import KINDS, Kind
from engine.cluster import UnknownKind
from engine.plugin import Context, Finding, Severity

_NEEDED = ("Kustomization", "GitRepository")
_FIX = "`lockstep run --install-crds` installs them"


async def check(context: Context) -> Iterable[Finding]:
    """What is missing: at most one finding about what is needed, one about what is not."""
    missing = [kind for kind in KINDS.values() if not await _is_served(kind, context)]
    if not missing:
        return [Finding(Severity.OK, f"all {len(KINDS)} definitions are served")]
    needed = [kind for kind in missing if kind.name in _NEEDED]
    others = [kind for kind in missing if kind.name not in _NEEDED]
    graded = ((Severity.ERROR, needed), (Severity.WARNING, others))
    return [_finding(severity, kinds) for severity, kinds in graded if kinds]


async def _is_served(kind: Kind, context: Context) -> bool:
    # By discovery: reading the definitions themselves needs a permission of cluster scope.
    try:
        await context.client.discovery.resource(kind.group, kind.version, kind.name)
    except UnknownKind:
        return False
    return True


def _finding(severity: Severity, kinds: Sequence[Kind]) -> Finding:
    names = ", ".join(f"{kind.name} ({kind.version})" for kind in kinds)
    return Finding(severity, f"not served: {names}", _FIX)

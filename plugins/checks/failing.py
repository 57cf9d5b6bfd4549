"""What is not ready, told once for each root: what waits for it is named with it."""

from collections.abc import Iterable, Mapping

from engine.objects.ref import Object, Ref
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import is_suspended, state_of, waits_for

_SHOWN = 5  # objects that a line names
_MATTERS = "nothing newer in Git arrives until it is ready, here and in all that waits for it"
_CLI = {
    "Kustomization": "kustomization",
    "HelmRelease": "helmrelease",
    "GitRepository": "source git",
    "OCIRepository": "source oci",
    "Bucket": "source bucket",
    "HelmRepository": "source helm",
    "HelmChart": "source chart",
}
_ADVICE = {
    "AuthenticationFailed": "renew the credentials in the Secret of spec.secretRef",
    "BuildFailed": "correct the files that the message names; `lockstep build --all .` shows all",
    "HealthCheckFailed": "see why the objects in the message are not well: `kubectl describe` them",
    "PruneFailed": "read the list in the message, and approve it as it says, or revert the commit",
    "AccessDenied": "use a source of the same namespace",
}
"""What mends it, by the reason of Ready."""


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each object that is not ready, and waits for nothing that is not ready."""
    chains = _Chains(await snapshot.everything(), snapshot)
    waiting: dict[Ref, list[Ref]] = {}
    roots: set[Ref] = set()
    for ref in chains.failing:
        found = chains.roots(ref)
        roots |= found
        for root in found - {ref}:
            waiting.setdefault(root, []).append(ref)
    return [_finding(ref, chains, sorted(waiting.get(ref, []))) for ref in sorted(roots)]


class _Chains:
    """What waits for what."""

    def __init__(self, everything: Mapping[Ref, Object], snapshot: Snapshot) -> None:
        self.everything, self._snapshot = everything, snapshot
        self.failing = {
            ref: state
            for ref, obj in everything.items()
            if not is_suspended(obj) and (state := state_of(obj)).ready == "False"
        }

    def roots(self, ref: Ref) -> set[Ref]:
        """What an object really waits for: the ends of the chains of what is not ready.

        In a circle everybody is at fault.
        """
        roots: set[Ref] = set()
        seen: set[Ref] = set()
        stack = [ref]
        while stack:
            each = stack.pop()
            if each in seen:
                continue
            seen.add(each)
            obj = self.everything.get(each)
            bad = [other for other in waits_for(obj) if self._is_bad(other)] if obj else []
            if not bad:
                roots.add(each)
            stack += bad
        return roots or seen

    def _is_bad(self, ref: Ref) -> bool:
        """Whether nothing that waits for it can go on."""
        obj = self.everything.get(ref)
        if obj is None:
            return self._snapshot.shows(ref)
        return ref in self.failing or (is_suspended(obj) and state_of(obj).ready == "False")


def _finding(ref: Ref, chains: _Chains, waiting: list[Ref]) -> Finding:
    everything, evidence = chains.everything, []
    if waiting:
        more = f" and {len(waiting) - _SHOWN} more" if len(waiting) > _SHOWN else ""
        evidence.append(f"waiting for it: {', '.join(map(str, waiting[:_SHOWN]))}{more}")
    if ref not in everything:
        what = f"{ref} does not exist, and others are to wait for it or to build it"
        fix = "create it, or correct sourceRef or dependsOn of what waits for it"
        return Finding(Severity.ERROR, what, fix, ref, tuple(evidence), _MATTERS)
    state = state_of(everything[ref])
    if is_suspended(everything[ref]):
        what = f"{ref} is suspended and not ready, and others wait for it"
        fix = f"lockstep resume {_words(ref)}"
        return Finding(Severity.ERROR, what, fix, ref, tuple(evidence), _MATTERS)
    lines = state.message.splitlines() or [""]
    evidence += [line for line in lines[1:_SHOWN] if line.strip()]
    fix = _ADVICE.get(state.reason, "mend what the message names")
    fix = f"{fix}, then: lockstep reconcile {_words(ref)}"
    what = f"{ref} is not ready: {state.reason}: {lines[0]}"
    return Finding(Severity.ERROR, what, fix, ref, tuple(evidence), _MATTERS)


def _words(ref: Ref) -> str:
    return f"{_CLI.get(ref.kind, ref.kind.lower())} {ref.name} -n {ref.namespace}"

"""What a Kustomization names, read off its text: it may be malformed, which its own run reports."""

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.objects.ref import Object, Ref


def references_of(ks: Object) -> frozenset[Ref]:
    """What a Kustomization names: its source and its dependencies; nothing where it is malformed.

    Its own run reports what is malformed.
    """
    spec, namespace = ks.get("spec") or {}, ks["metadata"].get("namespace", "")
    refs = [source_named(ks)]
    refs += [_dependency(each, namespace) for each in spec.get("dependsOn") or ()]
    return frozenset(ref for ref in refs if ref.name)


def included_by(repository: Object) -> frozenset[Ref]:
    """The GitRepositories that one includes."""
    spec, namespace = repository.get("spec") or {}, repository["metadata"].get("namespace", "")
    names = [(each.get("repository") or {}).get("name") for each in spec.get("include") or ()]
    return frozenset(Ref(SOURCE_GROUP, "GitRepository", namespace, name) for name in names if name)


def source_named(ks: Object) -> Ref:
    """The source that a Kustomization names; without a name where it is malformed."""
    source = (ks.get("spec") or {}).get("sourceRef") or {}
    namespace = ks["metadata"].get("namespace", "")
    return Ref(SOURCE_GROUP, *_named(source, source.get("kind", ""), namespace))


def judged_of(ks: Object) -> frozenset[Ref]:
    """The dependencies of a Kustomization that a `readyExpr` judges, and nothing else."""
    depends_on = (ks.get("spec") or {}).get("dependsOn") or ()
    by_expression = [each for each in depends_on if each.get("readyExpr")]
    by_ready = [each for each in depends_on if not each.get("readyExpr")]
    namespace = ks["metadata"].get("namespace", "")
    judged = {_dependency(each, namespace) for each in by_expression}
    return frozenset(judged - {_dependency(each, namespace) for each in by_ready})


def is_counted(ref: Ref, ks: Object) -> bool:
    """Whether the health of one of its objects counts for a Kustomization that is not suspended."""
    spec = ks.get("spec") or {}
    named = {
        (each.get("kind"), each.get("namespace") or "", each.get("name"))
        for each in spec.get("healthChecks") or ()
    }
    counts = bool(spec.get("wait")) or (ref.kind, ref.namespace, ref.name) in named
    return counts and not spec.get("suspend")


def _dependency(reference: Object, namespace: str) -> Ref:
    return Ref(KUSTOMIZE_GROUP, *_named(reference, "Kustomization", namespace))


def _named(reference: Object, kind: str, namespace: str) -> tuple[str, str, str]:
    return kind, reference.get("namespace") or namespace, reference.get("name", "")

"""What goes with an object that is deleted: a Namespace's content, the objects of a kind."""

from engine.objects.ref import Object, Ref

_DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")


def is_container(ref: Ref) -> bool:
    """Whether other objects go with it: a Namespace or a definition."""
    return (ref.group, ref.kind) in (("", "Namespace"), _DEFINITION)


def is_inside(ref: Ref, outer: Ref, live: Object | None) -> bool:
    """Whether deleting `outer` would delete `ref` too.

    live: `outer` as it is; of a definition whole, as its name does not say which kind it defines.
    """
    if (outer.group, outer.kind) == ("", "Namespace"):
        return ref.namespace == outer.name
    return bool((outer.group, outer.kind) == _DEFINITION and (ref.group, ref.kind) == kind_of(live))


def kind_of(definition: Object | None) -> tuple[str, str]:
    """Group and kind that a definition defines, empty where it is not known."""
    spec = (definition or {}).get("spec") or {}
    return str(spec.get("group", "")), str((spec.get("names") or {}).get("kind", ""))

"""Whether what is encrypted will be decrypted: by a Kustomization, or by a controller."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from engine.custody.consumers import Consumer
from engine.custody.flaws import Flaw, Severity
from engine.custody.survey import Sealed, Survey, objects_in
from engine.sops import MAX_BYTES

SEALED_GROUP: Final = "bitnami.com"
SEALED_KIND: Final = "SealedSecret"
_CONTROLLER: Final = "sealed-secrets"
_SHOWN: Final = 3  # Kustomizations in a message


def uncovered(survey: Survey, consumers: Sequence[Consumer]) -> Iterator[Flaw]:
    """Encrypted files that nobody decrypts, or that are too large or broken for anybody."""
    for sealed in survey.sealed:
        yield from _broken(sealed)
        if not sealed.has_opted_out and consumers:
            yield from _unread(sealed, consumers)
    if survey.sealed and not consumers:
        yield Flaw(
            Severity.OK,
            "no-kustomization",
            "",
            0,
            "there is no Flux Kustomization here: whether these files are decrypted is not known",
        )
    for consumer in consumers:
        yield from _half_known(consumer, survey)


def _broken(sealed: Sealed) -> Iterator[Flaw]:
    if sealed.size > MAX_BYTES:
        what = f"{sealed.size:,} bytes; the engine (as Flux) reads encrypted files up to 5 MiB"
        yield _flaw(Severity.ERROR, "too-large", sealed, what, "split it into several files")
    elif sealed.problem:
        fix = "take the last good version: `git log -- FILE`, or encrypt it anew with `sops`"
        yield _flaw(Severity.ERROR, "broken", sealed, sealed.problem, fix)


def _unread(sealed: Sealed, consumers: Sequence[Consumer]) -> Iterator[Flaw]:
    readers = [each for each in consumers if sealed.file in each.files]
    if not readers:
        what = "no Kustomization of this repository builds it"
        fix = "add it to a kustomization.yaml below a spec.path, or delete it"
        yield _flaw(Severity.WARNING, "not-built", sealed, what, fix)
    for reader in readers:
        if not reader.decrypts:
            what = f"Kustomization '{reader.name}' builds it, but has no spec.decryption"
            fix = (
                f"set `spec.decryption: {{provider: sops, secretRef: {{name: sops-age}}}}` in "
                f"{reader.origin}"
            )
            yield _flaw(Severity.ERROR, "not-decrypted", sealed, what, fix)


def _half_known(consumer: Consumer, survey: Survey) -> Iterator[Flaw]:
    """A Kustomization that could not be built, if that leaves anything open."""
    if consumer.problem and any(each.file in consumer.files for each in survey.sealed):
        file, _, line = consumer.origin.rpartition(":")
        what = f"Kustomization '{consumer.name}' cannot be built here: {consumer.problem}"
        note = "; all files below its path are taken for its own"
        yield Flaw(Severity.OK, "not-known", file or consumer.origin, _int(line), what + note)


def _int(text: str) -> int:
    return int(text) if text.isdigit() else 0


def readers_of(sealed: Sealed, consumers: Sequence[Consumer]) -> str:
    """Who decrypts a file, for messages; "" if nobody does."""
    names = [each.name for each in consumers if each.decrypts and sealed.file in each.files]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def without_controller(survey: Survey, whole: Survey, served: bool | None) -> Iterator[Flaw]:
    """SealedSecrets that nobody unseals.

    whole: the repository, where the controller is looked for.  served: whether a cluster knows the
    kind, None: no cluster was asked.
    """
    found = [
        (document, path)
        for document, path, obj in objects_in(survey.documents)
        if obj.get("kind") == SEALED_KIND
        and str(obj.get("apiVersion", "")).startswith(f"{SEALED_GROUP}/")
    ]
    has_one = any(_installs(obj) for _, _, obj in objects_in(whole.documents))
    if not found or (has_one if served is None else served):
        return
    document, path = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    if served is None:
        severity, why = Severity.WARNING, "nothing in this repository installs its controller"
        fix = "add the HelmRelease `sealed-secrets`, or ask the cluster with --cluster"
    else:
        severity, why = Severity.ERROR, "the cluster does not serve its kind: it cannot be applied"
        fix = "install the sealed-secrets controller with its definition"
    what = f"a SealedSecret{more}, but {why}"
    line = document.line_of(path)
    yield Flaw(severity, "no-controller", document.file, line, what, fix)


def _installs(obj: Mapping[str, Any]) -> bool:
    """Whether the object brings the controller, or its definition."""
    kind = obj.get("kind")
    if kind == "CustomResourceDefinition":
        names = (obj.get("spec") or {}).get("names") or {}
        return bool(names.get("kind") == SEALED_KIND)
    if kind in ("HelmRelease", "Deployment", "HelmChart"):
        return _CONTROLLER in str(obj.get("spec")) or _CONTROLLER in str(obj.get("metadata"))
    listed = obj.get("resources")
    return isinstance(listed, list) and any(_CONTROLLER in str(each) for each in listed)


def _flaw(severity: Severity, rule: str, sealed: Sealed, what: str, fix: str) -> Flaw:
    return Flaw(severity, rule, sealed.file, sealed.line, what, fix)

"""What the query of a request asks for, checked.

Source: metav1 GetOptions, ListOptions, CreateOptions, PatchOptions, DeleteOptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from engine.apiserver.errors import Cause, bad_request, invalid, unsupported_value

FIELD_VALIDATION = ("Ignore", "Warn", "Strict")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Of create, update and patch.  force: None if the query does not say."""

    dry_run: bool = False
    manager: str = ""
    validation: str = "Warn"
    force: bool | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str], agent: str, verb: str) -> Self:
        """agent: the User-Agent, whose first part names the manager if the query does not.

        verb: Create, Update or Patch, for messages.  Raises Refused (422).
        """
        validation = query.get("fieldValidation") or "Warn"
        causes = []
        if validation not in FIELD_VALIDATION:
            allowed = ("", "Ignore", "Strict", "Warn")
            causes.append(unsupported_value("fieldValidation", validation, allowed))
        dry_run = query.get("dryRun") or ""
        if dry_run not in ("", "All"):
            causes.append(unsupported_value("dryRun", [dry_run], ("All",)))
        force = query.get("force")
        manager = query.get("fieldManager", "")
        if len(manager) > 128:
            text = "Too long: may not be more than 128 bytes"
            causes.append(Cause("fieldManager", "FieldValueTooLong", text))
        if causes:
            raise invalid(f"{verb}Options", "meta.k8s.io", "", causes)
        return cls(
            dry_run=dry_run == "All",
            manager=manager or agent.partition("/")[0][:128] or "unknown",
            validation=validation,
            force=None if force is None else _is_true(force),
        )


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Of list, watch and deletecollection.  timeout: seconds; None = as long as it likes."""

    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    token: str = ""
    revision: str = ""
    match: str = ""
    watch: bool = False
    bookmarks: bool = False
    initial_events: bool = False
    timeout: float | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Raises Refused (400, 422) for contradictions."""
        options = cls(
            label_selector=query.get("labelSelector", ""),
            field_selector=query.get("fieldSelector", ""),
            limit=max(0, _integer(query, "limit")),
            token=query.get("continue", ""),
            revision=query.get("resourceVersion", ""),
            match=query.get("resourceVersionMatch", ""),
            watch=_is_true(query.get("watch", "false")),
            bookmarks=_is_true(query.get("allowWatchBookmarks", "false")),
            initial_events=_is_true(query.get("sendInitialEvents", "false")),
            timeout=_integer(query, "timeoutSeconds") or None,
        )
        options._check("sendInitialEvents" in query)
        return options

    def _check(self, says_initial_events: bool) -> None:
        causes = []
        if self.revision and not self.revision.isdigit():
            given = self.revision
            raise bad_request(
                f'invalid resource version: resourceVersion: Invalid value: "{given}":'
                f' strconv.ParseUint: parsing "{given}": invalid syntax'
            )
        if self.watch and says_initial_events and self.match != "NotOlderThan":
            causes.append(
                Cause(
                    "resourceVersionMatch",
                    "FieldValueForbidden",
                    "Forbidden: sendInitialEvents requires setting resourceVersionMatch to"
                    " NotOlderThan",
                )
            )
        elif self.watch and self.match and not says_initial_events:
            causes.append(
                Cause(
                    "resourceVersionMatch",
                    "FieldValueForbidden",
                    "Forbidden: resourceVersionMatch is forbidden for watch unless"
                    " sendInitialEvents is provided",
                )
            )
        if self.match and self.match not in ("Exact", "NotOlderThan"):
            allowed = ("Exact", "NotOlderThan", "")
            causes.append(unsupported_value("resourceVersionMatch", self.match, allowed))
        if self.match and not self.watch and not self.revision:
            text = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
            causes.append(Cause("resourceVersionMatch", "FieldValueForbidden", text))
        if causes:
            raise invalid("ListOptions", "meta.k8s.io", "", causes)


PROPAGATION = ("Foreground", "Background", "Orphan")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """Of delete and deletecollection."""

    dry_run: bool = False
    propagation: str = ""
    uid: str = ""
    revision: str = ""

    @classmethod
    def parse(cls, query: Mapping[str, str], given: Mapping[str, Any]) -> Self:
        """From the body, given decoded, else from the query.  Raises Refused (422)."""
        policy = given.get("propagationPolicy") or query.get("propagationPolicy") or ""
        orphan = given.get("orphanDependents", query.get("orphanDependents"))
        if not policy and orphan is not None:
            policy = "Orphan" if orphan in (True, "true", "1") else "Background"
        if policy and policy not in PROPAGATION:
            cause = unsupported_value("propagationPolicy", policy, (*PROPAGATION, "nil"))
            raise invalid("DeleteOptions", "meta.k8s.io", "", [cause])
        preconditions = given.get("preconditions") or {}
        dry_run = given.get("dryRun") or query.get("dryRun")
        return cls(
            dry_run=is_dry_run(dry_run[0] if isinstance(dry_run, list) else dry_run),
            propagation=policy,
            uid=preconditions.get("uid") or "",
            revision=preconditions.get("resourceVersion") or "",
        )

    def without_preconditions(self) -> Self:
        """The same for each object of a collection."""
        return replace(self, uid="", revision="")


def is_dry_run(value: str | None) -> bool:
    """Whether `dryRun` asks for one.  Raises Refused (422) for anything but `All`."""
    if value in (None, ""):
        return False
    if value == "All":
        return True
    causes = [unsupported_value("dryRun", [value], ("All",))]
    raise invalid("DeleteOptions", "meta.k8s.io", "", causes)


def _is_true(text: str) -> bool:
    return text.lower() not in ("false", "0", "f", "no")


def _integer(query: Mapping[str, str], name: str) -> int:
    try:
        return int(query.get(name) or 0)
    except ValueError as error:
        raise bad_request(f"invalid {name}: {query[name]!r} is not a whole number") from error

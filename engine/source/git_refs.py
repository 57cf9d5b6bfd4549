"""Which commit a GitRepository's `spec.ref` means.

Precedence: commit, name, tag, semver, branch; `master` if nothing is given (flux-behaviour 3.4).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.source.failures import GitError
from engine.source.git_protocol import RemoteRef
from engine.source.semver import Constraint

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PEELED = "^{}"  # after a tag: the commit that it leads to, which is meant in any case
_TAGS = "refs/tags/"
_ABBREVIATED = re.compile(r"[0-9a-fA-F]{4,64}")
_DEFAULT_BRANCH = "master"


@dataclass(frozen=True, slots=True)
class Reference:
    """`spec.ref`; empty where it is not given.

    short: a name as the git command takes one: a tag, a branch, or a full name such as HEAD.
    """

    branch: str = ""
    tag: str = ""
    semver: str = ""
    name: str = ""
    commit: str = ""
    short: str = ""

    @property
    def full_name(self) -> str:
        """The ref to look up, e.g. `refs/heads/main`; "" for a semver or a bare commit."""
        if self.commit:
            return f"refs/heads/{self.branch}" if self.branch else ""
        if self.name:
            return self.name.removesuffix(_PEELED)
        if self.tag:
            return f"{_TAGS}{self.tag}"
        return "" if self.semver else f"refs/heads/{self.branch or _DEFAULT_BRANCH}"

    @property
    def is_head(self) -> bool:
        """Whether it is whatever the server's HEAD points to."""
        return "HEAD" in (self.name, self.short)

    @property
    def prefixes(self) -> list[str]:
        """Below which names the remote is to be listed; HEAD tells an empty repository."""
        if self.commit:
            return ["refs/heads/", "HEAD"]
        if self.short:
            return [*_meanings(self.short), "HEAD"]
        return [self.full_name or _TAGS, "HEAD"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit that the reference may mean; label: what stands before `@` in the revision.

    object_id: what to ask the server for: the annotated tag, else the commit itself.
    tag: the name of the tag that led to it, "" if it was none.
    """

    label: str
    commit: str
    object_id: str
    tag: str = ""

    @property
    def revision(self) -> str:
        """As Flux writes it: `main@sha1:<hex>`, or `sha1:<hex>` without a label."""
        digest = f"{'sha1' if len(self.commit) == 40 else 'sha256'}:{self.commit}"
        return f"{self.label}@{digest}" if self.label else digest


def candidates(reference: Reference, refs: Mapping[str, RemoteRef]) -> list[Candidate]:
    """The commits meant: one, or for a semver all tags of the same highest precedence.

    refs: of the remote, at least those below `reference.prefixes`.  Raises GitError if there is
    none.
    """
    if reference.commit:
        if not _COMMIT.fullmatch(reference.commit):
            raise GitError(
                f"unable to resolve commit object for '{reference.commit}': spec.ref.commit must "
                "be the full id, 40 hexadecimal digits in lower case (64 in a SHA-256 repository)"
            )
        return [Candidate(reference.branch, reference.commit, reference.commit)]
    if reference.name:
        full_name = reference.full_name
        tag = full_name.removeprefix(_TAGS) if full_name.startswith(_TAGS) else ""
        return [_candidate(reference.name, _found(refs, full_name), tag)]
    if reference.short:
        return [_candidate(reference.short, _meant(refs, reference.short))]
    if reference.tag:
        return [_candidate(reference.tag, _found(refs, reference.full_name), reference.tag)]
    if reference.semver:
        return _newest(reference.semver, refs)
    branch = reference.branch or _DEFAULT_BRANCH
    return [_candidate(branch, _found(refs, reference.full_name))]


def _candidate(label: str, ref: RemoteRef, tag: str = "") -> Candidate:
    return Candidate(label, ref.commit, ref.object_id, tag)


def _newest(text: str, refs: Mapping[str, RemoteRef]) -> list[Candidate]:
    try:
        constraint = Constraint(text)
    except ValueError as error:
        raise GitError(f"semver parse error: {error}") from error
    tags = {name.removeprefix(_TAGS): ref for name, ref in refs.items() if name.startswith(_TAGS)}
    found = constraint.newest(sorted(tags))
    if not found:
        raise GitError(
            f"no match found for semver: {text}: the repository has {len(tags)} tags, "
            "of which none is a version in this range"
        )
    return [_candidate(tag, tags[tag], tag) for tag in found]


def _meanings(short: str) -> list[str]:
    """The full names that a short one may stand for, the first that exists wins (git rev-parse)."""
    return [short, f"refs/{short}", f"refs/tags/{short}", f"refs/heads/{short}"]


def _meant(refs: Mapping[str, RemoteRef], short: str) -> RemoteRef:
    for name in _meanings(short):
        if name in refs:
            return refs[name]
    hint = "; a commit is named by all of its 40 digits" if _ABBREVIATED.fullmatch(short) else ""
    raise GitError(f'couldn\'t find remote ref "{short}": no tag and no branch is called so{hint}')


def _found(refs: Mapping[str, RemoteRef], name: str) -> RemoteRef:
    ref = refs.get(name)
    if ref is not None:
        return ref
    folder = name.rpartition("/")[0] + "/"
    others = sorted(other for other in refs if other.startswith(folder) and other != "HEAD")
    hint = f" (there are {', '.join(others[:5])})" if others else ""
    raise GitError(f'couldn\'t find remote ref "{name}": check spec.ref{hint}')

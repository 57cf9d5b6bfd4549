"""Of the commits that a reference may mean, the one that counts, and who signed it.

What a server says of its tags is not believed: each is followed to its commit here.
"""

from collections.abc import Sequence

from engine.source.failures import DamagedError, GitError, UnreadableError
from engine.source.git_commit import Commit, parse_commit
from engine.source.git_refs import Candidate
from engine.source.signed import GitObject, tag_field
from engine.source.store import Store
from engine.source.verify import Trust

_NESTED_TAGS = 10  # a tag may be on a tag


def newest(store: Store, found: Sequence[Candidate]) -> tuple[Candidate, Commit]:
    """Of tags with equal versions the one whose commit is the youngest.

    Raises GitError if a commit is not here, or is not what the server says.
    """
    commits = {item.commit: _commit(store, item) for item in found}
    chosen = max(found, key=lambda item: commits[item.commit].committed_at)
    return chosen, commits[chosen.commit]


def _commit(store: Store, candidate: Candidate) -> Commit:
    """The commit; a server may say of a tag what it likes, so it is followed here."""
    try:
        if candidate.object_id != candidate.commit:
            target = _followed(store, candidate.object_id)
            if target != candidate.commit:
                raise GitError(
                    f"the server says that the tag '{candidate.label}' leads to "
                    f"{candidate.commit}, but it leads to {target}"
                )
        return parse_commit(candidate.commit, store.commit(candidate.commit))
    except UnreadableError as error:
        raise DamagedError(f"the commit {candidate.commit} cannot be read any more") from error
    except KeyError as error:
        is_lost = store.holds(candidate.commit)
        store.forget(candidate.commit)
        if is_lost:
            raise DamagedError(f"the commit {candidate.commit} is not here any more") from error
        raise GitError(
            f"unable to resolve commit object for '{candidate.commit}': object not found"
        ) from None


def _followed(store: Store, object_id: str) -> str:
    """What an object leads to: a tag to what it is on, and that too if it is a tag."""
    for _ in range(_NESTED_TAGS):
        try:
            text = store.tag(object_id)
        except UnreadableError:
            raise
        except KeyError:  # no tag
            return object_id
        object_id = tag_field(GitObject(object_id, text), "object")
    raise GitError(f"more than {_NESTED_TAGS} tags are on each other, down to {object_id}")


def verified_by(trust: Trust, store: Store, chosen: Candidate) -> str:
    """Which signatures were checked; raises what `Trust.check` raises."""
    commit = GitObject(chosen.commit, store.commit(chosen.commit))
    if not chosen.tag:
        return trust.check(commit, None)
    if chosen.object_id == chosen.commit:
        return trust.check(commit, GitObject("", b"", chosen.tag))
    tag = GitObject(chosen.object_id, store.tag(chosen.object_id), chosen.tag)
    return trust.check(commit, tag)

"""A commit as its raw text tells it."""

from dataclasses import dataclass

from engine.source.failures import GitError


@dataclass(frozen=True, slots=True)
class Commit:
    """Who changed what; committed_at: seconds since 1970, UTC.

    author, committer: `Name <mail>`.  message: the whole text.
    """

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    committer: str
    committed_at: float
    message: str

    @property
    def subject(self) -> str:
        """The message's first line."""
        return self.message.strip().partition("\n")[0].strip()


def parse_commit(commit_id: str, raw: bytes) -> Commit:
    """The commit in `raw`.  Raises GitError if it is none."""
    head, _, message = raw.decode("utf-8", "replace").partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.split("\n"):
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    try:
        committer, when, _ = fields["committer"][0].rsplit(" ", 2)
        return Commit(
            id=commit_id,
            tree=fields["tree"][0],
            parents=tuple(fields.get("parent", ())),
            author=fields["author"][0].rsplit(" ", 2)[0],
            committer=committer,
            committed_at=float(when),
            message=message,
        )
    except (KeyError, ValueError) as error:
        raise GitError(f"the commit {commit_id} cannot be read: {error!r}") from error

"""What can go wrong while fetching: the reasons that Flux gives its sources.

Source: source-controller api/v1 condition reasons (flux-behaviour 3.3).
"""

from engine.errors import Failure


class URLInvalid(Failure):
    """The URL of the source is none that can be fetched from."""

    terminal = True


class AuthenticationFailed(Failure):
    """The Secret is incomplete, or the server refused what it holds."""


class GitOperationFailed(Failure):
    """The remote could not be listed, or its commit not fetched, read or trusted."""


class EmptyGitRepository(Failure):
    """The repository has no commit yet."""


class ArchiveOperationFailed(Failure):
    """The artifact could not be written to, or read from, the storage."""


class CopyFailure(Failure):
    """What another GitRepository holds could not be put into this one."""


class IncludeNotFound(Failure, reason="NotFound"):
    """A GitRepository that is to be included does not exist: a wait."""

    event_type = "Normal"


class IncludeWithoutArtifact(Failure, reason="NoArtifact"):
    """A GitRepository that is to be included has nothing yet: a wait."""

    event_type = "Normal"


class VerificationError(Failure):
    """The keys that are trusted could not be read."""


class InvalidVerificationMode(Failure):
    """A tag is to be verified and the reference names none."""

    terminal = True


class InvalidGitObject(Failure):
    """The tag is not signed, or is no object that could be."""


class InvalidTagSignature(Failure):
    """Nobody who is trusted has signed the tag."""


class InvalidCommitSignature(Failure):
    """Nobody who is trusted has signed the commit."""


def of_disk(what: str, error: OSError) -> str:
    """The text for something that the disk refused; what: the thing that was not possible."""
    return (
        f"{what}: {error.strerror or error}: check the space and the permissions of the folder "
        "named by --storage-path (LOCKSTEP_STORAGE_PATH)"
    )


class GitError(Exception):
    """What a part of the Git client found wrong; `git.fetch` adds URL and context.

    failure: the class under which it surfaces.  The text may quote the URL: it is masked there.
    """

    def __init__(self, problem: str, failure: type[Failure] = GitOperationFailed) -> None:
        """Keep the problem, which reads "what: probable cause: next step"."""
        super().__init__(problem)
        self.problem = problem
        self.failure = failure


class RemoteError(GitError):
    """The server itself said, in Git's protocol, that it will not do what was asked."""


class DamagedError(GitError):
    """Something of a commit is not here, or cannot be read any more."""


class UnreadableError(KeyError):
    """The disk does not give an object any more, or not what was written."""


class CorruptPackError(GitError):
    """A pack cannot be made sense of, by itself or with the objects that it relies on here."""


class FileError(GitError):
    """A web server does not give the file that it was asked for."""


_MOST_TOLD = 500  # characters of a stranger's text in a message


def as_told(text: str | bytes) -> str:
    """What a server says, fit to be shown: one line of visible characters, not too long."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = " ".join(text[: 8 * _MOST_TOLD].split())
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= _MOST_TOLD else f"{shown[:_MOST_TOLD]}..."

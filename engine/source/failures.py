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


class FileError(GitError):
    """A web server does not give the file that it was asked for."""

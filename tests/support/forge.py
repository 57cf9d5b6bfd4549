"""Several Git repositories on servers that note who asks for what."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler
from dulwich.object_store import commit_tree_changes
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from engine.serve.git import git_application
from engine.source.author import create_repository
from tests.support.git_server import serve_application

SUBMODULE, LINK = 0o160000, 0o120000


@dataclass(frozen=True)
class Asked:
    """A request: what it was for, as whom, and the bytes of the answer."""

    path: str
    login: str
    size: int


@dataclass
class Forge:
    """Repositories in a folder, on a server of their own."""

    folder: Path
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    def address(self, name: str) -> str:
        return f"{self.url}/{name}"

    def commit(
        self,
        name: str,
        files: Mapping[str, bytes],
        submodules: Mapping[str, str] | None = None,
        links: Mapping[str, bytes] | None = None,
    ) -> str:
        """The id of a new commit; submodules: commit by path.  Makes the repository."""
        path = self.folder / name
        if not path.exists():
            create_repository(path)
        ref = Ref(b"refs/heads/main")
        with Repo(str(path)) as repo:
            parent = repo.get_refs().get(ref)
            changes: list[tuple[bytes, int | None, ObjectID | None]] = []
            for mode, contents in ((0o100644, files), (LINK, links or {})):
                for place, content in contents.items():
                    blob = Blob.from_string(content)
                    repo.object_store.add_object(blob)
                    changes.append((place.encode(), mode, blob.id))
            for place, commit in (submodules or {}).items():
                changes.append((place.encode(), SUBMODULE, ObjectID(commit.encode())))
            base = cast("Commit", repo[parent]).tree if parent else Tree()
            new = Commit()
            new.tree = commit_tree_changes(repo.object_store, base, changes)
            new.parents = [parent] if parent else []
            new.author = new.committer = b"Ada <ada@example.org>"
            new.author_time = new.commit_time = 1_700_000_000
            new.author_timezone = new.commit_timezone = 0
            new.message = b"A change"
            repo.object_store.add_object(new)
            repo.refs[ref] = new.id
            return new.id.decode()

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        size = response.body_length if isinstance(response, web.Response) else 0
        body = response.body if isinstance(response, web.Response) else None
        size = len(body) if isinstance(body, bytes) else size
        login = request.headers.get("Authorization", "")
        self.asked.append(Asked(request.path.removeprefix("/"), login, size))
        return response


@asynccontextmanager
async def forges(folder: Path, count: int = 1) -> AsyncIterator[list[Forge]]:
    """Servers with different origins."""
    async with AsyncExitStack() as stack:
        found = []
        for number in range(count):
            forge = Forge(folder / f"forge-{number}")
            forge.folder.mkdir(parents=True)
            application = git_application(forge.folder)
            application.middlewares.insert(0, forge.note)
            forge.url = await stack.enter_async_context(serve_application(application))
            found.append(forge)
        yield found


def gitmodules(urls: Mapping[str, str]) -> dict[str, bytes]:
    """A `.gitmodules`; urls: by path."""
    lines = [
        f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, url in urls.items()
    ]
    return {".gitmodules": "".join(lines).encode()}

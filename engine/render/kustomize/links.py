"""Follow the links of a repository that was fetched, as in a checkout of it.

Source: kustomize kyaml/filesys/fsondisk.go, CleanedAbs (Go's filepath.EvalSymlinks).
"""

from engine.render.inputs import Recorder
from engine.render.kustomize.errors import KustomizeError
from engine.source.tree import Form

MAX_LINKS = 255
"""Links on the way to one path: the limit of Go's filepath.EvalSymlinks."""
MAX_STEPS = 10_000
"""Folders on the way to one path, all links followed: they may hold `../x` thousands of times."""


def followed(tree: Recorder, path: str) -> str:
    """Where the path leads if links are followed; where nothing stands, a path of nothing.

    Raises KustomizeError if a link leads out of the repository, or in a circle.
    """
    done, rest = "", path.split("/")[::-1]
    links = steps = 0
    while rest:
        steps += 1
        if links > MAX_LINKS or steps > MAX_STEPS:
            raise KustomizeError(f"{path!r} leads through too many links: do they form a circle?")
        name = rest.pop()
        if name in ("", "."):
            continue
        if name == "..":
            if not done:
                raise KustomizeError(f"{path!r} is a link that leads out of its repository")
            done = done.rpartition("/")[0]
            continue
        done = f"{done}/{name}" if done else name
        entry = tree.entry(done)
        if entry is None or (rest and entry.form is Form.FILE):
            return "/".join([done, *reversed(rest)])
        if entry.form is not Form.LINK:
            continue
        links += 1
        target = tree.read(done).decode(errors="backslashreplace")  # as trees name files
        if target.startswith("/"):
            raise KustomizeError(f"{done!r} is a link that leads out of its repository")
        done = done.rpartition("/")[0]
        rest += target.split("/")[::-1]
    return done

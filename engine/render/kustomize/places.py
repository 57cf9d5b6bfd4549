"""Say of everything that is wrong with a kustomization where that stands."""

from collections.abc import Callable, Iterable, Iterator

from engine.objects.manifests import ManifestError, Positions, parse
from engine.render.kustomize.declared import Declared
from engine.render.kustomize.errors import (
    MAX_PROBLEMS,
    Entry,
    EntryError,
    KustomizeError,
    Lacking,
    LocatedError,
)
from engine.render.kustomize.loader import Loader

Check = Callable[[], object]


class Places:
    """The lines of one kustomization file; it is read again when something is wrong with it."""

    def __init__(self, loader: Loader, declared: Declared) -> None:
        """loader: of its folder."""
        self._loader = loader
        self._declared = declared
        self._positions: Positions | None = None

    @property
    def file(self) -> str:
        """What errors call the kustomization."""
        return self._declared.called(self._loader.root)

    def problems(self, error: KustomizeError) -> list[str]:
        """What is wrong, each with its place."""
        if isinstance(error, LocatedError):
            return list(error.problems)
        if not isinstance(error, EntryError):
            return [f"{self.file}: {line}" for line in str(error).splitlines()]
        return [
            self._before(entry, line) + line
            for entry, text in error.found[: MAX_PROBLEMS + 1]
            for line in text.splitlines()
        ]

    def problems_of(self, checks: Iterable[Check]) -> Iterator[str]:
        """What is wrong by checks that do not rely on each other."""
        for check in checks:
            try:
                check()
            except Lacking:  # was noted before
                continue
            except KustomizeError as error:
                yield from self.problems(error)

    def _before(self, entry: Entry, text: str) -> str:
        """`file:line: patches[0]: `, the name only if the text does not begin with it."""
        if not entry:
            return f"{self.file}: "
        name, is_added = self._declared.named(entry)
        before = "" if text.startswith(f"{name}:") else f"{name}: "
        if is_added:
            return f"{self.file}: {before}"
        return f"{self.place(entry)}: {before}"

    def place(self, entry: Entry) -> str:
        """`file:line` of the entry, the file alone where that is not known."""
        line = 0 if self._declared.is_generated else self._line(self._declared.written(entry))
        return f"{self.file}:{line}" if line else self.file

    def _line(self, entry: Entry) -> int:
        """The line of the entry, or of what it is in; 0 if the file does not tell."""
        if self._positions is None:
            self._positions = self._read()
        line, depth = self._positions.nearest(entry)
        return line if depth else 0

    def _read(self) -> Positions:
        file = self._loader.join(self._declared.name)
        try:
            documents = parse(self._loader.content(file), file, merge_overrides=True)
        except ManifestError:  # kustomize takes some texts that this reader does not
            documents = []
        return documents[0].positions if documents else Positions(0, None)


def field_places(content: bytes, file: str) -> dict[str, str]:
    """`:line` of each field of a kustomization, empty if this reader does not take the text."""
    try:
        documents = parse(content, file, merge_overrides=True)
    except ManifestError:
        return {}
    return {
        key: f":{document.positions.nearest((key,))[0]}"
        for document in documents[:1]
        for key in document.obj
    }

"""Where a resource comes from and what changed it, as `buildMetadata` has it annotated.

Source: kustomize api/resource/origin.go.
"""

import posixpath
from dataclasses import dataclass, replace

from engine.objects.manifests import dump
from engine.render.kustomize.repository import parse_repository

ORIGIN = "config.kubernetes.io/origin"
TRANSFORMATIONS = "alpha.config.kubernetes.io/transformations"


@dataclass(frozen=True, slots=True)
class Origin:
    """A place, and what was configured there.

    path: from the folder that is built, or from the root of `repo`.  configured_by: (apiVersion,
    kind, name, namespace) of the generator or transformer.
    """

    path: str = ""
    repo: str = ""
    ref: str = ""
    configured_in: str = ""
    configured_by: tuple[str, ...] = ()

    def below(self, path: str) -> "Origin":
        """The place that `path` names, seen from here."""
        repository = parse_repository(path)
        if repository is not None:
            return Origin(
                posixpath.normpath(repository.folder or "."), repository.clone, repository.ref
            )
        return replace(self, path=posixpath.normpath(posixpath.join(self.path, path)))

    def configures(self, api_version: str, kind: str, *names: str) -> "Origin":
        """What a generator or transformer that this file configures does.

        names: its name and namespace, if it has any.
        """
        return Origin("", self.repo, self.ref, self.path, (api_version, kind, *names))

    @property
    def text(self) -> str:
        """The annotation's value: YAML, fields in kustomize's order."""
        names = ("path", "repo", "ref", "configuredIn")
        values = (self.path, self.repo, self.ref, self.configured_in)
        lines = [dump({name: value}) for name, value in zip(names, values, strict=True) if value]
        names = ("apiVersion", "kind", "name", "namespace")
        by = [
            "  " + dump({name: value})
            for name, value in zip(names, self.configured_by, strict=False)
            if value
        ]
        return "".join([*lines, *(["configuredBy:\n"] if by else []), *by])


def listed(origins: list[Origin]) -> str:
    """The annotation's value for several."""
    return "".join(
        "- " + origin.text.rstrip("\n").replace("\n", "\n  ") + "\n" for origin in origins
    )

"""What a loader asks of whoever decrypts."""

from typing import Protocol

from engine.render.kustomize.errors import Needs
from engine.sops import Format


class Opens(Protocol):
    """`engine.render.decrypt.Opener`: decrypts what a build reads."""

    @property
    def needs(self) -> Needs:
        """The data keys that were found lacking."""
        ...

    def noted(self, content: bytes, file: str) -> bytes:
        """The content of a file of manifests, as it is."""
        ...

    def file(self, content: bytes, file: str, form: Format) -> bytes:
        """The content in plain text; nothing if its data key is lacking.  Raises KustomizeError."""
        ...

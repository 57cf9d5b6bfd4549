"""Which form of an answer a client accepts: the object, its metadata, or a Table."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from engine.apiserver.errors import Refused


class Form(StrEnum):
    """The shape of an answer's body."""

    OBJECT = "object"
    METADATA = "PartialObjectMetadata"
    TABLE = "Table"
    DISCOVERY = "APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class MediaType:
    """One entry of an Accept header, or a Content-Type."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        """A parameter's value, or ""."""
        return dict(self.parameters).get(name, "")


_JSON = ("application/json", "application/*", "*/*", "application/yaml")
_FORMS = {
    ("", "", ""): Form.OBJECT,
    ("Table", "meta.k8s.io", "v1"): Form.TABLE,
    ("PartialObjectMetadata", "meta.k8s.io", "v1"): Form.METADATA,
    ("PartialObjectMetadataList", "meta.k8s.io", "v1"): Form.METADATA,
    ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2"): Form.DISCOVERY,
}


@lru_cache(maxsize=256)
def parse(text: str) -> tuple[MediaType, ...]:
    """The entries of a header, in its order; qualities are not weighed."""
    found = []
    for entry in filter(None, (each.strip() for each in text.split(","))):
        name, *rest = (each.strip() for each in entry.split(";"))
        pairs = (each.partition("=") for each in rest)
        found.append(MediaType(name.lower(), tuple((k, v) for k, _, v in pairs)))
    return tuple(found)


def form_of(accept: str) -> Form:
    """The first form in an Accept header that is served.  Raises Refused (406)."""
    if not accept or accept in _JSON:
        return Form.OBJECT
    for each in parse(accept):
        form = _FORMS.get((each["as"], each["g"], each["v"]))
        if each.name in _JSON and form is not None:
            return form
    raise Refused(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json",
    )

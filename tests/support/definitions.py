"""Flux's definitions in an API server that many tests share: installed once, not by each."""

from engine.cluster import Client
from engine.cluster.resource import DEFINITIONS
from engine.installation import install_crds

_FLUX = ".toolkit.fluxcd.io"
_left: dict[str, frozenset[tuple[str, str, int]]] = {}
"""{URL of an API server: (name, uid, generation) of each definition as we left them there}."""


async def install_once(client: Client, url: str) -> None:
    """As `install_crds`, but writes nothing where all are as the last call for that URL left them.

    To apply them all costs the real API server 0.3 s of CPU, more than most tests do.
    """
    if _left.get(url) != await _present(client):
        await install_crds(client)
        _left[url] = await _present(client)


async def _present(client: Client) -> frozenset[tuple[str, str, int]]:
    listing = await client.list(DEFINITIONS, metadata_only=True)
    metadata = [obj["metadata"] for obj in listing.items]
    return frozenset(
        (each["name"], each["uid"], each.get("generation", 0))
        for each in metadata
        if each["name"].endswith(_FLUX)
    )

"""A cluster in which something of each kind stands, for commands that only look."""

import re
from pathlib import Path
from random import Random

from engine.cluster import connected
from engine.cluster.connect import locate
from engine.installation import install_crds
from engine.objects.manifests import parse
from engine.runtime import SystemClock
from tests.support.apiserver import ApiServer

FOLDER = Path(__file__).parents[1] / "golden" / "commands"
AGE = re.compile(r"(?<![\w.:@-])\d+[smhdy](\d+[smhdy])?(?![\w-])")
"""How long ago something was, which differs from run to run."""


async def furnish(server: ApiServer) -> None:
    """Makes what `world.yaml` says, statuses too; no engine runs there."""
    endpoint = locate(str(server.kubeconfig), "")
    async with connected(endpoint, SystemClock(), Random(0)) as client:
        await install_crds(client)
        for document in parse((FOLDER / "world.yaml").read_bytes(), "world.yaml"):
            obj = dict(document.obj)
            resource = await client.resource(obj["apiVersion"], obj["kind"])
            status = obj.pop("status", None)
            metadata = obj["metadata"]
            where = (resource, metadata.get("namespace", ""), metadata["name"])
            await client.create(resource, obj)
            if status is not None:
                await client.merge_patch(*where, {"status": status}, subresource="status")

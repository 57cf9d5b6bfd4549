"""A container of an image, by bubblewrap: as kubelet runs the pod of the chart.

Its root is read-only, the user is the image's, without capabilities and without a way to new ones;
it can write to /data and /tmp only.  It has a process table of its own, and this machine's network.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.build import Image

_TO_CHANGE_USER = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")


@dataclass(frozen=True, slots=True)
class Box:
    """Where containers of one image run, one after another or together."""

    image: Image
    data: Path
    "What is seen as /data; it must belong to the image's user."
    environment: Mapping[str, str] = field(default_factory=dict)
    "Beside the image's own."
    secrets: Mapping[str, Path] = field(default_factory=dict)
    "{folder below /run, where it is seen: folder of this machine}."

    def lockstep(self, *arguments: str) -> list[str]:
        """The command that runs the image with these arguments; none: those of the image."""
        config = self.image.config
        return self.command(*config["Entrypoint"], *(arguments or config["Cmd"]))

    def health_check(self) -> list[str]:
        """The command that docker runs now and then."""
        kind, *command = self.image.config["Healthcheck"]["Test"]
        assert kind == "CMD", f"a health check of kind {kind!r} needs a shell"
        return self.command(*command)

    def command(self, *command: str) -> list[str]:
        """The command that runs another one in the container."""
        uid, gid = self.image.config["User"].split(":")
        box = ["bwrap", "--die-with-parent", "--unshare-pid", "--as-pid-1", "--unshare-ipc"]
        box += ["--ro-bind", str(self.image.root), "/", "--proc", "/proc", "--dev", "/dev"]
        box += ["--tmpfs", "/run", "--bind", str(self.data), "/data"]
        box += ["--perms", "1777", "--tmpfs", "/tmp", "--chdir", "/", "--clearenv"]
        for place, folder in self.secrets.items():
            for parent in reversed(Path(place).parents[:-1]):
                box += ["--perms", "0755", "--dir", f"/run/{parent}"]
            box += ["--ro-bind", str(folder), f"/run/{place}"]
        own = dict(each.split("=", 1) for each in self.image.config["Env"])
        for name, value in (own | dict(self.environment)).items():
            box += ["--setenv", name, value]
        box += ["--cap-drop", "ALL"]
        for name in _TO_CHANGE_USER:
            box += ["--cap-add", name]
        lower = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"]
        lower += ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
        return [*box, *lower, *command]

    def said(self, command: Sequence[str]) -> tuple[int, str]:
        """The status of one of the commands, and all that it says."""
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout

"""A cluster and a repository to play on, without engine and story: for docs/tutorial.md.

Both are served by this process until a signal; the folder stays, with what was pushed there.
"""

import signal
from pathlib import Path
from shlex import quote

import anyio
import click

from engine.apiserver import serve
from engine.objects.manifests import dump
from engine.serve.git import serve_git
from engine.source.author import create_repository

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REPOSITORY = "fleet.git"

# Only this machine: nobody else is to reach what a tutorial runs.
_ENVIRONMENT = """\
export KUBECONFIG={folder}/kubeconfig
export FLEET_URL={url}
export LOCKSTEP_STORAGE_PATH={folder}/storage
export LOCKSTEP_HEALTH_ADDR=127.0.0.1:9440
export LOCKSTEP_METRICS_ADDR=127.0.0.1:0
export LOCKSTEP_STORAGE_ADDR=127.0.0.1:0
export LOCKSTEP_EVENTS_LISTEN_ADDR=127.0.0.1:0
export LOCKSTEP_RECEIVER_ADDR=127.0.0.1:9292
"""
_FILES = "kubeconfig", "env"
_OURS = "# Written anew by each `lockstep demo --empty`.\n"
_READY = """\
A Kubernetes API is served at {api}, and the repository {folder}/fleet.git
at {url}, until Ctrl-C.  No engine runs yet.  In every other terminal:

  . {folder}/env
"""


async def playground(folder: Path) -> int:
    """Serves both until a signal; the exit status.  Raises OSError.

    folder: made if it is not there.  Its repository is kept, as other files are; the cluster
    begins empty each time.
    """
    with anyio.open_signal_receiver(*_SIGNALS) as signals:
        folder = _prepared(folder)
        async with serve(workloads=True) as api, serve_git(folder) as git:
            url = git.repository_url(_REPOSITORY)
            _furnish(folder, url, dump(api.kubeconfig()))
            place = quote(str(folder))
            click.echo(_READY.format(folder=place, url=url, api=api.url), nl=False)
            await anext(signals)
    return 0


def _prepared(folder: Path) -> Path:
    """The folder, absolute, with the repository.

    Raises FileExistsError if it holds a file of somebody else that we would write over.
    """
    whole = folder.resolve()
    for path in (whole / name for name in _FILES):
        if path.exists() and not path.read_text(errors="replace").startswith(_OURS):
            raise FileExistsError(f"{path} was written by somebody else: name an empty folder")
    if not (whole / _REPOSITORY).exists():
        create_repository(whole / _REPOSITORY)
    return whole


def _furnish(folder: Path, url: str, kubeconfig: str) -> None:
    """Writes what other terminals need.   url: of the repository."""
    texts = kubeconfig, _ENVIRONMENT.format(folder=quote(str(folder)), url=url)
    for name, text in zip(_FILES, texts, strict=True):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(_OURS + text)

"""Render a whole repository: what `build --all` and `diff all` are asked, and do."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from engine.cli.building import Limits, completed_build
from engine.cli.fetching import TIMEOUT
from engine.cli.go_flags import folders_of_sources, variables_in
from engine.cli.places import Place
from engine.cli.problems import Problem
from engine.errors import BuildFailed
from engine.rehearsal import Rehearsal, Stage, rehearse
from engine.rehearsal.sources import Checkout, remotes_in
from engine.render import Rendered, Request, render
from engine.settings import Settings
from engine.source.folder import FolderTree
from engine.source.tree import Tree

NAME_ANOTHER: Final = "give the folder of the repository, or of a cluster in it"
"""What to do where there is no Kustomization."""


def with_repository(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command function with FOLDER and what its Kustomizations need beside it.

    It is given `folder`, `local_sources` and `settings`.
    """
    for option in (
        click.option(
            "--set",
            "settings",
            metavar="NAME=VALUE",
            multiple=True,
            help="A variable that the repository does not hold (repeatable).",
        ),
        click.option(
            "--local-sources",
            multiple=True,
            metavar="KIND/NAMESPACE/NAME=FOLDER,...",
            help="Folders that stand for sources which are not this repository.",
        ),
        click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path)),
    ):
        function = option(function)
    return function


def rehearsed(place: Place, root: Path, how: Mapping[str, Any]) -> Rehearsal:
    """Everything below a place rendered.   how: `local_sources` and `settings` of the options."""
    config = root / ".git" / "config"
    remotes = remotes_in(config.read_text("utf-8", "replace")) if config.is_file() else ()
    others: dict[str, Tree] = {
        key: FolderTree(path) for key, path in folders_of_sources(how["local_sources"]).items()
    }
    inner = "" if place.path == "." else place.path
    checkout = Checkout(place.tree, remotes, others)
    return rehearse(Stage(checkout, inner, _built, variables_in(how["settings"])))


def _built(tree: Tree, request: Request) -> Rendered:
    limits = Limits(Settings().build_timeout, TIMEOUT, None)
    try:
        return completed_build(partial(render, tree, request), limits)
    except Problem as problem:  # it takes too long
        raise BuildFailed(problem.format_message()) from problem

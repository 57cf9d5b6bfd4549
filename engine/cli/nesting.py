"""One Kustomization of a cluster, built from local files, and those that it makes.

What `build kustomization` and `diff kustomization` have in common.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from engine.api.kustomize import Kustomization
from engine.cli import steps
from engine.cli.building import is_flux_kustomization
from engine.cli.go_flags import folders_of_sources, listed
from engine.cli.places import Place, folder_at
from engine.cli.problems import Problem
from engine.cli.rendering import Made, decoded, source_key


def with_building(*, strict: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The command function with Flux's flags of how to build.

    strict: whether an undefined variable is an error by default.
    """
    strictness = click.option(
        "--strict-substitute/--no-strict-substitute",
        default=strict,
        show_default=True,
        help="An undefined variable without default is an error.",
    )

    def flagged(function: Callable[..., Any]) -> Callable[..., Any]:
        return _with_folders(strictness(function))

    return flagged


def _with_folders(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--in-memory-build", is_flag=True, help="As always here: no file is written."),
        click.option(
            "--ignore-paths", multiple=True, help="Files to leave out, as in a .gitignore."
        ),
        click.option(
            "--local-sources",
            multiple=True,
            metavar="KIND/NAMESPACE/NAME=FOLDER,...",
            help="Folders that stand for sources, for --recursive.",
        ),
        click.option("--recursive", "-r", is_flag=True, help="The Kustomizations in it, too."),
        click.option(
            "--kustomization-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Kustomization, if not the cluster's.",
        ),
    ):
        function = option(function)
    return function


async def inner_builds(
    outer: Made, how: Mapping[str, Any], *, is_lenient: bool = False
) -> AsyncGenerator[Made, None]:
    """The builds of the Kustomizations in a build, and in theirs; each once.

    Not those in the build of one for another cluster: they are that cluster's.
    how: `local_sources` and `ignore_paths` of the options.   is_lenient: without a folder, those of
    another cluster or of a source other than Git are left out.   Raises BuildFailed, Problem.
    """
    sources, ignored = folders_of_sources(how["local_sources"]), listed(how["ignore_paths"])
    seen = {_key(outer.ks)}
    waiting = [outer]
    for each in waiting:
        nested = _nested(each)
        if nested and each.ks.spec.kube_config is not None:
            title = "/".join(_key(each.ks))
            steps.warning(f"the Kustomizations in {title} are left out: they are for its cluster")
            continue
        for inner in nested:
            if _key(inner) in seen:
                continue
            seen.add(_key(inner))
            try:
                place = _place_of(inner, sources, ignored)
            except Problem as problem:
                is_here = inner.spec.kube_config is None
                if not is_lenient or (is_here and inner.spec.source_ref.kind == "GitRepository"):
                    raise
                steps.warning(f"it is left out: {problem}")
                continue
            one = await outer.like(inner, place)
            yield one
            waiting.append(one)


def _nested(outer: Made) -> list[Kustomization]:
    """The Kustomizations among the objects of a build."""
    objects = (each.obj for each in outer.rendered.objects)
    return [decoded(obj) for obj in objects if is_flux_kustomization(obj)]


def _place_of(ks: Kustomization, sources: Mapping[str, Path], ignored: tuple[str, ...]) -> Place:
    """The files of a Kustomization in the folder that stands for its source.  Raises Problem."""
    folder = sources.get(source_key(ks))
    if folder is None:
        raise Problem(
            f"Kustomization {ks.metadata.namespace}/{ks.metadata.name}: name a folder with "
            f"--local-sources {source_key(ks)}=FOLDER"
        )
    return replace(folder_at(folder, folder, ignored), path=ks.spec.path)


def _key(ks: Kustomization) -> tuple[str, str]:
    return ks.metadata.namespace, ks.metadata.name

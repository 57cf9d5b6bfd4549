"""A plugin of somebody else: a distribution of its own that adds a check."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from anyio import run_process

from tests.support.apiserver import api_server_of, kubeconfig
from tests.support.scripted_api import json as answer
from tests.support.scripted_api import scripted_api

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-lockstep"
version = "1.2.3"

[project.entry-points."lockstep.plugins"]
acme = "acme_lockstep:PLUGIN"
"""
MODULE = '''\
"""The checks of Acme."""

from engine.plugin import Finding, Plugin, Severity


async def check(context):
    version = (await context.client.document("/version"))["gitVersion"]
    where = context.settings.runtime_namespace
    return [Finding(Severity.WARNING, f"{version} in {where} is not ours", "ask Acme")]


PLUGIN = Plugin("acme", checks={"ownership": check})
'''
CONFLICT = MODULE.replace('"ownership"', '"leases"')


def installed(module: str, folder: Path) -> dict[str, str]:
    """The environment of a process that has the distribution besides ours."""
    source, target = folder / "source", folder / "target"
    source.mkdir()
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "acme_lockstep.py").write_text(module)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    quiet = ["--disable-pip-version-check", "--target", str(target), str(source)]
    subprocess.run([*pip, *quiet], check=True, capture_output=True, timeout=120)
    return {**os.environ, "PYTHONPATH": str(target)}


@pytest.fixture
def acme(tmp_path: Path) -> dict[str, str]:
    return installed(MODULE, tmp_path)


LOCKSTEP = [sys.executable, "-m", "engine"]


def test_its_check_is_listed_with_its_plugin_and_distribution(acme: dict[str, str]) -> None:
    ended = subprocess.run(
        [*LOCKSTEP, "check", "--list"], env=acme, capture_output=True, text=True, check=True
    )

    rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["ownership", "acme", "acme-lockstep"] in rows
    assert ["leases", "builtin", "lockstep"] in rows


async def test_its_check_runs_with_the_engine_s_client(
    acme: dict[str, str], tmp_path: Path
) -> None:
    async with scripted_api() as api:
        api.on("GET", "/version", answer({"gitVersion": "v1.36.3"}))
        path = str(api_server_of("scripted", kubeconfig(api.url), tmp_path).kubeconfig)
        ended = await run_process([*LOCKSTEP, "check", "--kubeconfig", path], env=acme, check=False)

    line = "! ownership: v1.36.3 in flux-system is not ours; ask Acme"
    assert line in ended.stdout.decode().splitlines()


def test_a_key_that_is_taken_is_an_error_that_names_both(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*LOCKSTEP, "check", "--list"],
        env=installed(CONFLICT, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr == (
        "Error: check 'leases' is given by plugin 'acme' and by 'builtin': "
        "uninstall one of the two\n"
    )

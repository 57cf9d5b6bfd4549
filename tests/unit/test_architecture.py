"""The documents and the code say the same."""

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

import engine
from engine import errors
from engine.settings import Settings

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

FLUX_REASONS = {
    "AccessDenied",
    "ArchiveOperationFailed",
    "ArtifactFailed",
    "AuthenticationFailed",
    "BuildFailed",
    "CopyFailure",
    "DependencyNotReady",
    "EmptyGitRepository",
    "Failed",
    "FeatureGateDisabled",
    "GitOperationFailed",
    "HealthCheckCanceled",
    "HealthCheckFailed",
    "InvalidCELExpression",
    "InvalidCommitSignature",
    "InvalidGitObject",
    "InvalidProviderConfiguration",
    "InvalidTagSignature",
    "InvalidVerificationMode",
    "NoArtifact",
    "NotFound",
    "PruneFailed",
    "ReconciliationFailed",
    "TokenNotFound",
    "URLInvalid",
    "ValidationFailed",
    "VerificationError",
}


def modules() -> list[Path]:
    return sorted([*ROOT.glob("engine/**/*.py"), *ROOT.glob("plugins/**/*.py")])


def test_every_module_says_its_one_job_in_a_sentence() -> None:
    without = [str(path) for path in modules() if not re.match(r'r?"""[A-Z`]', path.read_text())]

    assert without == []


def test_the_map_and_the_contract_name_the_stages_in_the_same_order() -> None:
    stages = re.findall(r"^    (\w+) +\w+ +->", engine.__doc__ or "", re.MULTILINE)
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    rank = {
        name: len(layers) - number
        for number, layer in enumerate(layers)
        for name in re.findall(r"\w+", layer)
    }

    assert stages == ["source", "render", "plan", "apply", "status"]
    assert [rank[name] for name in ("source", "render", "apply")] == sorted(
        rank[name] for name in ("source", "render", "apply")
    )


def test_architecture_md_names_every_folder_of_the_engine() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    folders = [path.parent.name for path in ROOT.glob("engine/*/__init__.py")]

    assert [name for name in folders if f"`{name}`" not in text] == []


def test_every_setting_says_what_it_means() -> None:
    assert [f.name for f in fields(Settings) if not f.metadata.get("meaning")] == []


def test_every_failure_is_a_reason_that_flux_knows() -> None:
    import engine.source.failures

    assert engine.source.failures.GitOperationFailed("text").reason == "GitOperationFailed"
    reasons = {kind("text").reason for kind in _below(errors.Failure)}

    assert reasons <= FLUX_REASONS


def _below(kind: type[errors.Failure]) -> list[type[errors.Failure]]:
    direct = [sub for sub in kind.__subclasses__() if sub.__module__.startswith("engine.")]
    return [*direct, *(deeper for sub in direct for deeper in _below(sub))]


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("requirements-dev.lock", PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_a_lock_pins_what_pyproject_asks_for_by_hash_and_names_no_index(
    lock: str, wanted: list[str]
) -> None:
    text = (ROOT / lock).read_text()
    pinned = {match.lower() for match in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    names = {re.split(r"[^\w.-]", each)[0].lower() for each in wanted}

    assert names <= pinned
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pinned)


def test_the_start_loads_nothing_heavy_that_few_need() -> None:
    """Cryptography (40 MB) comes with the first ssh URL, signature or encrypted file.

    re2 (3 MB in each process) comes with the first expression, what exports traces only if there is
    somewhere to export them to, and what draws tables never.
    """
    heavy = (
        "asyncssh",
        "cryptography",
        "pyrage",
        "pysequoia",
        "re2",
        "opentelemetry.sdk",
        "rich",
        "sqlite3",
        "engine.apiserver",
        "engine.demo",
    )
    code = (
        "import sys, engine.cli.run, engine.app, engine.reconcile.builder;"
        "from engine.plugin import load; load();"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

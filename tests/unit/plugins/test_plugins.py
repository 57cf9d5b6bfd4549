from pathlib import Path

import plugins
from engine.plugin import load
from plugins import PLUGIN

CHECKS = Path(plugins.__file__).parent / "checks"


def test_the_built_in_plugin_comes_through_the_entry_point() -> None:
    assert PLUGIN.checks.items() <= load().checks.items()


def test_every_file_of_checks_is_listed_by_its_name() -> None:
    files = {path.stem for path in CHECKS.glob("*.py")} - {"__init__"}

    assert {*PLUGIN.checks, *PLUGIN.diagnoses} == files

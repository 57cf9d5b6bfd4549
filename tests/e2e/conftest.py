"""What is collected here: only what can run, so that nothing is skipped; the end says what not.

The tests with the real flux CLI want FLUX_BIN, which `make walk` sets; each has a twin in
tests/cluster, or in tests/golden, that always runs.  The recorded behaviour of other programs lies
beside the repository, in ../shared.
"""

import os
from pathlib import Path

import pytest

_SHARED = Path(__file__).parents[3] / "shared"
_MISSING = {
    "test_flux_cli.py": "" if os.environ.get("FLUX_BIN") else "FLUX_BIN is not set",
    "test_flux_output.py": "" if os.environ.get("FLUX_BIN") else "FLUX_BIN is not set",
    "test_conformance.py": "" if (_SHARED / "tools").is_dir() else "there is no ../shared/tools",
}
collect_ignore = [name for name, missing in _MISSING.items() if missing]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name in collect_ignore:
        terminalreporter.write_line(f"left out: tests/e2e/{name}, as {_MISSING[name]}")

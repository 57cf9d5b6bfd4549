"""What is collected here: tests with the real flux CLI only where there is one."""

import os

# `make walk` sets FLUX_BIN; each test there has a twin in tests/cluster that always runs.
collect_ignore = [] if os.environ.get("FLUX_BIN") else ["test_flux_cli.py"]

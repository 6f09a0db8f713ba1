"""The last line of a benchmark run is one JSON object: every benchmark's median in seconds, and what else it noted."""

import json
from typing import Any

import pytest


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the object once everything else is printed."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    session = getattr(config, "_benchmarksession", None)  # pytest-benchmark has no public way to the results
    if reporter is None or session is None or not session.benchmarks:
        return
    found: dict[str, dict[str, Any]] = {"benchmarks": {}}
    for bench in session.benchmarks:
        if bench.has_error or not bench.stats.rounds:
            continue
        name = bench.name.removeprefix("test_")
        found["benchmarks"][name] = round(float(bench.stats.median), 7)
        for what, value in bench.extra_info.items():
            found.setdefault(what, {})[name] = value
    reporter.ensure_newline()
    reporter.write_line(json.dumps(found))

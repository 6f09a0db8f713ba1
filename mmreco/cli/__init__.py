"""Commands: `mmreco demo | compare | embed | fit | recommend | similar | search | evaluate | verify | sign | serve |
refit | experiment | pseudonymise | audit | quickstart`.

Exit codes: 0 done, 2 the request is unusable (one line on standard error says why), 3 some content was refused
by `embed` (the rest is written). With `--json` the last line of standard output is one JSON object.
"""

from mmreco.cli import (
    compare,
    demo,
    embed,
    evaluate,
    experiment,
    fit,
    privacy,
    quickstart,
    recommend,
    refit,
    serve,
    verify,
)
from mmreco.cli.app import app

__all__ = [
    "app",
    "compare",
    "demo",
    "embed",
    "evaluate",
    "experiment",
    "fit",
    "privacy",
    "quickstart",
    "recommend",
    "refit",
    "serve",
    "verify",
]

"""How FAISS is found: imported on first use, never two builds at once, never required.

A process that is forked after FAISS has used threads searches with one thread.
"""

import importlib
import logging
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mmreco.errors import IncompatibleError

__all__ = ["INSTALL", "faiss", "installed", "parts"]

INSTALL = "pip install 'mmreco[cpu]'"

# all of them put a package named `faiss` in the same folder, where the last one installed wins by halves
_BUILDS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu11", "faiss-gpu-cu12")

_PART = 1 << 22  # numbers worth a thread of their own: 16 MB

_log = logging.getLogger(__name__)


def installed() -> list[str]:
    """The FAISS distributions in this environment, e.g. `["faiss-cpu 1.15.1"]`."""
    builds = []
    for name in _BUILDS:
        try:
            builds.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return builds


@cache
def faiss() -> Any:
    """The module `faiss`, or None where it is not installed (logged once, with the line that installs it).

    Raises
    ------
    IncompatibleError
        Two builds of FAISS are installed over one another; both are named.
    """
    builds = installed()
    if len(builds) > 1:
        raise IncompatibleError(
            f"{len(builds)} builds of FAISS in one environment: {' and '.join(builds)}; they overwrite each other's "
            f"files. Uninstall all of them, then install one, e.g. {INSTALL}"
        )
    try:
        module = importlib.import_module("faiss")
    except ModuleNotFoundError:
        _log.warning("FAISS is not installed: searches are exact, by matrix products; for more speed: %s", INSTALL)
        return None
    if hasattr(os, "register_at_fork"):
        # a forked child has none of its parent's OpenMP threads, and would wait for them for ever
        os.register_at_fork(after_in_child=lambda: module.omp_set_num_threads(1))
    return module


def parts(numbers: int) -> int:
    """In how many parts a pass over so many numbers is shared among threads: as many as FAISS may use, at most."""
    module = faiss()
    return max(1, min(1 if module is None else int(module.omp_get_max_threads()), numbers // _PART))

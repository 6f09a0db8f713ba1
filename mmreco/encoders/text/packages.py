"""Where an installed package that holds weights lies; it is looked up, not imported: none of its code runs."""

import importlib.util
from pathlib import Path

__all__ = ["package_folder"]


def package_folder(package: str) -> Path | None:
    """The folder of an installed package; None where it is not installed."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a module of that name without a spec
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin).parent

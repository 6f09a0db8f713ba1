"""The exceptions mmreco raises, as a tree.

::

    MMRecoError
    ├── DataError          the caller's table, file or array is unusable    (also ValueError)
    ├── UnknownIdError     an id is not in the map                          (also KeyError)
    ├── NotFittedError     fit() has not been called                        (also RuntimeError)
    ├── IncompatibleError  two artefacts disagree on ids, width or version  (also ValueError)
    └── MissingExtraError  an optional dependency is not installed          (also ImportError)

A message says what was given, what was expected and how to mend it.
"""

__all__ = [
    "DataError",
    "IncompatibleError",
    "MMRecoError",
    "MissingExtraError",
    "NotFittedError",
    "UnknownIdError",
]


class MMRecoError(Exception):
    """The root of everything mmreco raises on purpose."""


class DataError(MMRecoError, ValueError):
    """The caller's table, file or array is unusable; the message says where, and how to fix it."""


class UnknownIdError(MMRecoError, KeyError):
    """An id is not in the map; the message counts the unknown ids and names the first."""

    def __str__(self) -> str:  # KeyError would show the repr, quotes and all
        return str(self.args[0]) if self.args else ""


class NotFittedError(MMRecoError, RuntimeError):
    """The model was used before `fit` was called."""


class IncompatibleError(MMRecoError, ValueError):
    """Two artefacts disagree on ids, width or version."""


class MissingExtraError(MMRecoError, ImportError):
    """An optional dependency is not installed; the message gives the line that installs it."""

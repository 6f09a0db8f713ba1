"""StoredByFiles: what is written into a folder of files, as an artefact of its own."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from mmreco.storage.artefact import publish, read_artefact

__all__ = ["StoredByFiles"]


class StoredByFiles(ABC):
    """A class that says how it lies in a folder, and so can be saved and loaded."""

    def save(self, folder: str | Path) -> None:
        """Write an artefact folder (see `mmreco.storage.artefact`).

        Raises
        ------
        NotFittedError
            `fit` has not been called, where there is one.
        DataError
            `folder` holds something else.
        """
        self._require_saveable()
        with publish(folder, type(self).__name__) as path:
            self.save_to(path)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """What `save` wrote to `folder`.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else, or was written by another version.
        """
        return read_artefact(folder, cls.__name__, lambda artefact: cls.load_from(artefact.path))

    @abstractmethod
    def save_to(self, path: Path) -> None:
        """Write the files of `save` into the existing folder `path`, as part of another artefact."""

    @classmethod
    @abstractmethod
    def load_from(cls, path: Path) -> Self:
        """What `save_to` wrote."""

    def _require_saveable(self) -> None:  # noqa: B027  # most can always be saved
        """Nothing, where there is something to save."""

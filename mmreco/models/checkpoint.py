"""FolderCheckpoint: where a long training keeps its state, so that it can be interrupted and resumed."""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from mmreco.errors import IncompatibleError
from mmreco.storage.artefact import Artefact, publish, read_artefact

__all__ = ["FolderCheckpoint"]


@dataclass(frozen=True)
class FolderCheckpoint:
    """Keeps the state of one training in an artefact folder.

    Parameters
    ----------
    folder : created at the first save
    training : what is trained on what; a state kept for another training is refused
    """

    folder: Path
    training: str

    def save(self, state: dict[str, Tensor]) -> None:
        """Keep this state instead of the one before; a kill meanwhile leaves the one before."""
        with publish(self.folder, "Checkpoint", {"training": self.training}) as path:
            save_file(state, path / "state.safetensors")

    def load(self) -> dict[str, Tensor] | None:
        """The state kept last, None when there is none.

        Raises
        ------
        IncompatibleError
            It belongs to another training: other hyper-parameters, or other data.
        DataError
            It is damaged.
        """
        if not (self.folder / "CURRENT").exists():
            return None
        return read_artefact(self.folder, "Checkpoint", self._read)

    def _read(self, found: Artefact) -> dict[str, Tensor]:
        if found.about["training"] != self.training:
            raise IncompatibleError(
                f"{self.folder}: the checkpoint of another training; choose another folder, or remove it to start anew"
            )
        state: dict[str, Tensor] = load_file(found.path / "state.safetensors")
        return state

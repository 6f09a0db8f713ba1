"""Where a text model comes from: the packaged one, a folder or the hub; loaded without running anything of its own."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmreco.encoders.text.model_folder import view_of
from mmreco.encoders.text.multilingual import multilingual_folder
from mmreco.encoders.text.offline import offline_folder
from mmreco.encoders.text.safety import require_harmless
from mmreco.encoders.text.weights import require_vocabulary, require_weights
from mmreco.errors import DataError

__all__ = ["LOADING", "load_model", "locate", "longest_input", "quiet"]

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model")  # of a model on the hub; never its pickles or its code
LOADING = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    ImportError,
    ArithmeticError,
)
"""What loading a model folder may raise in Python's own terms."""


def locate(name_or_path: str | Path) -> tuple[str, Path]:
    """The name to keep, and the folder, checked, that it stands for.

    Raises
    ------
    MissingExtraError
        A packaged model is asked for and not installed.
    DataError
        There is no such folder and no such name on the hub, or the folder is hostile.
    """
    packaged = {"offline": offline_folder, "offline-multilingual": multilingual_folder}.get(str(name_or_path))
    if packaged is not None and isinstance(name_or_path, str):
        folder = packaged()
        require_harmless(folder)
        return name_or_path, folder
    folder = Path(name_or_path).expanduser()
    if str(name_or_path) and folder.is_dir():
        folder = folder.resolve()
        require_harmless(folder)
        return str(folder), folder
    if not isinstance(name_or_path, str) or not _HUB_NAME.fullmatch(name_or_path):
        raise DataError(
            f"TextEncoder: no folder {str(name_or_path)!r}, and no name on the hub (expected 'owner/model'); "
            "give a folder, a hub name, 'offline' or 'offline-multilingual'"
        )
    return name_or_path, _fetched(name_or_path)


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    try:
        folder = Path(snapshot_download(name, allow_patterns=list(_WANTED)))
    except (OSError, ValueError, RuntimeError, EntryNotFoundError, HfHubHTTPError) as error:
        raise DataError(
            f"TextEncoder: no folder {name!r} here, and the hub gives no model of that name "
            f"({type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else 'no reason'}). "
            f"Where there is a network, run: hf download {name} --local-dir model, bring the folder and give its path; "
            "or use TextEncoder('offline') after: pip install 'mmreco[offline]', or "
            "TextEncoder('offline-multilingual') after: pip install 'mmreco[multilingual]'"
        ) from error
    require_harmless(folder, cache=folder.parent.parent)  # models--owner--name/snapshots/commit
    return folder


def load_model(folder: Path, device: str) -> Any:
    """The model of a folder that was checked, a `SentenceTransformer` on the device: float32 on the CPU, else 16 bits.

    Raises
    ------
    DataError
        The device is not there, or the model cannot be loaded.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    settings: dict[str, Any] = {"use_safetensors": True}
    if where.startswith("cuda"):
        if not torch.cuda.is_available():
            raise DataError(f"TextEncoder: device={device!r}, but torch sees no GPU; use 'auto' or 'cpu'")
        settings["dtype"] = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    else:
        settings["dtype"] = torch.float32
    try:
        with quiet(), view_of(folder) as view:
            require_weights(folder, view)
            model = SentenceTransformer(
                str(view.folder), device=where, trust_remote_code=False, local_files_only=True, model_kwargs=settings
            )
            require_vocabulary(folder, model)
            return model
    except DataError:
        raise
    except (*LOADING, SafetensorError, StrictDataclassError) as error:
        raise _unloadable(folder, where, error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of a library in Rust; no Exception
            raise
        raise _unloadable(folder, where, error) from error


def _unloadable(folder: Path, where: str, error: BaseException) -> DataError:
    reason = str(error).strip().splitlines()
    return DataError(
        f"{folder}: cannot be loaded as a text model on {where!r} ({type(error).__name__}: "
        f"{reason[0][:200] if reason else 'no reason'})"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """transformers draws a bar while it loads, and warns of older settings; both are put back as they were."""
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if shown:
            bars.enable_progress_bar()  # type: ignore[no-untyped-call]


def longest_input(model: Any) -> int | None:
    """The longest text the model can read, in tokens; None where its settings do not tell."""
    config = model.config
    tokens = getattr(config, "max_position_embeddings", None) if config is not None else None
    if tokens is None:
        return None
    offset = 2 if config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0  # rows kept for padding
    return int(tokens) - offset

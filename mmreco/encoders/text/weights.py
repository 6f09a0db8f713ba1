"""Whether a transformer's file holds all of its weights, and a tokenizer no more tokens than there are vectors.

transformers fills weights that a file lacks with random numbers and a warning, others at each load.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mmreco.encoders.tensors import Shapes, require_same
from mmreco.encoders.text.model_folder import View
from mmreco.errors import DataError

__all__ = ["require_vocabulary", "require_weights"]

_ENCODERS: Final = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel", "umt5": "UMT5EncoderModel"}
_UNUSED: Final = ("pooler.",)  # what no sentence vector is made of
# Of tasks that are not ours: heads that files of pretrained models hold.
_HEADS: Final = [
    "cls.",
    "lm_head.",
    "classifier.",
    "qa_outputs.",
    "score.",
    "predictions.",
    "vocab_transform.",
    "vocab_layer_norm.",
    "vocab_projector.",
    "generator_predictions.",
    "generator_lm_head.",
    "discriminator_predictions.",
    "mlm_head.",
    "lm_predictions.",
    "mask_predictions.",
    "sop_classifier.",
    "head.",
    "decoder.",
]
_BUFFERS: Final = (".position_ids", ".inv_freq", ".token_type_ids")
_RENAMED: Final = {".gamma": ".weight", ".beta": ".bias"}  # of layer norms in files of TensorFlow's days


def require_weights(source: Path, view: View, *, classifies: bool = False) -> None:
    """Nothing, where the file holds every weight of the transformer in its shape.

    The model is described without memory for its numbers, from settings whose sizes are bounded by the file.

    Parameters
    ----------
    source : the folder, for the message
    view : of it
    classifies : whether the model has a head that answers with classes, optional

    Raises
    ------
    DataError
        A weight is missing, of another shape, or belongs to another model; the first is named.
    """
    import torch
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    if view.transformer is None:
        return
    kind = str(view.settings["model_type"])
    try:
        config = transformers.AutoConfig.from_pretrained(str(view.transformer), local_files_only=True)
        with torch.device("meta"):
            if kind in _ENCODERS and not classifies:
                module: Any = getattr(transformers, _ENCODERS[kind])(config)
            else:
                auto: Any = transformers.AutoModelForSequenceClassification if classifies else transformers.AutoModel
                module = auto.from_config(config, trust_remote_code=False)
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RuntimeError,
        ZeroDivisionError,
        OSError,
        StrictDataclassError,
    ) as error:
        raise DataError(
            f"{source}: cannot be loaded, its settings describe no {kind} ({type(error).__name__}: {str(error)[:160]})"
        ) from error
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    tied = set(getattr(module, "_tied_weights_keys", None) or ())
    prefix = str(module.base_model_prefix)
    own = _own(view.tensors, prefix, expected)
    unused = () if classifies else _UNUSED
    needed = {
        name: shape
        for name, shape in expected.items()
        if name in own or not (name.startswith(unused) or name in tied or name.endswith(_BUFFERS))
    }
    require_same(source, own, needed)


def require_vocabulary(source: Path, model: Any) -> None:
    """Nothing, where there are tokens, and a vector for each.

    Raises
    ------
    DataError
        The vocabulary is empty, or a token has no vector.
    """
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    first, tokenizer = next(iter(model)), model.tokenizer
    inner = getattr(first, "model", None)
    if isinstance(inner, PreTrainedModel) and isinstance(tokenizer, PreTrainedTokenizerBase):
        embedding: Any = inner.get_input_embeddings()
        vectors, vocabulary = len(embedding.weight), tokenizer.get_vocab()
        special = set(tokenizer.all_special_tokens)
    else:
        vectors, vocabulary, special = len(first.embedding.weight), tokenizer.get_vocab(), set()
    if not vocabulary.keys() - special:
        raise DataError(f"{source}: an empty vocabulary; expected a tokenizer with words")
    highest = max(vocabulary, key=vocabulary.__getitem__)
    if vocabulary[highest] >= vectors:
        raise DataError(
            f"{source}: token {highest!r:.40} is number {vocabulary[highest]:,}, and there are {vectors:,} vectors of "
            "tokens; bring the tokenizer that belongs to the weights"
        )


def _own(tensors: Mapping[str, tuple[int, ...]], prefix: str, expected: Mapping[str, Any]) -> Shapes:
    """The tensors under the model's own names; heads of other tasks and buffers left out."""
    own: Shapes = {}
    for name, shape in tensors.items():
        named = name
        for old, new in _RENAMED.items():
            if name.endswith(old):
                named = name.removesuffix(old) + new
        bare = named.removeprefix(prefix + ".")
        if named not in expected and bare in expected:
            named = bare
        if named in expected or not (named.startswith(tuple(_HEADS)) or named.endswith(_BUFFERS)):
            own[named] = shape
    return own

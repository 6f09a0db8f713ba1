"""The settings a text model's folder may hold: of modules, prompts, the transformer and its tokenizer.

Known keys with known types and bounds; the sizes among them are compared with the weights elsewhere.
"""

import re
from pathlib import Path
from typing import Any, Final

from mmreco.encoders.text.settings import (
    Rule,
    allowed,
    any_of,
    each,
    every_value,
    flag,
    integer,
    nothing,
    number,
    one_of,
    optional,
    settings_of,
    text,
)
from mmreco.errors import DataError

__all__ = ["MODEL_TYPES", "SENTENCE_FILES", "module_kinds", "module_settings", "model_settings", "text_settings"]

MODEL_TYPES: Final = [
    "albert",
    "bert",
    "camembert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "ernie",
    "eurobert",
    "gemma3_text",
    "llama",
    "mistral",
    "mobilebert",
    "modernbert",
    "mpnet",
    "mt5",
    "nomic_bert",
    "qwen2",
    "qwen3",
    "rembert",
    "roberta",
    "roberta-prelayernorm",
    "t5",
    "umt5",
    "xlm-roberta",
    "xlm-roberta-xl",
]
"""Transformers that are loaded: those whose settings say nothing but sizes and kinds of layers."""

SENTENCE_FILES: Final = tuple(
    f"sentence_{kind}_config.json"
    for kind in ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"]
)

_MODULE: Final = re.compile(r"sentence_transformers(\.[a-z_]+)*\.(?P<kind>[A-Z][A-Za-z]+)", re.ASCII)
_PATH: Final = re.compile(r"[\w.-]{0,80}", re.ASCII)
_FEATURE: Final = one_of("token_embeddings", "sentence_embedding", "last_hidden_state")
_WIDTH: Final = integer(1, 1 << 16)
_LENGTH: Final = optional(integer(1, 1 << 20))
_DTYPE: Final = optional(one_of("float32", "float16", "bfloat16", "auto"))
_ATTENTION: Final = optional(one_of("eager", "sdpa"))
_POOLING: Final = one_of("mean", "max", "cls", "lasttoken", "weightedmean", "mean_sqrt_len_tokens")
_ACTIVATIONS: Final = one_of(
    *(
        f"torch.nn.modules.activation.{name}"
        for name in ("Tanh", "ReLU", "GELU", "SiLU", "Sigmoid", "ELU", "LeakyReLU")
    ),
    "torch.nn.modules.linear.Identity",
)

_MODEL_OPTIONS: Final = settings_of(
    {"dtype": _DTYPE, "torch_dtype": _DTYPE, "attn_implementation": _ATTENTION, "add_pooling_layer": flag}
)
_TOKENIZER_OPTIONS: Final = settings_of(
    {"model_max_length": _LENGTH, "padding_side": one_of("left", "right"), "do_lower_case": flag, "use_fast": flag}
)
_CONFIG_OPTIONS: Final = settings_of({"use_cache": flag})
_TRANSFORMER: Final[dict[str, Rule]] = {
    "max_seq_length": _LENGTH,
    "do_lower_case": flag,
    "transformer_task": one_of("feature-extraction"),
    "modality_config": settings_of(
        {"text": settings_of({"method": one_of("forward"), "method_output_name": _FEATURE})}
    ),
    "module_output_name": _FEATURE,
    "unpad_inputs": optional(flag),
    "query_length": _LENGTH,
    "document_length": _LENGTH,
    "query_expansion": nothing,
    "processing_kwargs": nothing,
    **dict.fromkeys(("model_args", "model_kwargs"), any_of(nothing, _MODEL_OPTIONS)),
    **dict.fromkeys(("tokenizer_args", "processor_kwargs"), any_of(nothing, _TOKENIZER_OPTIONS)),
    **dict.fromkeys(("config_args", "config_kwargs"), any_of(nothing, _CONFIG_OPTIONS)),
}
_MODULES: Final[dict[str, dict[str, Rule]]] = {
    "Transformer": _TRANSFORMER,
    "Pooling": {
        "word_embedding_dimension": _WIDTH,
        "embedding_dimension": _WIDTH,
        "pooling_mode": any_of(_POOLING, each(_POOLING, 6)),
        **{
            f"pooling_mode_{mode}": flag
            for mode in (
                "cls_token",
                "mean_tokens",
                "max_tokens",
                "mean_sqrt_len_tokens",
                "weightedmean_tokens",
                "lasttoken",
            )
        },
        "include_prompt": flag,
    },
    "Dense": {
        "in_features": _WIDTH,
        "out_features": _WIDTH,
        "bias": flag,
        "activation_function": _ACTIVATIONS,
        "module_input_name": _FEATURE,
        "module_output_name": optional(_FEATURE),
        "use_residual": flag,
    },
    "LayerNorm": {"dimension": _WIDTH},
    "Dropout": {"dropout": number(0, 1)},
    "Normalize": {"module_input_name": _FEATURE, "module_output_name": optional(_FEATURE)},
    "StaticEmbedding": {},
}
_SENTENCE: Final[dict[str, Rule]] = {
    "__version__": every_value(text(80), 16),
    "prompts": every_value(text(10_000), 64),
    "default_prompt_name": optional(text(80)),
    "similarity_fn_name": optional(one_of("cosine", "dot", "euclidean", "manhattan")),
    "model_type": one_of("SentenceTransformer"),
    "truncate_dim": nothing,
}
_SCALAR: Final = any_of(flag, integer(-(1 << 31), 1 << 31), number(-1e30, 1e30), text(200), nothing)
_TOKEN: Final = any_of(
    optional(text(200)),
    settings_of(
        {
            "content": text(200),
            "__type": one_of("AddedToken"),
            "id": integer(0, 1 << 24),
            **dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized", "special"), flag),
        }
    ),
)
_TOKENS: Final[dict[str, Rule]] = {
    **{f"{kind}_token": _TOKEN for kind in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")},
    "additional_special_tokens": optional(each(_TOKEN, 1_000)),
    "extra_special_tokens": any_of(nothing, each(_TOKEN, 1_000), every_value(_TOKEN, 1_000)),
}
_TOKENIZER: Final[dict[str, Rule]] = {
    **_TOKENS,
    "added_tokens_decoder": every_value(_TOKEN, 10_000),
    "model_max_length": number(1, 1e31),
    "max_length": _LENGTH,
    "model_input_names": each(one_of("input_ids", "token_type_ids", "attention_mask"), 3),
    "padding_side": one_of("left", "right"),
    "truncation_side": one_of("left", "right"),
    "truncation_strategy": optional(text(40)),
    "tokenizer_class": text(60),
    "processor_class": nothing,
    "pad_to_multiple_of": optional(integer(1, 1024)),
    "pad_token_type_id": integer(0, 64),
    "stride": integer(0, 0),
    "sp_model_kwargs": nothing,
    "never_split": nothing,
    "auto_map": nothing,
    "errors": one_of("replace", "ignore", "strict"),
    "vocab_type": text(20),
    "backend": text(40),
    **dict.fromkeys(("name_or_path", "_name_or_path"), text(400)),  # where it came from; nothing is read there
    **dict.fromkeys(("special_tokens_map_file", "tokenizer_file", "vocab_file", "merges_file", "spm_file"), nothing),
    **dict.fromkeys(("chat_template", "response_template"), any_of(nothing, text(100_000))),
    **dict.fromkeys(
        [
            "add_bos_token",
            "add_eos_token",
            "add_prefix_space",
            "clean_up_tokenization_spaces",
            "do_basic_tokenize",
            "do_lower_case",
            "do_lowercase",
            "do_lower",
            "fix_mistral_regex",
            "is_local",
            "keep_accents",
            "legacy",
            "local_files_only",
            "normalize",
            "remove_space",
            "split_by_punct",
            "split_special_tokens",
            "strip_accents",
            "tokenize_chinese_chars",
            "trim_offsets",
            "use_default_system_prompt",
            "use_fast",
            "wordpieces_prefix",
            "trust_remote_code",
            "from_slow",
            "add_dummy_prefix_space",
        ],
        any_of(optional(flag), text(8)),
    ),
}
# Of a transformer's own settings: those that name code or files, or that nobody needs for vectors.
_UNREAD: Final = frozenset(
    {"id2label", "label2id", "num_labels", "problem_type", "return_dict", "output_hidden_states", "output_attentions"}
    | {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "use_cache", "pruned_heads"}
)
_NESTED: Final = any_of(_SCALAR, each(_SCALAR, 1_024), every_value(any_of(_SCALAR, every_value(_SCALAR, 64)), 64))


def module_kinds(path: Path, modules: Any) -> list[tuple[str, str]]:
    """The kind and the subfolder of each module that `modules.json` lists.

    Raises
    ------
    DataError
        It is not a list of modules, one is of no kind that is known, or its path is not a plain name.
    """
    if not isinstance(modules, list) or not 1 <= len(modules) <= 16:
        raise DataError(f"{path}: expected a list of 1 to 16 modules")
    rules: dict[str, Rule] = {"idx": integer(0, 16), "name": text(80), "path": text(80), "type": text(200)}
    kinds: list[tuple[str, str]] = []
    for module in modules:
        about = allowed(path, module, {**rules, "kwargs": nothing})
        match = _MODULE.fullmatch(str(about.get("type")))
        if match is None or match["kind"] not in _MODULES:
            raise DataError(f"{path}: module {about.get('type')!r:.80}; expected one of {', '.join(_MODULES)}")
        place = about.get("path", "")
        if not _PATH.fullmatch(place) or place.startswith("."):
            raise DataError(f"{path}: path {place!r:.80} leaves the model's folder; expected a folder in it")
        first = not kinds
        if first != (match["kind"] in ("Transformer", "StaticEmbedding")):
            raise DataError(f"{path}: {match['kind']} is module {len(kinds)}; expected a Transformer, then others")
        kinds.append((match["kind"], place))
    return kinds


def module_settings(path: Path, kind: str, settings: Any) -> dict[str, Any]:
    """The settings of a module of this kind.

    Raises
    ------
    DataError
        One is not known, or has another type or value than it may have.
    """
    return allowed(path, settings, _MODULES[kind])


def text_settings(path: Path, settings: Any) -> dict[str, Any]:
    """The settings in a file of prompts or of tokens, by its name.

    Raises
    ------
    DataError
        One is not known, or has another type or value than it may have.
    """
    if path.name == "config_sentence_transformers.json":
        return allowed(path, settings, _SENTENCE)
    if path.name == "added_tokens.json":
        expected = every_value(integer(0, 1 << 24), 10_000)(settings)
        if expected:
            raise DataError(f"{path}: expected {expected}")
        return dict(settings)
    if path.name == "special_tokens_map.json":
        return allowed(path, settings, _TOKENS)
    given = allowed(path, settings, _TOKENIZER)
    templates = ("chat_template", "response_template")  # code of a kind, for what nobody asks of a text encoder
    return {key: value for key, value in given.items() if key not in templates}


def model_settings(path: Path, settings: Any, tensors: int, *, classifies: bool = False) -> dict[str, Any]:
    """The settings of a transformer that its class knows; the others say nothing to it and are left out.

    Parameters
    ----------
    path : of `config.json`
    settings : what it holds
    tensors : how many there are, of which every layer has one at least
    classifies : whether the number of classes counts, optional

    Raises
    ------
    DataError
        The model is of no known type, or a setting has another type or value than it may have.
    """
    from transformers import CONFIG_MAPPING

    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind not in MODEL_TYPES or kind not in CONFIG_MAPPING:
        raise DataError(f"{path}: model_type {kind!r:.80}; expected one of {', '.join(MODEL_TYPES)}")
    made = CONFIG_MAPPING[kind]
    names = {*made().to_dict(), *made.attribute_map} - _UNREAD
    if "rope_parameters" in names:
        names |= {"rope_theta", "rope_scaling"}  # its older names
    known = {key: value for key, value in settings.items() if key in names}
    if classifies:
        labels = settings.get("id2label")
        known["num_labels"] = len(labels) if isinstance(labels, dict) else settings.get("num_labels", 1)
    return allowed(path, known, {key: _rule(key, tensors) for key in known})


def _rule(key: str, tensors: int) -> Rule:
    if key == "model_type":
        return text(40)
    if key == "num_labels":
        return integer(1, 1_000)
    if "implementation" in key:
        return _ATTENTION
    if key.startswith("rope_") and key != "rope_theta":
        return optional(every_value(any_of(_SCALAR, every_value(_SCALAR, 64), each(_SCALAR, 1_024)), 64))
    if key.endswith("token_id"):
        return any_of(optional(integer(-1, 1 << 24)), each(integer(-1, 1 << 24), 64))
    if key.endswith(("layers", "groups", "blocks", "layer", "group_num")):
        return optional(integer(0, max(1, tensors)))
    if key in ("vocab_size", "max_position_embeddings"):
        return integer(-1, 1 << 24)
    return any_of(flag, integer(-(1 << 20), 1 << 20), number(-1e30, 1e30), text(200), nothing, _NESTED)

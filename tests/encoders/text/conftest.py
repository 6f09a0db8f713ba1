"""A small model's folder, as transformers saves it."""

from pathlib import Path

import pytest
from random_bert import WORDS, save_bert


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of a few thousand weights, with pooling, a dense layer and prompts."""
    import json

    import torch
    from safetensors.torch import save_file
    from transformers import BertModel

    path = save_bert(tmp_path_factory.mktemp("models") / "bert", WORDS)
    generator = torch.Generator().manual_seed(0)
    model = BertModel.from_pretrained(path).eval()
    for weight in model.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.3
    model.save_pretrained(path)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense", "3_Normalize": "Normalize"}
    modules = [
        {"idx": number, "name": str(number), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for number, (place, kind) in enumerate(kinds.items())
    ]
    (path / "modules.json").write_text(json.dumps(modules))
    for place in ("1_Pooling", "2_Dense"):
        (path / place).mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    (path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    dense = {
        "in_features": 32,
        "out_features": 16,
        "bias": True,
        "activation_function": "torch.nn.modules.activation.Tanh",
    }
    (path / "2_Dense" / "config.json").write_text(json.dumps(dense))
    weights = {"linear.weight": torch.randn(16, 32, generator=generator), "linear.bias": torch.zeros(16)}
    save_file(weights, path / "2_Dense" / "model.safetensors")
    (path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": False}))
    (path / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "query : "}}))
    return path

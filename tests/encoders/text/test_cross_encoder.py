"""CrossEncoder: query and document read together; batches and order of no account; strangers' folders refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_bert import save_bert

from mmreco.encoders.text.cross_encoder import CrossEncoder
from mmreco.errors import DataError

WORDS = ["red", "blue", "dress", "shirt", "for", "women"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("models") / "reader", WORDS, scores=True)


def test_pairs_are_scored_whatever_is_beside_them(folder: Path) -> None:
    reader = CrossEncoder(folder, device="cpu", max_length=64)
    documents = [["red dress for women", "blue shirt"], [], ["red dress"]]
    together = reader.score(["red dress", "blue", "dress"], documents)
    assert [len(scores) for scores in together] == [2, 0, 1]
    alone = np.concatenate([reader.score(["red dress"], [[text]])[0] for text in documents[0]])
    np.testing.assert_allclose(together[0], alone, atol=1e-5)
    assert together[0][0] != together[0][1]
    assert reader.score([], []) == []
    assert [len(s) for s in reader.score(["red"], [[]])] == [0]


def test_eight_bits_are_near(folder: Path) -> None:
    documents = [["red dress for women", "blue shirt", "women"]]
    exact = CrossEncoder(folder, device="cpu").score(["red dress"], documents)[0]
    try:
        rounded = CrossEncoder(folder, device="cpu", backend="int8").score(["red dress"], documents)[0]
    except DataError as error:
        pytest.skip(str(error))
    np.testing.assert_allclose(rounded, exact, atol=0.2 * np.abs(exact).max() + 0.1)


def test_what_is_wrong_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="backend='int4'"):
        CrossEncoder(folder, backend="int4")
    with pytest.raises(DataError, match="max_length=0"):
        CrossEncoder(folder, max_length=0)
    with pytest.raises(DataError, match="1 queries and 2 lists"):
        CrossEncoder(folder, device="cpu").score(["red"], [["a"], ["b"]])
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(DataError, match="may run code"):
        CrossEncoder(tmp_path)


def test_weights_that_are_missing_are_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    for number, lost in enumerate(("classifier.weight", "pooler.dense.weight", "layer.1.output.dense.bias")):
        copy = Path(shutil.copytree(folder, tmp_path / str(number)))
        tensors = load_file(copy / "model.safetensors")
        save_file(
            {k: v for k, v in tensors.items() if not k.endswith(lost)}, copy / "model.safetensors", {"format": "pt"}
        )
        with pytest.raises(DataError, match=f"1 weights missing, first .*{lost}"):
            CrossEncoder(copy, device="cpu")


def test_hostile_settings_are_refused(folder: Path, tmp_path: Path) -> None:
    import json
    import shutil

    settings: list[dict[str, Any]] = [
        {"num_hidden_layers": 3_000},
        {"id2label": {str(number): "x" for number in range(10**5)}},
        {"type_vocab_size": 2 * 10**6},
        {"attn_implementation": {"": "evil/kernel"}},
        {"model_type": "gpt_neox"},
    ]
    for number, evil in enumerate(settings):
        copy = Path(shutil.copytree(folder, tmp_path / str(number)))
        config = copy / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | evil))
        with pytest.raises(DataError, match=r"config\.json|weights"):
            CrossEncoder(copy, device="cpu")


def test_queries_and_documents_are_lists_of_texts(folder: Path) -> None:
    reader = CrossEncoder(folder, device="cpu", max_length=64)
    for queries, documents in ((["red"], ["red dress"]), (["red"], [[None]]), (["\ud800"], [["red"]])):
        with pytest.raises(DataError, match="texts: "):
            reader.score(queries, documents)  # type: ignore[arg-type]

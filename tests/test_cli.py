"""The command line: what it prints, what it refuses, and with which exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from mmreco import Dataset, Embeddings, ImageEncoder, Recommender
from mmreco.cli import app
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop

COMMANDS = (
    "demo",
    "compare",
    "embed",
    "fit",
    "recommend",
    "similar",
    "search",
    "evaluate",
    "verify",
    "sign",
    "serve",
    "refit",
    "pseudonymise",
    "audit",
    "quickstart",
)


@pytest.fixture(scope="module")
def shop() -> SyntheticShop:
    return synthetic_shop(n_items=96, n_users=60, seed=5)


@pytest.fixture(scope="module")
def tables(shop: SyntheticShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop's files, with a customer and a stamp by names of their own."""
    folder = tmp_path_factory.mktemp("tables")
    pq.write_table(shop.catalogue.table.append_column("item_id", shop.catalogue.items.array), folder / "items.parquet")
    log = shop.interactions
    pq.write_table(
        pa.table(
            {
                "customer": log.users.ids(log.users_flat),
                "item_id": log.items.ids(log.items_flat),
                "timestamp": log.times,
                "event": [log.event_names[e] for e in log.event_types],
            }
        ),
        folder / "events.parquet",
    )
    return folder


@pytest.fixture(scope="module")
def artefact(tables: Path) -> Path:
    """Made by the installed command, in a process of its own."""
    command = [
        sys.executable,
        "-c",
        "from mmreco.cli import app; app(prog_name='mmreco')",
        "fit",
        "--json",
        "--epochs",
        "2",
    ]
    arguments = [*paths(tables), "--rename", "events.user_id=customer", "--out", str(tables / "artefact")]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=300, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert {k: figures[k] for k in ("items", "users", "dropped")} == {"items": 96, "users": 60, "dropped": 0}
    return tables / "artefact"


def paths(tables: Path) -> list[str]:
    return ["--items", str(tables / "items.parquet"), "--events", str(tables / "events.parquet")]


def renamed(tables: Path) -> list[str]:
    return [*paths(tables), "--rename", "events.user_id=customer"]


def ask(*arguments: object, code: int = 0) -> Any:
    """What a command prints as JSON."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == code, (done.output, done.exception)
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def refuse(*arguments: object) -> str:
    """The one line with which a command refuses."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 2, (done.output, done.exception)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("mmreco: ")
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert f"Example: mmreco {command} " in done.stdout


def test_every_command_is_tested_here() -> None:
    named = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback is not None}
    assert named == set(COMMANDS)


# ---- fit, and what is asked of it


def test_recommend(shop: SyntheticShop, artefact: Path) -> None:
    user = shop.interactions.users.ids([0])[0]
    said = ask("recommend", artefact, user, "nobody", "-k", 3)
    assert [a["question"] for a in said["answers"]] == [user, "nobody"]
    assert [a["popular"] for a in said["answers"]] == [False, True]
    assert said["unknown"] == ["nobody"]
    rec = Recommender.load(artefact)
    assert [[i["item_id"] for i in a["items"]] for a in said["answers"]] == rec.recommend([user, "nobody"], k=3).ids()
    assert all(i["title"] for a in said["answers"] for i in a["items"])
    assert len(ask("recommend", artefact, user, "-k", 96, "--seen")["answers"][0]["items"]) == 96


def test_a_stranger_s_history(shop: SyntheticShop, artefact: Path) -> None:
    first, second = shop.catalogue.items.ids([0, 1])
    said = ask("recommend", artefact, "--history", f"{first},{second}", "--where", "price < 200")
    assert said["answers"][0]["items"]
    assert {i["item_id"] for i in said["answers"][0]["items"]}.isdisjoint({first, second})


def test_similar_and_search(shop: SyntheticShop, artefact: Path) -> None:
    item = shop.catalogue.items.ids([0])[0]
    near = ask("similar", artefact, item, "--k", 4)["answers"][0]["items"]
    assert len(near) == 4
    by = [ask("similar", artefact, item, "--by", by)["answers"][0]["items"] for by in ("behaviour", "content")]
    assert by[0] != by[1]
    assert item not in {i["item_id"] for i in near}
    assert len(ask("search", artefact, "--text", "red", "--text", "蓝色", "-k", 2)["answers"]) == 2


def test_without_json_it_is_for_people(shop: SyntheticShop, artefact: Path) -> None:
    done = CliRunner().invoke(app, ["recommend", str(artefact), "nobody", "-k", "2"])
    lines = done.stdout.splitlines()
    assert lines[0] == "nobody (popular):"
    assert len(lines) == 3
    assert lines[1].split()[0] in shop.catalogue.items.array.to_pylist()
    assert done.stderr == "unknown: nobody\n"


def test_verify_finds_damage(artefact: Path, tmp_path: Path) -> None:
    said = ask("verify", artefact)
    assert (said["ok"], said["kind"]) == (True, "Recommender")
    import shutil

    shutil.copytree(artefact, tmp_path / "copy")
    victim = next(p for p in sorted((tmp_path / "copy").rglob("*.safetensors")))
    victim.write_bytes(victim.read_bytes()[:-1])
    assert victim.name in refuse("verify", tmp_path / "copy")
    assert victim.name in refuse("recommend", tmp_path / "copy", "nobody")


def test_a_signature_tells_whose_it_is(artefact: Path, tmp_path: Path) -> None:
    (tmp_path / "own.key").write_bytes(bytes(range(32)))
    (tmp_path / "other.key").write_bytes(bytes(32))
    assert "not signed" in refuse("verify", artefact, "--key", tmp_path / "own.key")
    assert ask("sign", artefact, "--key", tmp_path / "own.key")["signed"]
    assert ask("verify", artefact, "--key", tmp_path / "own.key")["signed"]
    assert "another key" in refuse("verify", artefact, "--key", tmp_path / "other.key")


def test_any_model_may_be_fitted_and_users_come_too(tables: Path, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id,tier\nu1,gold\n", encoding="utf-8")
    said = ask("fit", *renamed(tables), "--users", tmp_path / "users.csv", "--model", "EASE", "--out", tmp_path / "a")
    assert said["model"] == "EASE"
    assert ask("recommend", tmp_path / "a", "nobody", "-k", 2)["answers"][0]["items"]


def test_a_catalogue_without_events_is_searched(tables: Path, tmp_path: Path) -> None:
    said = ask("fit", "--items", tables / "items.parquet", "--out", tmp_path / "a")
    assert (said["users"], said["events"]) == (0, 0)
    assert ask("search", tmp_path / "a", "--text", "red", "-k", 3)["answers"][0]["items"]


def test_evaluate_compares(tables: Path) -> None:
    said = ask(
        "evaluate", *paths(tables), "--rename", "events.user_id=customer", "--model", "Popular", "--model", "ItemKNN"
    )
    assert set(said["models"]) == {"Popular", "ItemKNN"}
    assert 0 < said["models"]["ItemKNN"]["ndcg@10"] < 1
    assert said["users"] == 60


# ---- compare


def test_compare_sets_models_side_by_side(tables: Path, tmp_path: Path) -> None:
    command = ["compare", *paths(tables), "--rename", "events.user_id=customer", "--out", tmp_path / "out"]
    said = ask(*command, "--models", "ItemKNN,Popular", "--protocol", "leave-last-out,temporal", "-k", 5)
    assert set(said["models"]) == {"Random", "ItemKNN", "Popular"}
    for of in said["models"].values():
        assert set(of) == {"ndcg@5", "interval", "p_random", "fit_seconds", "users_per_second", "memory_mb"}
    assert said["models"]["Random"]["p_random"] is None
    low, high = said["models"]["ItemKNN"]["interval"]
    assert low < said["models"]["ItemKNN"]["ndcg@5"] < high
    assert set(said["temporal"]["models"]) == set(said["models"])
    assert (said["protocol"], said["users"], said["failed"]) == ("leave-last-out", 60, {})
    assert said["verdict"]
    page = Path(said["report"]).read_text(encoding="utf-8")
    assert "Leave-last-out" in page
    assert "Temporal" in page
    whole = json.loads((tmp_path / "out" / "figures.json").read_text(encoding="utf-8"))
    assert whole["temporal"]["ItemKNN"]["figures"]["recall@20"] > 0

    kept = tmp_path / "out" / "results" / "leave-last-out" / "model-Popular" / "CURRENT"
    before = kept.stat().st_mtime_ns
    again = ask(*command, "--models", "Popular", "-k", 5, "--resume")
    assert again["models"]["Popular"]["fit_seconds"] == said["models"]["Popular"]["fit_seconds"]
    assert kept.stat().st_mtime_ns == before
    ask(*command, "--models", "Popular", "-k", 5)
    assert kept.stat().st_mtime_ns > before


def test_compare_gives_models_the_content_they_need(
    shop: SyntheticShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def demo(folder: Path, seed: int) -> Dataset:
        asked.append((folder, seed))
        return shop.dataset

    monkeypatch.setattr("mmreco.cli.compare._demo", demo)
    names = "Popular,ContentKNN,LogisticProfile,Weighted"
    said = ask("compare", "--demo", "--models", names, "--image", "none", "--out", tmp_path, "--seed", 7)
    assert asked == [(tmp_path, 7)]
    figures = {name: about["ndcg@10"] for name, about in said["models"].items()}
    assert set(figures) == {"Random", "Popular", "ContentKNN", "LogisticProfile", "Weighted"}
    assert figures["ContentKNN"] > 0
    assert figures["LogisticProfile"] != figures["Popular"], "it knows no more than how often an item is clicked"


def test_compare_reports_the_model_that_lacks_content(tables: Path, tmp_path: Path) -> None:
    command = ["compare", "--events", tables / "events.parquet", "--rename", "events.user_id=customer"]
    said = ask(*command, "--models", "ContentKNN,Popular", "--out", tmp_path)
    assert set(said["models"]) == {"Random", "Popular"}
    assert "no content" in said["failed"]["ContentKNN"]


def test_compare_leaves_what_it_did_not_make(tables: Path, tmp_path: Path) -> None:
    command = ["compare", *paths(tables), "--rename", "events.user_id=customer", "--models", "Popular"]
    mine = tmp_path / "out" / "results" / "leave-last-out" / "model-of-a-house"
    mine.mkdir(parents=True)
    (mine / "plan.txt").write_text("mine")
    for _ in range(2):
        ask(*command, "--out", tmp_path / "out")
    assert (mine / "plan.txt").read_text() == "mine"
    (tmp_path / "notes.html").write_text("mine")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "report.html").symlink_to(tmp_path / "notes.html")
    assert "report.html: there already, and not as mmreco wrote it" in refuse(*command, "--out", tmp_path / "linked")
    assert (tmp_path / "notes.html").read_text() == "mine"
    assert [path.name for path in (tmp_path / "linked").iterdir()] == ["report.html"]


def test_any_model_of_the_library_is_named(tmp_path: Path) -> None:
    from mmreco.cli.compare import _models
    from mmreco.models import MODELS

    every = _models(None, seed=3, minutes=2.0)
    assert every.keys() == MODELS.keys()
    assert next(iter(every)) == "SharedSpace"  # the longest first
    seeds = {
        getattr(model, "seed", None) or model.training.seed for model in every.values() if hasattr(model, "training")
    }
    assert seeds == {3}
    assert every["SASRec"].training.minutes == 2.0  # type: ignore[attr-defined]


def test_without_json_compare_speaks_in_sentences(tables: Path, tmp_path: Path) -> None:
    command = [
        "compare",
        *paths(tables),
        "--rename",
        "events.user_id=customer",
        "--out",
        tmp_path,
        "--models",
        "Popular",
    ]
    done = CliRunner().invoke(app, [*map(str, command)])
    assert done.exit_code == 0, done.output
    assert "leave-last-out: 2 models, 60 users" in done.stdout
    assert "has the highest ndcg@10" in done.stdout
    assert f"report: {tmp_path / 'report.html'}" in done.stdout


# ---- embed


def test_embed_resumes_and_sets_aside(shop: SyntheticShop, tmp_path: Path) -> None:
    titles = shop.catalogue.column("title")
    table = {"item_id": shop.catalogue.items.array.to_pylist(), "name": [*titles[:-2], "", "   "]}
    pq.write_table(pa.table(table), tmp_path / "items.parquet")
    command = ["embed", "--texts", tmp_path / "items.parquet", "--column", "name", "--encoder", "lexical"]
    command += ["--out", tmp_path / "store", "--shard-size", 32]
    first = ask(*command, code=3)
    assert {k: first[k] for k in ("rows", "embedded", "skipped", "refused")} == {
        "rows": 96,
        "embedded": 94,
        "skipped": 0,
        "refused": 2,
    }
    assert first["rate"] > 0
    assert first["seconds"] > 0
    second = ask(*command, code=3)
    assert (second["embedded"], second["skipped"], second["refused"]) == (0, 94, 2)
    stored = Embeddings.load(tmp_path / "store")
    assert stored.ids.array.to_pylist() == table["item_id"][:-2]
    pq.write_table(pa.table(table | {"name": titles}), tmp_path / "items.parquet")
    rows = []
    for part in ("1/2", "2/2"):
        command[command.index("--out") + 1] = tmp_path / part.replace("/", "-")
        rows.append(ask(*command, "--shard", part, "--dtype", "float16")["rows"])
    assert sum(rows) == 96
    assert min(rows) > 24
    command[command.index("--out") + 1] = tmp_path / "few"
    assert ask(*command, "--limit", 5)["rows"] == 5


def test_embed_takes_the_folder_of_a_saved_encoder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name, colour in (("hat", "red"), ("coat", "blue")):
        Image.new("RGB", (40, 40), colour).save(tmp_path / "photos" / f"{name}.png")
    encoder = ImageEncoder("torchvision/squeezenet1_0", weights="random", size=32, device="cpu")
    encoder.save(tmp_path / "network")
    command = ["embed", "--images", tmp_path / "photos", "--encoder", tmp_path / "network", "--out", tmp_path / "store"]
    assert ask(*command)["embedded"] == 2
    stored = Embeddings.load(tmp_path / "store")
    paths = [tmp_path / "photos" / f"{name}.png" for name in stored.ids.array.to_pylist()]
    np.testing.assert_allclose(stored.vectors, encoder.encode(paths), atol=1e-6)
    assert "a saved encoder, which has its own" in refuse(*command, "--weights", "net.safetensors")


def test_embed_reads_any_column_as_a_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("item_id,note,title\na,<p>007</p>,x\nb,7,y\nc,<p>&nbsp;</p>,z\n", encoding="utf-8")
    command = ["embed", "--texts", tmp_path / "t.csv", "--encoder", "lexical", "--out"]
    assert ask(*command, tmp_path / "a", "--column", "note")["embedded"] == 2
    assert Embeddings.load(tmp_path / "a").ids.ids([0, 1]) == ["a", "b"]
    renamed = ["--column", "ours", "--rename", "items.ours=note"]
    assert ask(*command, tmp_path / "b", *renamed)["embedded"] == 2
    assert ask(*command, tmp_path / "c", "--column", "title")["embedded"] == 3


# ---- refusals


def test_refusals_are_one_line(tables: Path, artefact: Path, tmp_path: Path) -> None:
    items, events = tables / "items.parquet", tables / "events.parquet"
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    for arguments, said in [
        (["verify", tmp_path], "no mmreco artefact"),
        (["verify", tmp_path / "nowhere"], "no mmreco artefact"),
        (["recommend", artefact], "user ids or --history"),
        (["recommend", artefact, "u", "--where", "colour =="], "where"),
        (["recommend", artefact, "u", "--where", "no_such_column == 1"], "no_such_column"),
        (["search", artefact], "--text, --image or both"),
        (["search", artefact, "--image", tmp_path / "none.jpg"], "image"),
        (["fit", "--items", tmp_path / "none.csv", "--events", events, "--out", tmp_path / "a"], "none.csv"),
        (
            ["fit", "--items", tmp_path / "broken.parquet", "--events", events, "--out", tmp_path / "a"],
            "broken.parquet",
        ),
        (["fit", "--items", items, "--events", events, "--out", tmp_path / "a"], "user_id"),
        (["fit", *paths(tables), "--rename", "item_id=sku", "--out", tmp_path / "a"], "items.OUR=THEIRS"),
        (["fit", *paths(tables), "--rename", "events.user_id=customer", "--weights", items, "--out", "a"], "--weights"),
        (["evaluate", *paths(tables), "--model", "Nonsense"], "Nonsense"),
        (["compare", "--out", tmp_path / "c"], "--demo, --movielens FOLDER, or --items and --events"),
        (["compare", "--demo", "--models", "Nonsense", "--out", tmp_path / "c"], "Nonsense"),
        (["compare", "--demo", *paths(tables), "--out", tmp_path / "c"], "one of them"),
        (["compare", "--movielens", tmp_path, "--out", tmp_path / "c"], "movies.dat"),
        (["compare", "--demo", "--protocol", "sometimes", "--out", tmp_path / "c"], "--protocol sometimes"),
        (["fit", "--out", tmp_path / "a"], "--items or --events"),
        (["fit", *renamed(tables), "--model", "SharedSpac", "--out", tmp_path / "a"], "model 'SharedSpac'"),
        (["fit", *renamed(tables), "--model", "EASE", "--epochs", 2, "--out", tmp_path / "a"], "--epochs: EASE"),
        (["fit", *renamed(tables), "--device", "tpu", "--out", tmp_path / "a"], "device='tpu'"),
        (["verify", artefact, "--key", tmp_path / "none.key"], "none.key"),
        (["embed", "--encoder", "lexical", "--out", tmp_path / "s"], "--images or --texts"),
        (["embed", "--texts", items, "--column", "no", "--encoder", "lexical", "--out", tmp_path / "s"], "'no'"),
        (["embed", "--images", tmp_path / "none", "--encoder", "timm/resnet50", "--out", tmp_path / "s"], "none"),
    ]:
        assert said in refuse(*arguments), arguments


def test_wrong_options_are_refused_too(artefact: Path) -> None:
    assert CliRunner().invoke(app, ["recommend", str(artefact), "u", "-k", "0"]).exit_code == 2
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2


def test_demo_prints_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(out: Path, *, seed: int, progress: bool) -> dict[str, Any]:
        asked.append((out, seed, progress))
        return {"report": str(out / "report.html"), "queries": {"红色连衣裙": 9}}

    monkeypatch.setattr("mmreco.demo.run", run)  # the job itself is tested in tests/demo
    assert ask("demo", "--out", tmp_path, "--seed", 3)["queries"] == {"红色连衣裙": 9}
    assert asked == [(tmp_path, 3, True)]


def test_a_place_that_is_not_ours_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    options = ["--items", str(tmp_path / "no such table.csv"), "--out", str(tmp_path / "mine")]
    assert "exists and is not an mmreco artefact" in refuse("fit", *options)  # the table was not even looked for


@pytest.mark.parametrize("command", [("audit",), ("experiment", "report")])
def test_what_is_no_event_store_is_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes")
    for where, words in (
        (str(tmp_path / "notes.txt"), "is a file of something else; expected a database of SQLite"),
        ("postgresql+psycopg://localhost:1/shop", "the database cannot be read"),
    ):
        if where.startswith("postgresql"):
            pytest.importorskip("psycopg")
        assert words in refuse(*command, where)


def test_a_needed_column_that_is_read_as_another_is_told(tmp_path: Path) -> None:
    items = tmp_path / "items.csv"
    items.write_text("item_id,name\na,hat\n")
    told = refuse("fit", "--items", items, "--rename", "items.title=item_id", "--out", tmp_path / "out")
    assert "'item_id' is read as 'title', and it is needed" in told

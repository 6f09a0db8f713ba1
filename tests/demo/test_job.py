"""The demo's job, on a shop small enough for a test: its figures have the promised form and its page shows them."""

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmreco.demo import job, run
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.models.training import Training
from mmreco.pages import PageOptions
from mmreco.recommender import Recommender


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "_bert", list)
        thorough = ImageEncoder.fit_pictures
        patch.setattr(ImageEncoder, "fit_pictures", lambda *a, **o: thorough(*a, **{**o, "dim": 8, "epochs": 1}))
        patch.setattr(job, "Training", lambda **options: Training(epochs=2, **options))
        patch.setattr(job, "_PICTURES", 12)
        return out, run(out, n_items=150, n_users=600)


def test_the_figures_have_the_promised_form(done: tuple[Path, dict[str, Any]]) -> None:
    _, figures = done
    assert list(figures) == ["models", "cold", "queries", "picture_query_precision", "seconds", "report"]
    assert set(figures["models"]) == {"SharedSpace", "ItemKNN", "Popular"}
    for model in figures["models"].values():
        assert set(model) == {"ndcg@10", "recall@10", "coverage"}
        assert all(0 <= figure <= 1 for figure in model.values())
    assert set(figures["cold"]) == {"share", "recall@20", "chance@20"}
    assert set(figures["queries"]) == {"红色连衣裙", "red dress"}
    assert 0 <= figures["picture_query_precision"] <= 1
    assert set(figures["seconds"]) == {"embed", "fit", "total"}
    assert figures["seconds"]["total"] >= figures["seconds"]["embed"] + figures["seconds"]["fit"] - 0.2
    assert json.loads(json.dumps(figures)) == figures


def test_words_find_red_dresses(done: tuple[Path, dict[str, Any]]) -> None:
    _, figures = done
    assert min(figures["queries"].values()) >= 2  # there are two or three


def test_the_page_shows_it(done: tuple[Path, dict[str, Any]]) -> None:
    out, figures = done
    path = Path(figures["report"])
    assert path == out / "report.html"
    text = path.read_text(encoding="utf-8")
    for said in ("“红色连衣裙”", "“red dress”", "ItemKNN", "true taste", "clicked them", 'class="badge">asked'):
        assert said in text
    assert f"{figures['models']['SharedSpace']['ndcg@10']:.4f}" in text
    assert f"{figures['cold']['recall@20']:.1%}" in text
    assert text.count('class="badge">next') == 5  # the event held out of each shopper shown
    assert path.stat().st_size < 2_000_000


def test_the_page_shows_pages_with_reasons(done: tuple[Path, dict[str, Any]]) -> None:
    out, figures = done
    text = Path(figures["report"]).read_text(encoding="utf-8")
    recommender = Recommender.load(out / "recommender")
    assert "A page for each" in text
    assert "Picked for you · Chosen from what you looked at and bought." in text
    asked = re.findall(r"<h3[^>]*>(user-\d+)", text.split("A page for each")[1].split("New products")[0])
    assert len(asked) == 2
    for user in asked:
        page = recommender.page("home", user=user, options=PageOptions(shelves=5, width=8, caps={"brand": 2}))
        first = page.catalogue.items.ids(page.shelves[0].rows[:1])[0]
        told = recommender.explain(user, first)
        for language in ("en", "zh"):
            for sentence in told.sentences(language):
                assert html.escape(sentence) in text
        rows = [row for shelf in page.shelves for row in shelf.rows.tolist()]
        assert len(rows) == len(set(rows)) > 8


def test_the_recommender_is_kept(done: tuple[Path, dict[str, Any]]) -> None:
    out, _ = done
    answer = Recommender.load(out / "recommender").recommend(["user-001"], k=5)
    assert len(answer.ids()[0]) == 5


def test_pictures_asked_about_are_not_the_catalogues(done: tuple[Path, dict[str, Any]]) -> None:
    out, _ = done
    asked = sorted((out / "photographs").glob("*.jpg"))
    assert len(asked) == 12
    for path in asked:
        assert path.read_bytes() != (out / "pictures" / path.name).read_bytes()


def test_picture_precision_does_not_count_the_product_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = job.synthetic_shop(n_items=64, n_users=2, seed=0)
    facts = shop.truth.facts
    alike = (facts.category == facts.category[0]) & (facts.colour == facts.colour[0])
    strangers = np.flatnonzero(~alike)[:10]

    class Finds:
        def search(self, *, image: Any, k: int) -> Any:
            rows = np.array([[0, *strangers]])[:, :k]
            return type("A", (), {"ranking": type("R", (), {"rows": rows})})

    assert job._picture_precision(Finds(), shop, [(0, Path("a.jpg"))]) == 0.0  # type: ignore[arg-type]

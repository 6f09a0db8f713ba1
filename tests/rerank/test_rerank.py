"""Pages out of rankings: pyversity's choices where it has them, the shop's rules always."""

import numpy as np
import pyarrow as pa
import pytest
import pyversity
from hypothesis import given, settings
from hypothesis import strategies as st

from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.rerank import Calibration, Exploration, RerankOptions, rerank

N = 60


def shop(seed: int = 0, *, brands: int = 6) -> Catalogue:
    rng = np.random.default_rng(seed)
    kinds = [[f"c{c}" for c in rng.choice(5, rng.integers(0, 3), replace=False)] for _ in range(N)]
    return Catalogue.from_frame(
        pa.table(
            {
                "item_id": [f"i{row}" for row in range(N)],
                "brand": [None if b == brands else f"b{b}" for b in rng.integers(0, brands + 1, N)],
                "category": pa.array(kinds, pa.list_(pa.string())),
                "margin": rng.random(N),
                "created": pa.array(rng.integers(0, 10**12, N), pa.timestamp("ms")),
                "segment": ["tail" if row % 3 else "head" for row in range(N)],
            }
        )
    )


def vectors(seed: int = 0, dim: int = 8) -> Embeddings:
    return Embeddings(IdMap.of([f"i{row}" for row in range(N)]), np.random.default_rng(seed).normal(size=(N, dim)))


def candidates(n: int = 4, m: int = 40, seed: int = 0) -> Ranking:
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.permutation(N)[:m] for _ in range(n)])
    return Ranking.from_scores(rng.random((n, m)).astype(np.float32), m, rows=rows)


@pytest.mark.parametrize("method", ["mmr", "msd", "dpp", "ssd"])
@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.7])
def test_the_choices_are_those_of_pyversity(method: str, diversity: float) -> None:
    asked, space = candidates(), vectors(dim=16)
    bare = space.vectors.copy()
    bare[::7] = 0  # items without a vector
    space = Embeddings(space.ids, bare)
    page = rerank(asked, RerankOptions(k=12, method=method, diversity=diversity), embeddings=space)
    for line in range(len(asked)):
        scores = asked.scores[line]
        scaled = (scores - scores.min()) / (scores.max() - scores.min())
        other = pyversity.diversify(space.vectors[asked.rows[line]], scaled, 12, strategy=method, diversity=diversity)
        np.testing.assert_array_equal(page.ranking.rows[line], asked.rows[line][other.indices])


options = st.builds(
    RerankOptions,
    k=st.integers(1, 25),
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
    method=st.sampled_from(["mmr", "msd", "dpp", "ssd"]),
    caps=st.fixed_dictionaries({"brand": st.integers(1, 3)}, optional={"category": st.integers(1, 4)}),
    minimums=st.fixed_dictionaries({}, optional={"segment": st.just({"tail": 4, "head": 3})}),
    boosts=st.sampled_from([{}, {"margin": 0.5, "created": -0.2}]),
    duplicates=st.sampled_from([None, 0.6]),
    calibration=st.sampled_from([None, Calibration(weight=0.5)]),
    exploration=st.sampled_from([None, Exploration(places=(0, 3, 7)), Exploration(places=(2,), rate=0.5)]),
)


@settings(max_examples=60)
@given(options, st.integers(0, 1000))
def test_caps_hold_whatever_else_is_asked(chosen: RerankOptions, seed: int) -> None:
    catalogue, asked = shop(seed), candidates(3, 40, seed)
    own = Interactions.from_histories([["i1", "i2"], [], ["i3"]], items=catalogue.items)
    page = rerank(asked, chosen, catalogue=catalogue, embeddings=vectors(seed), histories=own, seed=seed)
    assert page.ranking.rows.shape == (3, chosen.k)
    for line, rows in enumerate(page.ranking.rows):
        shown = rows[rows >= 0]
        assert len(set(shown)) == len(shown)
        assert set(shown) <= set(asked.rows[line])
        for column, most in chosen.caps.items():
            values = [catalogue.column(column)[row] for row in shown]
            flat = [v for one in values for v in (one if isinstance(one, list) else [one]) if v is not None]
            assert all(flat.count(value) <= most for value in flat)
        there = rows >= 0
        chances = page.propensities[line]
        assert ((chances[there] > 0) & (chances[there] <= 1)).all()
        assert np.isnan(chances[~there]).all()


def test_a_batch_equals_one_by_one() -> None:
    catalogue, asked, space = shop(), candidates(), vectors()
    own = Interactions.from_histories([["i1"], ["i2", "i9"], [], ["i3"]], items=catalogue.items)
    chosen = RerankOptions(k=8, caps={"brand": 2}, boosts={"margin": 0.1}, calibration=Calibration(weight=0.4))
    together = rerank(asked, chosen, catalogue=catalogue, embeddings=space, histories=own).ranking.rows
    for line in range(len(asked)):
        one = Ranking(asked.rows[[line]], asked.scores[[line]])
        alone = rerank(one, chosen, catalogue=catalogue, embeddings=space, histories=own.take([line]))
        np.testing.assert_array_equal(alone.ranking.rows[0], together[line])


def test_minimums_are_met_where_candidates_allow() -> None:
    catalogue = shop()
    asked = Ranking(np.arange(0, N, 1)[None, :], np.linspace(1, 0, N, dtype=np.float32)[None, :])
    page = rerank(asked, RerankOptions(k=4, diversity=0, minimums={"segment": {"head": 3}}), catalogue=catalogue)
    shown = [catalogue.column("segment")[row] for row in page.ranking.rows[0]]
    assert shown.count("head") == 3
    out_of_reach = RerankOptions(k=4, diversity=0, minimums={"segment": {"none such": 4}})
    np.testing.assert_array_equal(rerank(asked, out_of_reach, catalogue=catalogue).ranking.rows[0], [0, 1, 2, 3])


def test_boosts_lift_what_is_dear_or_new() -> None:
    catalogue, asked = shop(), candidates()
    plain = rerank(asked, RerankOptions(diversity=0), catalogue=catalogue).ranking.rows
    for column in ("margin", "created"):
        values = np.array(catalogue.table[column].cast(pa.float64() if column == "margin" else pa.int64()), dtype=float)
        lifted = rerank(asked, RerankOptions(diversity=0, boosts={column: 5.0}), catalogue=catalogue).ranking.rows
        assert values[lifted].mean() > values[plain].mean()


def test_duplicates_become_variants() -> None:
    ids = IdMap.of(["red tee", "blue tee", "mug", "cup"])
    space = Embeddings(ids, np.array([[1, 0.1], [1, 0], [0, 1], [0.1, 1]], dtype=np.float32))
    asked = Ranking(np.array([[0, 1, 2, 3]]), np.array([[4, 3, 2, 1]], dtype=np.float32))
    page = rerank(asked, RerankOptions(k=3, diversity=0, duplicates=0.9), embeddings=space)
    np.testing.assert_array_equal(page.ranking.rows, [[0, 2, -1]])
    assert page.variants(0, 0).tolist() == [1]
    assert page.variants(0, 1).tolist() == [3]


def test_calibration_keeps_the_proportions() -> None:
    items = [f"i{row}" for row in range(20)]
    catalogue = Catalogue.from_frame(pa.table({"item_id": items, "category": ["tea"] * 10 + ["mug"] * 10}))
    own = Interactions.from_histories([["i0", "i1", "i10", "i11"]], items=catalogue.items)
    asked = Ranking(np.arange(20)[None, :], np.linspace(1, 0, 20, dtype=np.float32)[None, :])
    page = rerank(
        asked, RerankOptions(k=6, diversity=0, calibration=Calibration(weight=0.9)), catalogue=catalogue, histories=own
    )
    assert (page.ranking.rows[0] < 10).sum() == 3


def test_calibration_equals_its_slow_twin() -> None:
    catalogue, asked = shop(), candidates(3)
    own = Interactions.from_histories([["i1", "i2", "i5"], ["i7"], []], items=catalogue.items)
    weight, kinds = 0.6, catalogue.column("category")
    page = rerank(
        asked, RerankOptions(k=6, diversity=0, calibration=Calibration(weight=weight)), catalogue=catalogue,
        histories=own,
    )  # fmt: skip
    for line in range(3):
        wanted = mix([kinds[row] for row in own.history(line)])
        scores = (asked.scores[line] - asked.scores[line].min()) / np.ptp(asked.scores[line])
        chosen: list[int] = []
        for _ in range(6):
            best = max(
                (c for c in range(asked.k) if c not in chosen),
                key=lambda c: (
                    (1 - weight) * scores[c]
                    - weight * divergence(wanted, mix([kinds[asked.rows[line][p]] for p in [*chosen, c]]))
                ),
            )
            chosen.append(best)
        chosen.sort(key=lambda c: -scores[c])  # the mix does not depend on the order
        np.testing.assert_array_equal(page.ranking.rows[line], asked.rows[line][chosen])


@pytest.mark.parametrize("scores", [[np.inf, 1, 0.5], [np.inf, np.inf, 0.5], [np.inf] * 3, [3e38, 1, -3e38]])
def test_infinite_scores_are_the_best(scores: list[float]) -> None:
    asked = Ranking(np.array([[2, 0, 1], [0, 1, -1]]), np.array([scores, [2, 1, -np.inf]], dtype=np.float32))
    page = rerank(asked, RerankOptions(k=3, diversity=0))
    np.testing.assert_array_equal(page.ranking.rows, [[2, 0, 1], [0, 1, -1]])


def test_an_infinite_margin_is_the_largest() -> None:
    table = pa.table({"item_id": list("abc"), "margin": [1.0, -np.inf, np.inf]})
    asked = Ranking(np.array([[0, 1, 2]]), np.array([[0.3, 0.2, 0.1]], dtype=np.float32))
    page = rerank(asked, RerankOptions(k=3, diversity=0, boosts={"margin": 5.0}), catalogue=Catalogue.from_frame(table))
    assert sorted(page.ranking.rows[0]) == [0, 1, 2]


def test_what_a_history_speaks_against_is_not_wanted() -> None:
    names, categories = list("abcdef"), ["tea", "tea", "mug", "mug", "pot", "pot"]
    catalogue = Catalogue.from_frame(pa.table({"item_id": names, "category": categories}))
    asked = Ranking(np.arange(6)[None, :], np.linspace(1, 0, 6, dtype=np.float32)[None, :])
    for disliked in (-0.01, -1.0, -9.0):
        told = pa.table({"user_id": ["u"] * 3, "item_id": ["a", "c", "e"], "weight": [1.0, disliked, 1.0]})
        own = Interactions.from_frame(told, catalogue=catalogue)
        chosen = RerankOptions(k=4, diversity=0, calibration=Calibration(weight=1.0))
        page = rerank(asked, chosen, catalogue=catalogue, histories=own)
        np.testing.assert_array_equal(page.ranking.rows, [[0, 1, 4, 5]])


def test_of_a_column_of_many_values_those_at_hand_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue, asked = shop(), candidates(3)
    own = Interactions.from_histories([["i1", "i2", "i5"], ["i7"], []], items=catalogue.items)
    chosen = RerankOptions(k=8, caps={"category": 3}, calibration=Calibration(weight=0.5))
    page = rerank(asked, chosen, catalogue=catalogue, embeddings=vectors(), histories=own)
    monkeypatch.setattr("mmreco.rerank.candidates._MANY", 0)
    again = rerank(asked, chosen, catalogue=catalogue, embeddings=vectors(), histories=own)
    np.testing.assert_array_equal(page.ranking.rows, again.ranking.rows)


def test_a_calibrated_page_has_its_best_first_and_variants_beside_theirs() -> None:
    names = ["tea", "more tea", "other tea", "mug", "cup"]
    table = pa.table({"item_id": names, "category": ["tea", "tea", "tea", "mug", "mug"]})
    catalogue = Catalogue.from_frame(table)
    space = Embeddings(catalogue.items, np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1], [0, 0.1, 1]]))
    own = Interactions.from_histories([["mug", "mug", "mug", "tea"]], items=catalogue.items)
    asked = Ranking(np.arange(5)[None, :], np.array([[0.9, 0.8, 0.7, 0.2, 0.1]], dtype=np.float32))
    calibrated = RerankOptions(k=3, diversity=0, duplicates=0.9, calibration=Calibration(weight=0.9))
    page = rerank(asked, calibrated, catalogue=catalogue, embeddings=space, histories=own)
    assert page.ranking.ids(catalogue.items) == [["tea", "more tea", "mug"]]  # the mug was chosen first
    assert page.variants(0, 1).tolist() == [2]
    assert page.variants(0, 2).tolist() == [4]
    explored = RerankOptions(
        k=2, diversity=0, calibration=Calibration(weight=0.9), exploration=Exploration(places=(5,))
    )
    page = rerank(asked, explored, catalogue=catalogue, histories=own)
    assert page.ranking.ids(catalogue.items)[0][0] == "mug"  # chances are of places as they were filled


def mix(lists: list[list[str]]) -> dict[str, float]:
    out: dict[str, float] = {}
    for kinds in lists:
        for kind in kinds:
            out[kind] = out.get(kind, 0.0) + 1 / len(kinds)
    total = sum(out.values())
    return {kind: value / total for kind, value in out.items()}


def divergence(wanted: dict[str, float], given_: dict[str, float]) -> float:
    lent = {kind: 0.99 * given_.get(kind, 0.0) + 0.01 * share for kind, share in wanted.items()}
    return sum(share * np.log(share / lent[kind]) for kind, share in wanted.items())


def test_propensities_are_the_chances() -> None:
    asked = Ranking(np.arange(5)[None, :], np.linspace(1, 0, 5, dtype=np.float32)[None, :])
    chosen = RerankOptions(k=3, diversity=0, exploration=Exploration(places=(1,), rate=0.5))
    shown: dict[int, list[float]] = {}
    for seed in range(4000):
        page = rerank(asked, chosen, seed=seed)
        assert page.ranking.rows[0, 0] == 0
        assert page.propensities[0, 0] == 1
        shown.setdefault(int(page.ranking.rows[0, 1]), []).append(page.propensities[0, 1])
    for row, chances in shown.items():
        expected = 0.5 / 4 + 0.5 * (row == 1)
        assert set(chances) == {expected}
        assert len(chances) / 4000 == pytest.approx(expected, abs=0.03)


def test_a_short_ranking_and_none_at_all() -> None:
    space = vectors()
    short = Ranking(np.array([[3, -1], [-1, -1]]), np.array([[1, -np.inf], [-np.inf, -np.inf]]))
    page = rerank(short, RerankOptions(k=3), embeddings=space)
    np.testing.assert_array_equal(page.ranking.rows, [[3, -1, -1], [-1, -1, -1]])
    nobody = Ranking(np.zeros((0, 5)), np.zeros((0, 5)))
    assert len(rerank(nobody, RerankOptions(k=3), embeddings=space)) == 0


def test_embeddings_of_some_items_in_another_order() -> None:
    catalogue, asked, space = shop(), candidates(), vectors()
    turned = Embeddings(IdMap.of(space.ids.ids(np.arange(N)[::-1])), space.vectors[::-1])
    chosen = RerankOptions(k=9, method="dpp")
    same = rerank(asked, chosen, catalogue=catalogue, embeddings=turned).ranking.rows
    np.testing.assert_array_equal(same, rerank(asked, chosen, embeddings=space).ranking.rows)


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"diversity": 1.5}, "diversity=1.5: expected 0 to 1"),
        ({"method": "mrr"}, "method='mrr': expected one of mmr"),
        ({"caps": {"brand": 0}}, r"caps\['brand'\]=0: expected a whole number of 1 or more"),
        ({"minimums": {"brand": 3}}, "expected a number a value"),
        ({"boosts": {"margin": np.nan}}, "boosts: 'margin'=nan: expected a finite number"),
        ({"duplicates": 0}, "duplicates=0: expected above 0, up to 1"),
    ],
)
def test_options_are_checked(given_: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        RerankOptions(**given_)


def test_what_options_need_must_be_there() -> None:
    asked = candidates()
    with pytest.raises(DataError, match="need embeddings="):
        rerank(asked)
    with pytest.raises(DataError, match="caps need catalogue="):
        rerank(asked, RerankOptions(diversity=0, caps={"brand": 2}))
    with pytest.raises(DataError, match="calibration needs histories="):
        rerank(asked, RerankOptions(diversity=0, calibration=Calibration()), catalogue=shop())
    with pytest.raises(DataError, match="no column 'maker'"):
        rerank(asked, RerankOptions(diversity=0, caps={"maker": 2}), catalogue=shop())
    with pytest.raises(DataError, match="holds row"):
        rerank(Ranking(np.array([[N]]), np.array([[1.0]])), embeddings=vectors())


def test_a_capped_candidate_is_a_variant_still() -> None:
    names = ["red tee", "blue tee", "mug"]
    shop_ = Catalogue.from_frame(pa.table({"item_id": names, "brand": ["Acme", "Acme", "Bolt"]}))
    space = Embeddings(shop_.items, np.array([[1, 0.1], [1, 0], [0, 1]], dtype=np.float32))
    asked = Ranking(np.array([[0, 1, 2]]), np.array([[3, 2, 1]], dtype=np.float32))
    one_each = RerankOptions(k=3, diversity=0, duplicates=0.9, caps={"brand": 1})
    page = rerank(asked, one_each, catalogue=shop_, embeddings=space)
    assert page.ranking.rows.tolist() == [[0, 2, -1]]
    assert page.variants(0, 0).tolist() == [1]


def test_a_ranking_of_no_width_gives_empty_pages() -> None:
    nothing = Ranking(np.zeros((2, 0)), np.zeros((2, 0)))
    chosen = RerankOptions(k=2, caps={"brand": 1}, boosts={"margin": 1.0}, method="dpp")
    page = rerank(nothing, chosen, catalogue=shop(), embeddings=vectors())
    assert page.ranking.rows.tolist() == [[-1, -1], [-1, -1]]
    assert np.isnan(page.propensities).all()

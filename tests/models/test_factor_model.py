import numpy as np
import pytest
import scipy.sparse as sp

from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.models import factor_model as factors
from mmreco.models.factor_model import buckets
from mmreco.models.puresvd import PureSVD


@pytest.mark.parametrize("cells", [1 << 22, 200])
def test_buckets_hold_every_row_once(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(factors, "_CELLS", cells)
    matrix = sp.random_array((200, 90), density=0.1, random_state=0, dtype=np.float32).tocsr()
    matrix = sp.vstack([matrix, sp.csr_array((1, 90)), sp.csr_array(np.ones((1, 90)))]).tocsr()
    rebuilt, seen = np.zeros(matrix.shape), []
    for rows, columns, values in buckets(matrix, 8):
        seen += rows.tolist()
        lengths = np.diff(matrix.indptr)[rows]
        assert (lengths <= columns.shape[1]).all()
        assert (columns.shape[1] <= np.maximum(2 * lengths, 4)).all()
        assert columns.size * 8 <= max(cells, columns.shape[1] * 8)
        for row, line, value in zip(rows, columns, values, strict=True):
            np.add.at(rebuilt[row], line, value)
    np.testing.assert_allclose(rebuilt, matrix.toarray())
    assert sorted(seen) == np.flatnonzero(np.diff(matrix.indptr)).tolist()


def test_a_row_is_as_wide_in_any_company() -> None:
    matrix = sp.random_array((50, 90), density=0.2, random_state=0, dtype=np.float32).tocsr()
    together = {int(r): c.shape[1] for rows, c, _ in buckets(matrix, 8) for r in rows}
    alone = {row: next(iter(buckets(matrix[[row]], 8)))[1].shape[1] for row in range(50)}
    assert together == alone


def test_what_says_nothing_gets_what_is_popular_and_the_rest_is_left_alone(log: Interactions) -> None:
    model = PureSVD(dim=5).fit(Dataset.from_interactions(log))
    users = np.array([len(set(log.users_flat[log.items_flat == item].tolist())) for item in range(25)])
    asked = Interactions.from_histories([[], ["i24"], ["i0"]], items=log.items)  # nobody clicked i24
    answer = model.recommend(histories=asked, k=5)
    assert answer.rows[:2].tolist() == [np.argsort(-users, kind="stable")[:5].tolist()] * 2
    vectors, factors_ = model.user_vectors(asked), model.factors_
    np.testing.assert_allclose(vectors[2] @ model.item_embeddings().vectors.T, factors_[0] @ factors_.T, atol=1e-6)

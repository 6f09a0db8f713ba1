"""rerank: a page out of a ranking, one place after the other, for many questions at once."""

import numpy as np

from mmreco.arguments import require_kind, require_whole
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.rerank.candidates import Candidates
from mmreco.rerank.options import RerankOptions
from mmreco.rerank.page import Page
from mmreco.rerank.result import Reranked

__all__ = ["rerank"]

_CELLS = 1 << 21  # numbers of candidates' vectors held together: 8 MiB, about what a processor keeps near


def rerank(
    ranking: Ranking,
    options: RerankOptions | None = None,
    *,
    catalogue: Catalogue | None = None,
    embeddings: Embeddings | None = None,
    histories: Interactions | None = None,
    seed: int = 0,
) -> Reranked:
    """The page each question gets: `options.k` of its candidates in a new order.

    Places are filled from the top. Each takes the candidate that brings most, of those that caps and minimums leave:
    its score, scaled to 0..1 among the question's candidates and boosted, against its similarity to the items above.
    A page that is calibrated, neither varied nor explored, then has its best items first, which its mix allows.

    Parameters
    ----------
    ranking : `n` questions, `m` candidates each
        A few hundred serve best; with no more candidates than places there is little to choose.
    options : optional
    catalogue : optional
        Needed for caps, minimums, boosts and calibration.
    embeddings : optional
        What makes two items similar; needed for `diversity` above 0 and for `duplicates`. Items without a vector are
        like no other. Over the catalogue's items or some of them; without a catalogue, over the ranking's.
    histories : `n` users, optional
        Whose proportions are kept; needed for calibration.
    seed : 0 or more
        Of what is explored; the same seed draws the same.

    Raises
    ------
    DataError
        Something is missing that the options need, or the ranking holds a row beyond the catalogue or the embeddings.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"item_id": ["a", "b", "c"], "brand": ["Acme", "Acme", "Bolt"]})
    >>> shop = Catalogue.from_frame(table)
    >>> found = Ranking(np.array([[0, 1, 2]]), np.array([[0.9, 0.8, 0.1]]))
    >>> page = rerank(found, RerankOptions(k=2, diversity=0, caps={"brand": 1}), catalogue=shop)
    >>> page.ranking.ids(shop.items)
    [['a', 'c']]
    """
    options = RerankOptions() if options is None else require_kind("rerank: options", options, RerankOptions)
    require_kind("rerank", ranking, Ranking)
    if embeddings is not None:
        require_kind("rerank: embeddings", embeddings, Embeddings)
    _require_parts(ranking, options, catalogue, embeddings, histories)
    seed = require_whole("seed", seed, least=0)
    (n, m), k = ranking.rows.shape, options.k
    luck = np.random.default_rng(seed).random((n, k, 2)) if options.exploration else np.zeros((n, 0, 2))
    rows, propensities = np.full((n, k), -1), np.full((n, k), np.nan)
    explored, variant_of = np.zeros((n, k), dtype=np.bool_), np.full((n, m), -1)
    step = max(1, _CELLS // max(1, m * (1 if embeddings is None else embeddings.dim)))
    for start in range(0, n, step):
        some, own = ranking, histories
        if n > step:
            together = np.arange(start, min(start + step, n))
            some = Ranking(ranking.rows[together], ranking.scores[together])
            own = None if histories is None else histories.take(together)
        candidates = Candidates(some, options, catalogue, embeddings, own)
        for question in range(len(some)):
            line, page = start + question, Page(candidates, question)
            chosen, chances, drawn = page.fill(luck[line])
            rows[line, : len(chosen)] = some.rows[question, chosen]
            propensities[line, : len(chosen)] = chances
            explored[line, : len(chosen)] = drawn
            variant_of[line] = page.variant_of
    places = np.where(rows >= 0, np.arange(k, 0, -1), -np.inf)
    page_rows = Ranking._ordered(rows, places.astype(np.float32))
    return Reranked(page_rows, propensities, explored, ranking.rows, variant_of)


def _require_parts(
    ranking: Ranking,
    options: RerankOptions,
    catalogue: Catalogue | None,
    embeddings: Embeddings | None,
    histories: Interactions | None,
) -> None:
    if embeddings is None and (options.diversity > 0 or options.duplicates is not None):
        raise DataError(
            f"rerank: diversity={options.diversity}, duplicates={options.duplicates} need embeddings=; give vectors of "
            "the items, or set diversity=0"
        )
    of_catalogue = [n for n in ("caps", "minimums", "boosts", "calibration") if getattr(options, n)]
    if catalogue is None and of_catalogue:
        raise DataError(f"rerank: {', '.join(of_catalogue)} need catalogue=, whose columns they name")
    if options.calibration is not None and histories is None:
        raise DataError("rerank: calibration needs histories=, whose proportions are kept")
    if histories is not None and len(require_kind("rerank: histories", histories, Interactions)) != len(ranking):
        raise DataError(f"rerank: histories of {len(histories)} users for {len(ranking)} questions; expected as many")
    beyond = int(ranking.rows.max(initial=-1))
    items = None if catalogue is None else catalogue.items
    if items is None and embeddings is not None:
        items = embeddings.ids
    if items is not None and beyond >= len(items):
        raise DataError(f"rerank: the ranking holds row {beyond}, of {len(items)} items")

"""Erasure from artefacts: whoever was forgotten is taken out of the files too, whichever artefact brings them back.

The files are written anew without them, as the artefact's next generation, and the old generation is removed once
nobody reads it. The model is learnt anew from what is left, where it can be (see `Model.relearn`); what training has
put into the weights of others stays in them until the next fit from scratch.
"""

import logging
from pathlib import Path

from mmreco.live.storage import about, save_state
from mmreco.recommender import Recommender
from mmreco.service.events import EventStore
from mmreco.service.replay import forget_again
from mmreco.storage.artefact import publish
from mmreco.storage.lock import hold

__all__ = ["cleanse"]

_log = logging.getLogger(__name__)


def cleanse(artefact: Path, store: EventStore, *, before: int | None = None) -> bool:
    """Write an artefact anew without whoever was forgotten, and without old events; whether it held any.

    Parameters
    ----------
    artefact : its folder
    store : says who was forgotten
    before : milliseconds since 1970 UTC, optional
        Events earlier than this go too.

    Raises
    ------
    DataError
        Another writer is at work on it, or it cannot be loaded or written.
    """
    with hold(artefact):
        recommender = Recommender.load(artefact)
        gone = forget_again(recommender, store.forgotten(), store)
        gone += 0 if before is None else recommender.expire(before)
        if not gone:
            return False
        _log.info("%s: is written anew without what was erased", artefact)
        state = recommender.as_model().state
        with publish(artefact, Recommender.__name__, about(state), locked=True) as path:
            save_state(state, path)
    return True

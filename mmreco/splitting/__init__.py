"""Holding out what a model must not see: by last event, by time, by chance, by user, by item, by modality.

Every splitter answers a `Split`. Three rules hold for all of them. `train` has the whole catalogue, so that rows mean
the same on both sides. `train` keeps only users with at least one training event, so that nobody trains on an empty
history by accident. And what was written about a held-out event is not in `train.reviews`. A user is tested only with
something to go by: a user who would have an empty history is left out of the test, but for `cold_users` asked with
nothing shown.
"""

from mmreco.splitting.by_chance import by_user, cold_items, cold_users, missing_modality, random_events
from mmreco.splitting.by_order import by_time, leave_last_out, rolling
from mmreco.splitting.split import Holdout, Split

__all__ = [
    "Holdout",
    "Split",
    "by_time",
    "by_user",
    "cold_items",
    "cold_users",
    "leave_last_out",
    "missing_modality",
    "random_events",
    "rolling",
]

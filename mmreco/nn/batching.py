"""Histories cut to windows, and windows of like length put together: how readers of sequences are fed."""

from collections.abc import Iterator

import numpy as np

from mmreco.arrays import I64

__all__ = ["batch_size", "batches", "buckets", "windows"]

_BATCHES = 128  # a pass, about, of a small set
_SMALLEST, _LARGEST = 64, 1_024  # events a batch, padding included
_ITEMS = 16  # items an event of the batch at most: a step moves every item's weights, so it should be worth it
_SHUFFLED = 16  # batches whose windows are sorted by length together: little padding, yet a fresh mix each pass


def windows(user_starts: I64, max_length: int) -> I64:
    """Start and length of every window of two to `max_length + 1` events, shape `(w, 2)`.

    A long history is cut from its end, windows overlapping by one event, so that each event but a user's
    first is a target once.

    Parameters
    ----------
    user_starts : shape `(n + 1,)`
        Where each user's events begin.
    max_length : 1 or more
        Events of a window that are read; the one after the last of them is a target alone.
    """
    starts, lengths = [], []
    begin, left = user_starts[:-1], np.diff(user_starts)
    while (left > 1).any():
        begin, left = begin[left > 1], left[left > 1]
        taken = np.minimum(left, max_length + 1)
        starts.append(begin + left - taken)
        lengths.append(taken)
        left = left - taken + 1
    if not starts:
        return np.zeros((0, 2), dtype=np.int64)
    return np.stack([np.concatenate(starts), np.concatenate(lengths)], axis=1)


def batch_size(n_events: int, n_items: int) -> int:
    """Events a batch, padding included: more where the log is long, and where there are very many items."""
    return max(min(max(n_events // _BATCHES, _SMALLEST), _LARGEST), n_items // _ITEMS)


def batches(cut: I64, size: int, rng: np.random.Generator) -> list[I64]:
    """The windows in random order, in groups of like length that hold about `size` events each."""
    order = rng.permutation(len(cut))
    part_of = np.cumsum(cut[order, 1]) // (size * _SHUFFLED)  # windows of one part are sorted together
    groups: list[I64] = []
    for part in np.split(order, np.flatnonzero(np.diff(part_of)) + 1):
        groups += [part[group] for group in buckets(cut[part, 1] - 1, size)]
    return [groups[g] for g in rng.permutation(len(groups))]


def buckets(lengths: I64, size: int) -> Iterator[I64]:
    """Groups of windows of like length, each of at most `size` steps once padded (at least one window)."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * max(1, int(lengths[order[stop]])) <= size:
            stop += 1
        yield order[start:stop]
        start = stop

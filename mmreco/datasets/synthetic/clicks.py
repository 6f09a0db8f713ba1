"""How the planted shoppers click: sessions with an intent, tastes that drift, one product leading to the next.

A session opens in a category drawn from the shopper's mix of that week. From one click to the next the
shopper mostly stays in the category or goes to what belongs to it (a bag to the shoes). Inside the
category they take a product with a chance that grows with how well it fits them (colour, pattern, style,
price, what no picture shows), with its general appeal, and with how like the last click it is. One click
in five is none of that: a popular product, whoever they are. Nobody clicks a product twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmreco.arrays import F32, I64, Bool
from mmreco.datasets.synthetic.facts import CATEGORIES, Facts, Tastes

__all__ = ["DAY", "NOISE", "WEEKS", "Clicks", "click"]

NOISE = 0.2  # share of clicks that have nothing to do with the shopper
WEEKS = 9
DAY = 86_400_000  # milliseconds
_BLOCK = 2_048  # shoppers simulated together: bounds the memory
_STAY, _ONWARD = 0.62, 0.18  # the next click of a session: same category, what belongs to it, else the mix again
_BELONGS = np.array([4, 2, 1, 4, 3, 0, 7, 6])  # dress -> bag, t-shirt -> trousers, ..., mug <-> lamp
_NEW_SESSION = 0.26
_HUE = 1.5  # how much colour counts, beside style, pattern and price
_FLOOR = 0.03  # even a colour nobody asked for is clicked now and then


@dataclass(frozen=True, eq=False)
class Clicks:
    """A flat log, shape `(e,)` each, in the order it was clicked for every shopper.

    `fit` says how well the product fits the shopper: 0 is usual among all products, 1 a standard deviation better.
    """

    users: I64
    items: I64
    times: I64
    fit: F32

    def at(self, chosen: I64 | Bool) -> "Clicks":
        """The clicks at these places, or where a mask is true."""
        return Clicks(self.users[chosen], self.items[chosen], self.times[chosen], self.fit[chosen])

    @staticmethod
    def joined(parts: Sequence["Clicks"]) -> "Clicks":
        """The clicks of all parts, one after the other."""
        return Clicks(
            np.concatenate([p.users for p in parts]),
            np.concatenate([p.items for p in parts]),
            np.concatenate([p.times for p in parts]),
            np.concatenate([p.fit for p in parts]),
        )


def click(
    facts: Facts, tastes: Tastes, never: Bool, rng: np.random.Generator, *, start: int, after: int
) -> tuple[Clicks, Clicks]:
    """The log, and what the same shoppers click in the week after it.

    Parameters
    ----------
    facts : what is true of the products
    tastes : what is true of the shoppers
    never : shape `(n_items,)`
        Products that arrive when the log ends: not in the log, but clicked afterwards like any other.
    rng : draws the clicks
    start : milliseconds since 1970 UTC
        When the log begins; it lasts nine weeks.
    after : 0 or more
        Clicks a shopper in the week after.
    """
    parts = [
        _block(facts, tastes, np.arange(first, min(first + _BLOCK, len(tastes))), never, stream, start, after)
        for first, stream in zip(range(0, len(tastes), _BLOCK), rng.spawn(-(-len(tastes) // _BLOCK)), strict=True)
    ]
    logs, futures = zip(*parts, strict=True)
    return Clicks.joined(logs), Clicks.joined(futures)


def _block(
    facts: Facts, tastes: Tastes, users: I64, never: Bool, rng: np.random.Generator, start: int, after: int
) -> tuple[Clicks, Clicks]:
    n, n_items = len(users), len(facts)
    lengths = rng.integers(20, 41, n)
    logged, steps = int(lengths.max()), int(lengths.max()) + after
    opens, times, progress = _sessions(lengths, steps, rng)
    liking = _liking(facts, tastes, users)  # (n, n_items)
    colours = tastes.colour[users]
    mixes = tastes.category[users]
    shelves = [np.flatnonzero(facts.category == c) for c in range(len(CATEGORIES))]
    barred = np.broadcast_to(never, (n, n_items)).copy()
    last = np.zeros(n, dtype=np.int64)
    chosen = np.full((n, steps), -1, dtype=np.int64)
    fit = np.zeros((n, steps), dtype=np.float32)
    usual = liking + _HUE * np.log(colours.mean(axis=1) + _FLOOR)[:, facts.colour]
    centre, spread = usual.mean(axis=1), usual.std(axis=1)
    for step in range(steps):
        if step == logged:
            barred[:, never] = False  # the new arrivals are on the shelf now
        acts = np.flatnonzero((step < lengths) | (step >= logged))
        now = progress[acts, step, None]
        mix = (1 - now) * mixes[acts, 0] + now * mixes[acts, 1]  # (acts, categories)
        hue = np.log((1 - now) * colours[acts, 0] + now * colours[acts, 1] + _FLOOR)
        category = _category(facts.category[last[acts]], opens[acts, step], mix, rng)
        astray = rng.random(len(acts)) < NOISE
        category[astray] = facts.category[rng.integers(n_items, size=int(astray.sum()))]
        for c, shelf in enumerate(shelves):
            who = np.flatnonzero(category == c)
            if not len(who) or not len(shelf):
                continue
            rows, before = acts[who], last[acts[who]]
            wish = liking[np.ix_(rows, shelf)] + _HUE * hue[who][:, facts.colour[shelf]]  # (who, shelf)
            led = _led(facts, before, shelf)
            led[opens[rows, step]] *= 0.35  # a new session remembers little
            wish += led
            wish[astray[who]] = facts.appeal[shelf]
            wish[barred[np.ix_(rows, shelf)]] = -np.inf
            chance = np.maximum(rng.standard_exponential(wish.shape, dtype=np.float32), np.finfo(np.float32).tiny)
            wish -= np.log(chance)  # Gumbel: argmax draws the softmax
            took = shelf[wish.argmax(axis=1)]
            free = ~barred[rows, took]  # a shelf all clicked through ends in no click
            rows, took = rows[free], took[free]
            chosen[rows, step], last[rows], barred[rows, took] = took, took, True
            fit[rows, step] = (usual[rows, took] - centre[rows]) / spread[rows]
    stamps = start + times
    return (
        _flat(users, chosen[:, :logged], stamps[:, :logged], fit[:, :logged]),
        _flat(users, chosen[:, logged:], stamps[:, logged:], fit[:, logged:]),
    )


def _liking(facts: Facts, tastes: Tastes, users: I64) -> F32:
    """How much each shopper likes each product, whatever came before; drifting colours left out, `(n, n_items)`."""
    style = 0.9 * np.log(tastes.style[users] + 0.05)
    pattern = 0.7 * np.log(tastes.pattern[users] + 0.08)
    away = facts.dearness[None, :] - tastes.dearness[users, None]
    liking = (
        style[:, facts.style]
        + pattern[:, facts.pattern]
        - np.minimum(away**2 / (2 * 0.35**2), 4.0)
        + 0.25 * (tastes.cut[users] @ facts.cut.T)
        + (facts.appeal + 0.3 * facts.quality)[None, :]
    )
    return np.asarray(liking, dtype=np.float32)


def _led(facts: Facts, before: I64, shelf: I64) -> F32:
    """What the last click adds to each product of the shelf, `(n, shelf)`."""
    led = (
        1.1 * (facts.colour[before, None] == facts.colour[None, shelf])
        + 0.7 * (facts.style[before, None] == facts.style[None, shelf])
        + 0.4 * (facts.brand[before, None] == facts.brand[None, shelf])
        - 0.8 * (facts.dearness[before, None] - facts.dearness[None, shelf]) ** 2
        + 0.25 * (facts.cut[before] @ facts.cut[shelf].T)
    )
    return np.asarray(led, dtype=np.float32)


def _category(before: I64, opens: Bool, mix: F32, rng: np.random.Generator) -> I64:
    reach = np.cumsum(mix, axis=1)
    fresh = (rng.random(len(mix))[:, None] * reach[:, -1:] >= reach).sum(axis=1)
    turn = rng.random(len(mix))
    onward = np.where(turn < _STAY, before, np.where(turn < _STAY + _ONWARD, _BELONGS[before], fresh))
    return np.where(opens, fresh, onward)


def _sessions(lengths: I64, steps: int, rng: np.random.Generator) -> tuple[Bool, I64, F32]:
    """Where sessions open, when each click falls (after the start), and how far the drift is; `(n, steps)` each.

    The columns beyond the longest log are the week after it.
    """
    n, logged = len(lengths), int(lengths.max())
    opens = rng.random((n, steps)) < _NEW_SESSION
    opens[:, 0] = True
    opens[:, logged : logged + 1] = True
    session = np.cumsum(opens, axis=1) - 1
    days = rng.random((n, steps)) * (7 * WEEKS - 1)  # the last evening ends before the new products arrive
    count = np.where(np.arange(logged) < lengths[:, None], session[:, :logged], -1).max(axis=1) + 1
    # the s-th session of S in the log takes the s-th of S sorted days
    days = np.sort(np.where(np.arange(steps) < count[:, None], days, np.inf), axis=1)
    evening = rng.normal(20.0, 2.6, (n, steps)) % 24 / 24
    opened = np.where(np.isfinite(days), np.floor(days) + evening, 0)
    opened = np.sort(np.where(np.isfinite(days), opened, np.inf), axis=1)
    first = session[:, logged : logged + 1] if steps > logged else session[:, -1:]  # session of the week after
    count = session[:, -1] - first[:, 0] + 1
    late = np.where(np.arange(steps) < count[:, None], rng.random((n, steps)), np.inf)
    late = 7 * (WEEKS + np.sort(late, axis=1))
    rows = np.arange(n)[:, None]
    at = np.where(np.arange(steps) < logged, opened[rows, session], late[rows, np.maximum(session - first, 0)])
    at = np.where(np.isfinite(at), at, 7 * WEEKS)
    pause = np.where(opens, 0, rng.exponential(75_000, (n, steps)) + 4_000)
    within = np.cumsum(pause, axis=1)
    within -= np.maximum.accumulate(np.where(opens, within, 0), axis=1)
    times = (at * DAY + within).astype(np.int64)
    times = np.maximum.accumulate(times + np.arange(steps), axis=1)  # two sessions of one evening keep their order
    drift = np.minimum(at / (7 * WEEKS), 1).astype(np.float32)
    return opens, times, drift


def _flat(users: I64, chosen: I64, times: I64, fit: F32) -> Clicks:
    row, step = np.nonzero(chosen >= 0)
    return Clicks(users[row], chosen[row, step], times[row, step], fit[row, step])

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.models.validation import held_out

ITEMS = IdMap.of([f"i{row}" for row in range(50)])


def log(lengths: list[int]) -> Interactions:
    return Interactions.from_histories(
        [[f"i{(u + s) % 50}" for s in range(n)] for u, n in enumerate(lengths)], items=ITEMS
    )


def test_every_tenth_user_s_last_event_is_held_out() -> None:
    events = log([2] * 100 + [6] * 600)
    train, kept = held_out(events, 3)
    assert kept is not None
    assert len(kept) == 60
    assert train.n_events == events.n_events - 60
    for line, user in enumerate(kept.histories.users.array.to_pylist()):
        whole = events.history(int(user)).tolist()
        assert train.history(int(user)).tolist() == kept.histories.history(line).tolist() == whole[:-1]
        assert kept.targets.history(line).tolist() == whole[-1:]
    again = held_out(events, 3)[1]
    assert again is not None
    assert again.histories.users == kept.histories.users


def test_too_few_users_are_all_trained_on() -> None:
    events = log([6] * 400)
    assert held_out(events, 0) == (events, None)


def test_where_order_does_not_count_it_is_a_fifth_of_their_events() -> None:
    events = log([2] * 100 + [3] * 300 + [10] * 300)
    train, kept = held_out(events, 3, ordered=False)
    assert kept is not None
    assert len(kept) == 60
    lasts = 0
    for line, user in enumerate(kept.histories.users.array.to_pylist()):
        whole, shown = events.history(int(user)).tolist(), train.history(int(user)).tolist()
        told = kept.targets.history(line).tolist()
        assert kept.histories.history(line).tolist() == shown
        assert len(told) == round(0.2 * len(whole))
        assert sorted(shown + told) == sorted(whole)
        lasts += told[-1] == whole[-1]
    assert 0 < lasts < 60
    assert train.n_events == events.n_events - kept.targets.n_events

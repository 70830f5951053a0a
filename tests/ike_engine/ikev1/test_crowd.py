from __future__ import annotations

from ike_engine.ikev1.crowd import Crowd


def crowd(*sources: str) -> Crowd[str]:
    made: Crowd[str] = Crowd()
    for number, source in enumerate(sources):
        made.add(number, source, f"{source}{number}")
    return made


def test_there_is_room_while_neither_bound_is_reached() -> None:
    some = crowd("a", "a", "b")
    assert some.room_for("b", 4, 2)
    assert not some.room_for("a", 4, 2)
    assert not some.room_for("c", 3, 2)


def test_who_left_makes_room_and_may_leave_twice() -> None:
    some = crowd("a", "a", "b")
    some.remove(1)
    some.remove(1)
    some.remove(77)
    assert len(some) == 2
    assert some.room_for("a", 3, 2)


def test_of_a_full_source_its_own_oldest_goes() -> None:
    some = crowd("b", "a", "a", "a")
    assert some.oldest("a", 3, lambda _: True) == "a1"
    assert some.oldest("a", 3, lambda name: name != "a1") == "a2"
    assert some.oldest("a", 3, lambda _: False) is None


def test_else_the_oldest_of_all() -> None:
    some = crowd("b", "a", "a", "a")
    assert some.oldest("c", 3, lambda name: name.startswith("a")) == "a1"
    assert some.oldest("c", 3, lambda _: True) == "a1"  # who was looked at in vain is not looked at again
    assert some.oldest("c", 3, lambda _: False) is None
    assert len(some) == 4

from __future__ import annotations

from itertools import count

from ike_engine.dataplane.databases import ENTRIES_PER_PART, Databases, DatabasesPart, Stock
from tests.ike_engine.dataplane.samples import sad_entry, spd_entry


def collected(stock: Stock, number: int) -> tuple[Databases, int]:
    """All parts of one stock put together, and how many there were."""
    sad, spd = [], []
    for part in count():
        given = stock.part(number, part)
        assert given.number == number
        sad += given.held.sad
        spd += given.held.spd
        if given.last:
            return Databases(tuple(sad), tuple(spd)), part + 1
    raise AssertionError


def test_a_stock_of_any_size_is_handed_out_whole() -> None:
    for sad_count, spd_count, parts in (
        (0, 0, 1),
        (3, 2, 1),
        (ENTRIES_PER_PART, ENTRIES_PER_PART, 2),  # nobody knows before that no more comes
        (ENTRIES_PER_PART + 1, 0, 2),
        (7, 3 * ENTRIES_PER_PART + 1, 4),
    ):
        held = Databases(
            tuple(sad_entry(spi=1000 + number) for number in range(sad_count)),
            tuple(spd_entry(priority=number) for number in range(spd_count)),
        )
        assert collected(Stock(lambda held=held: held), 5) == (held, parts)  # type: ignore[misc]


def test_all_parts_are_of_one_moment() -> None:
    moments = count()
    stock = Stock(lambda: Databases((sad_entry(spi=next(moments)),) * (2 * ENTRIES_PER_PART)))
    for number, moment in ((7, 0), (8, 1), (7, 2)):
        held, parts = collected(stock, number)
        assert parts == 3
        assert {entry.spi for entry in held.sad} == {moment}


def test_what_is_put_together_as_it_is_read_is_read_no_further_than_it_is_asked_for() -> None:
    read = count()

    class Held:
        sad = (sad_entry(spi=next(read)) for _ in range(1000))
        spd = ()

    stock = Stock(Held, 5)
    assert [entry.spi for entry in stock.part(1, 0).held.sad] == [0, 1, 2, 3, 4]
    assert next(read) == 5
    assert [entry.spi for entry in stock.part(1, 1).held.sad] == [6, 7, 8, 9, 10]


def test_who_does_not_fetch_the_rest_leaves_nothing_behind_for_the_next() -> None:
    stock = Stock(lambda: Databases((sad_entry(),) * (2 * ENTRIES_PER_PART)))
    assert not stock.part(1, 0).last
    assert len(stock.part(2, 1).held.sad) == ENTRIES_PER_PART
    assert stock.part(2, 2).last
    assert stock.part(1, 9) == DatabasesPart(1, last=True, held=Databases())

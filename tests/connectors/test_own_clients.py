"""A client is used by one thread at a time, and used again."""

from __future__ import annotations

import pytest

from rollback.connectors.own_clients import OwnClients


class Client:
    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = 0

    def __exit__(self, *_: object) -> None:
        self.closed += 1


def test_there_are_as_many_as_are_used_at_the_same_time() -> None:
    clients = OwnClients(Client)
    with clients.one(0) as first, clients.one(0) as second:
        assert first is not second
    with clients.one(0) as again, clients.one(0) as other:
        assert {id(again), id(other)} == {id(first), id(second)}


def test_each_is_for_what_it_was_made_for() -> None:
    clients = OwnClients(Client)
    with clients.one(0) as zero:
        pass
    with clients.one(1) as one:
        assert (zero.number, one.number) == (0, 1)


def test_one_is_given_back_where_its_use_failed() -> None:
    clients = OwnClients(Client)
    with pytest.raises(ValueError, match="no"), clients.one(0) as first:
        raise ValueError("no")
    with clients.one(0) as again:
        assert again is first


def test_all_are_closed_once_those_in_use_too() -> None:
    clients = OwnClients(Client)
    with clients.one(0) as first, clients.one(0) as second:
        pass
    with clients.one(0) as used:
        clients.close()
        clients.close()
    assert used in {first, second}
    assert (first.closed, second.closed) == (1, 1)

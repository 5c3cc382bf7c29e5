"""The slots of a simulated cluster: groups of workers that stay together and warm until others need their places."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from itertools import chain


class Slots:
    """So many slots of some places each, and others that are made of the free ones when trials need another size.

    Args:
        count: Slots at first, numbered from 0.
        size: Places of each of them.
        places: All places; what is left over by the slots belongs to none at first.
    """

    def __init__(self, count: int, size: int, places: int) -> None:
        self._places = {slot: tuple(range(slot * size, (slot + 1) * size)) for slot in range(count)}
        self._free = list(range(count))
        self._loose = list(range(count * size, places))
        self._last: dict[int, int] = {}
        self._made = count
        self._lost = 0

    @property
    def count(self) -> int:
        """All places that are there, free or not."""
        return len(self._loose) + sum(map(len, self._places.values())) - self._lost

    @property
    def has_free(self) -> bool:
        """Whether any place is free."""
        return bool(self._free or self._loose)

    def take(self, trial: int, size: int) -> tuple[int, bool]:
        """A slot of that size for a trial, and whether it had to be made.

        Of several it is the one that ran the trial last, if it has run no other since, and the first one otherwise.
        """
        fitting = [slot for slot in self._free if len(self._places[slot]) == size]
        if not fitting:
            return self._make(size), True
        slot = next((slot for slot in fitting if self._last.get(slot) == trial), fitting[0])
        self._free.remove(slot)
        return slot, False

    def _make(self, size: int) -> int:
        """A new slot of free places: of those that belong to none, then of other slots."""
        while len(self._loose) < size:
            self._break(self._free.pop(0))
        self._loose.sort()
        slot, self._made = self._made, self._made + 1
        self._places[slot], self._loose = tuple(self._loose[:size]), self._loose[size:]
        return slot

    def _break(self, slot: int) -> None:
        self._loose += self._places.pop(slot)
        self._last.pop(slot, None)

    def load(self, slot: int, trial: int) -> bool:
        """A trial begins on a slot; whether another one, or none, was there last."""
        other = self._last.get(slot) != trial
        self._last[slot] = trial
        return other

    def cool(self, slot: int) -> None:
        """What a slot had loaded is gone."""
        self._last.pop(slot, None)

    def give_back(self, slot: int) -> None:
        """A trial has left a slot."""
        insort(self._free, slot)

    def on(self, places: Iterable[int]) -> list[int]:
        """The slots that have any of these places."""
        lost = {*places}
        return sorted(slot for slot, held in self._places.items() if not lost.isdisjoint(held))

    def lose(self, places: Iterable[int]) -> list[int]:
        """These places are gone; the slots that are to come back with them.

        A slot that has lost but a part of its places is no slot any more. All of them must be free.
        """
        lost = {*places}
        kept = []
        self._loose = [place for place in self._loose if place not in lost]
        for slot in self.on(lost):
            self.cool(slot)
            self._free.remove(slot)
            if lost.issuperset(self._places[slot]):
                kept.append(slot)
                self._lost += len(self._places[slot])
            else:
                self._loose += [place for place in self._places.pop(slot) if place not in lost]
        return kept

    def restore(self, places: Iterable[int], slots: list[int]) -> None:
        """Places are there again, and with them the slots that `lose` has told."""
        self._free = sorted({*self._free, *slots})
        in_slots = {*chain.from_iterable(self._places[slot] for slot in slots)}
        self._lost -= len(in_slots)
        self._loose += [place for place in places if place not in in_slots]

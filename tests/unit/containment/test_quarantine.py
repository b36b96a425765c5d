"""What a note says, and what whoever reads it after a death makes of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.containment.quarantine import CLEAN, DEATHS, Quarantine, arrested, stored_by


def test_what_was_in_flight_runs_alone_and_what_may_have_begun_since_is_noted_first() -> None:
    """The note says up to where things had begun; what is beyond, up to the end, waits for a note of its own."""
    died = Quarantine()
    for offset in (10, 11, 12):
        died.begin(offset)
    found = arrested(died.note(11, leaving=False), end=40)
    assert [offset for offset in range(11, 40) if found.is_suspect(offset)] == [11, 12]
    found.acknowledged(found.note(11, leaving=False))
    found.begin(20)
    assert found.wants_note()
    found.acknowledged(found.note(20, leaving=False))
    assert not found.wants_note()
    found.begin(40)
    assert found.wants_note()
    found.acknowledged(found.note(40, leaving=False))
    found.begin(41)
    assert not found.wants_note()


def test_a_note_is_wanted_once_in_good_times() -> None:
    """Before the first event of an assignment, and never again: later notes go with the regular commits."""
    good = arrested(CLEAN, 0)
    assert not good.wants_note()
    good.begin(5)
    assert good.wants_note()
    good.acknowledged(good.note(5, leaving=False))
    for offset in range(6, 100):
        good.begin(offset)
        assert not good.wants_note()


def test_who_leaves_in_good_order_says_so() -> None:
    """But not who dropped what was in flight, and not past suspects that have not run."""
    good, broken, suspicious = Quarantine(), Quarantine(), arrested('{"open": 9}', 20)
    for quarantine in (good, broken, suspicious):
        quarantine.begin(5)
        quarantine.survived(5)
    broken.dropped(fault=False)
    assert good.note(6, leaving=False) != CLEAN
    assert good.note(6, leaving=True) == CLEAN
    assert arrested(broken.note(5, leaving=True), 20).is_suspect(5)
    assert arrested(suspicious.note(6, leaving=True), 20).window == 9
    assert suspicious.note(9, leaving=True) == CLEAN


def test_only_deaths_alone_count() -> None:
    """Three of the same event; one that lived through a run is only as suspect as before."""
    note = '{"open": 8}'
    for death in range(1, DEATHS + 1):
        quarantine = arrested(note, 20)
        assert not quarantine.is_condemned(7)
        quarantine.begin(7)
        assert quarantine.wants_note()
        note = quarantine.note(7, leaving=False)
        assert json.loads(note)["deaths"] == death
        quarantine.acknowledged(note)
        assert not quarantine.wants_note()
        quarantine.survived(7)
        assert quarantine.wants_note()
        assert json.loads(quarantine.note(7, leaving=False)).get("deaths", 0) == death - 1
    assert arrested(note, 20).is_condemned(7)
    assert not arrested(note, 20).is_condemned(6)


def test_another_event_begins_at_none() -> None:
    """A count belongs to one event."""
    quarantine = arrested('{"open": 9, "suspect": 7, "deaths": 2}', 20)
    quarantine.begin(8)
    assert json.loads(quarantine.note(8, leaving=False)) == {"open": 9, "suspect": 8, "deaths": 1, "alone": 1}


def test_a_fault_of_the_code_is_a_death() -> None:
    """An exception that nobody foresaw ends the process in order: the note that it leaves says otherwise."""
    quarantine = arrested('{"open": 8}', 20)
    quarantine.begin(7)
    quarantine.dropped(fault=True)
    quarantine.survived(7)
    assert json.loads(quarantine.note(7, leaving=True))["deaths"] == 1


def test_what_is_stored_and_not_final_is_no_suspect() -> None:
    """It was in flight long ago and is committed later: after a death only what lies behind it runs alone."""
    died = Quarantine()
    for offset in range(10, 16):
        died.begin(offset)
        if offset < 14:
            died.survived(offset)
    found = arrested(died.note(10, leaving=False, stored=14), end=40)
    assert [offset for offset in range(10, 40) if found.is_suspect(offset)] == [14, 15]


def test_what_is_in_flight_again_to_be_made_final_is_a_suspect() -> None:
    """Though it is stored; and after a death it begins only once the note says so."""
    died = Quarantine()
    died.begin(20)
    for offset in (11, 13):
        died.begin(offset, again=True)
    note = died.note(10, leaving=False, stored=20)
    found = arrested(note, end=40)
    assert [offset for offset in range(10, 40) if found.is_suspect(offset)] == [11, 12, 13, 20]
    careful = arrested('{"open": 9}', 40)
    careful.begin(12)
    careful.acknowledged(careful.note(9, leaving=False, stored=13))
    careful.survived(12)
    assert not careful.wants_note()
    careful.begin(12, again=True)
    assert careful.wants_note()
    careful.acknowledged(careful.note(9, leaving=False, stored=13))
    assert not careful.wants_note()
    careful.survived(12)
    assert json.loads(careful.note(9, leaving=False, stored=13)).keys() == {"open", "stored"}


def test_what_kills_while_it_is_made_final_is_set_aside_too() -> None:
    """The same count, from owner to owner: it is handled well each time, and then kills."""
    note = '{"open": 8}'
    for death in range(1, DEATHS + 1):
        quarantine = arrested(note, 20)
        quarantine.begin(7)
        quarantine.survived(7)
        quarantine.begin(7, again=True)
        note = quarantine.note(7, leaving=False, stored=9)
        assert json.loads(note)["deaths"] == death
        assert arrested(note, 20).is_suspect(7)
    assert arrested(note, 20).is_condemned(7)


def test_others_learn_from_the_note_how_far_the_index_is() -> None:
    """Nothing where everything stored is committed, and of a note that is none of ours."""
    quarantine = Quarantine()
    quarantine.begin(5)
    assert stored_by(quarantine.note(2, leaving=False, stored=6)) == 6
    assert stored_by(quarantine.note(6, leaving=False, stored=6)) == 0
    assert (stored_by(None), stored_by(CLEAN), stored_by("by another tool")) == (0, 0, 0)


@pytest.mark.parametrize(
    "note", [None, "", CLEAN, "by another tool", "[1]", '"open"', "{", '{"open": "many"}', '{"deaths": 3}']
)
def test_a_note_that_is_none_of_ours_accuses_nobody(note: str | None) -> None:
    """Offsets may be committed by other tools."""
    assert arrested(note, 20) == Quarantine()


@given(st.text())
def test_no_text_breaks_the_reader(note: str) -> None:
    """Whatever it says."""
    arrested(note, 1)

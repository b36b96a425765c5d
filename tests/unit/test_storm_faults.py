"""The storm's planted faults: each still replaces something that its worker uses."""

from __future__ import annotations

import pytest

from tests.storm import crashing
from workers.core.loop import Loop
from workers.creators import fold
from workers.creators import worker as creators
from workers.outcomes import facts
from workers.outcomes import worker as outcomes


def test_each_planted_fault_replaces_what_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault under a name that nobody calls any more would be planted in vain, and look as if it were not noticed."""
    places = [(Loop, "_handle"), (Loop, "_settle"), (creators, "with_new_post"), (outcomes, "fact_of")]
    sound = {place: getattr(*place) for place in places}
    assert (creators.with_new_post, outcomes.fact_of) == (fold.with_new_post, facts.fact_of)
    for place, whole in sound.items():
        monkeypatch.setattr(*place, whole)
    for plant in (crashing.commits_before_storing, crashing.folds_in_any_order, crashing.counts_repeats):
        plant(lambda: None)
    assert [place for place in places if getattr(*place) is sound[place]] == []

"""The right to write."""

from __future__ import annotations

import pytest

from tests.unit.core.harness import HandClock
from workers.core.lease import Lease, LeaseExpired


def test_a_lease_lasts_from_the_last_word_of_the_group() -> None:
    """Polling alone does not help when the group has been silent."""
    clock = HandClock()
    lease = Lease(5.0, clock)
    lease.renew()
    clock.seconds += 4.9
    assert lease.valid()
    lease.renew(silence=4.9)
    assert lease.remaining() == pytest.approx(0.1)
    clock.seconds += 0.2
    assert not lease.valid()
    with pytest.raises(LeaseExpired, match="5 s"):
        lease.check()


def test_a_process_that_was_frozen_has_no_lease_until_the_group_confirms_it() -> None:
    """The first poll after waking brings an old confirmation; a heartbeat's answer brings a new one."""
    clock = HandClock()
    lease = Lease(5.0, clock)
    lease.renew()
    clock.seconds += 60.0
    lease.renew(silence=60.0)
    assert not lease.valid()
    lease.renew(silence=0.1)
    assert lease.valid()


def test_before_the_first_poll_there_is_nothing_to_lose() -> None:
    """No partition is held yet."""
    assert Lease(5.0, HandClock()).remaining() == 5.0

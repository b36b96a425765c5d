"""Faust's application, with what Streamscout must hold and Faust alone does not.

- Only what is acknowledged by hand counts: see ``consumer``.
- Membership of the group is known to be fresh or not, from the group coordinator's answers to heartbeats.
- A failed send ends the process.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections import deque
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any

import faust
from faust.sensors import Sensor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import CrashingSupervisor

from workers.adapters import security
from workers.adapters.kafka_membership import instance_id
from workers.adapters.tables.consumer import Flow, HandAcknowledged
from workers.adapters.tables.guard import guard
from workers.adapters.tables.limits import BATCH_BYTES, MAX_REQUEST_BYTES
from workers.config import Settings

SEND_SECONDS = 60.0
# Without it a request went for every three records (counted under a backlog), and each passes through all of aiokafka.
LINGER_SECONDS = 0.005
COMMIT_SECONDS = 1.0
HEARTBEATS_IN_A_SESSION = 6
RIVALLED, SESSIONS = 3, 5

Failed = Callable[[BaseException], None]


class Membership:
    """When the group's coordinator last said that this member's generation is the current one.

    While it is fresh, no partition of ours can be another's: those are only given away in a new generation, which
    takes at least a session timeout of silence. ``seconds`` is half of that. ``lost`` is called, on the consumer's
    thread, when the coordinator says that it does not know this member.
    """

    def __init__(self, seconds: float, lost: Callable[[], None]) -> None:
        self._seconds, self._lost = seconds, lost
        self._forgotten_at: deque[float] = deque(maxlen=RIVALLED)
        self._confirmed_at = -math.inf

    def confirmed(self, at: float) -> None:
        """``at`` is when the question was asked: an answer may lie unread in a frozen process."""
        self._confirmed_at = max(self._confirmed_at, at)

    def rivalled(self) -> bool:
        """Whether the group has forgotten this member so often, lately, that another one must have its name."""
        lately = monotonic() - 2 * SESSIONS * self._seconds
        return len(self._forgotten_at) == RIVALLED and self._forgotten_at[0] > lately

    def fresh(self) -> bool:
        """Whether partitions, and what is in flight of them, are certainly ours."""
        return monotonic() - self._confirmed_at < self._seconds

    async def until_fresh(self) -> None:
        """Wait for the next heartbeat's answer; the consumer's own thread goes on polling."""
        while not self.fresh():  # noqa: ASYNC110 - the answer comes on the consumer's thread
            await asyncio.sleep(0.05)

    def listen(self, coordinator: Any) -> None:
        """Hear what the coordinator answers to aiokafka; call it for each coordinator, as often as one likes."""
        if hasattr(coordinator, "_heard_by_streamscout"):
            return
        beat, reset = coordinator._do_heartbeat, coordinator.reset_generation

        async def heard() -> bool:
            asked = monotonic()
            good: bool = await beat()
            if good:
                self.confirmed(asked)
            return good

        def forgotten() -> None:
            self._confirmed_at = -math.inf
            self._forgotten_at.append(monotonic())
            reset()
            self._lost()

        coordinator._do_heartbeat, coordinator.reset_generation = heard, forgotten
        coordinator._heard_by_streamscout = True


class _Producer(driver.Producer):  # type: ignore[misc]
    """A producer that writes while membership is fresh and waits while it is not: its buffers may hold records long.

    It is never flushed: whoever must know that a record is written waits for that record's future.

    Faust flushes before each commit. Under load that takes as long as the load lasts, and nothing is committed until
    then.
    """

    async def on_start(self) -> None:
        """Put the question of membership right before the wire."""
        await super().on_start()
        guard(self._ensure_producer().client, self.app.membership)

    async def flush(self) -> None:
        """Nothing: see the class."""


class _Transport(driver.Transport):  # type: ignore[misc]
    Consumer = HandAcknowledged
    Producer = _Producer


class _Watch(Sensor):  # type: ignore[misc]
    """Failed sends, which Faust only logs."""

    def __init__(self, failed: Failed) -> None:
        super().__init__()
        self._failed = failed

    def on_send_error(self, producer: Any, exc: BaseException, state: Any) -> None:  # noqa: ARG002
        self._failed(exc)


class TableApp(faust.App):  # type: ignore[misc]
    """``revoked`` is awaited before partitions are given away; ``assigned`` is called when they are known."""

    membership: Membership
    revoked: Callable[[], Any] | None = None
    assigned: Callable[[], Any] | None = None
    #: From the first word of a rebalance until the new assignment: events in hand may be another's by now.
    moving = False

    @cached_property
    def flow_control(self) -> Flow:
        """See ``Flow``."""
        return Flow(loop=self.loop)

    def _new_transport(self) -> Any:
        return _Transport(self.conf.broker_consumer, self)

    def _new_producer(self) -> Any:
        producer = super()._new_producer()
        # The bound on what is in flight is the worker's queue; Faust's own would stop the consumer at 100 records.
        producer.buffer.max_messages = sys.maxsize
        return producer

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.moving = True
        await super()._on_partitions_revoked(revoked)
        if self.revoked is not None:
            await self.revoked()

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        if self.assigned is not None:
            self.assigned()
        self.moving = False
        await super()._on_partitions_assigned(assigned, generation_id)

    def ready(self) -> bool:
        """Partitions assigned and tables recovered."""
        return self._consumer is not None and self.tables.actives_ready and not self.rebalancing

    def coordinator(self) -> Any:
        """aiokafka's group coordinator."""
        return self.consumer._thread._ensure_consumer()._coordinator


def table_app(
    settings: Settings,
    app_id: str,
    directory: Path,
    failed: Failed,
    lost: Callable[[], None],
    batch_bytes: int = BATCH_BYTES,
) -> TableApp:
    """A Faust app of ours for group ``app_id``, state under ``directory``. Make it inside a running event loop."""
    session = settings.session_timeout_ms / 1000
    app = TableApp(
        app_id,
        broker=_brokers(settings.kafka_bootstrap or ""),
        datadir=directory,
        store="rocksdb://",
        broker_credentials=_credentials(settings),
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        agent_supervisor=CrashingSupervisor,
        broker_session_timeout=session,
        broker_heartbeat_interval=session / HEARTBEATS_IN_A_SESSION,
        # One that ends in the middle of a rebalance holds up the others for this long.
        broker_rebalance_timeout=settings.shutdown_seconds + session,
        broker_commit_interval=COMMIT_SECONDS,
        table_standby_replicas=0,
        producer_acks=-1,
        producer_linger=LINGER_SECONDS,
        producer_max_request_size=MAX_REQUEST_BYTES,
        producer_max_batch_size=batch_bytes,
        producer_request_timeout=SEND_SECONDS,
        consumer_auto_offset_reset="earliest",
        # Faust speaks the classic protocol with an assignor of its own, whatever the settings say for the others.
        consumer_group_instance_id=instance_id(settings, app_id),
        consumer_max_fetch_size=4 * 1024**2,
        stream_buffer_maxsize=settings.queue_size,
        # The worker drains by itself, and only what it has taken; Faust would wait for what nobody will handle.
        stream_wait_empty=False,
    )
    app.membership = Membership(session / 2, lost)
    app.sensors.add(_Watch(failed))
    return app


def _brokers(bootstrap: str) -> list[str]:
    servers: Iterable[str] = (server.strip() for server in bootstrap.split(","))
    return [f"kafka://{server}" for server in servers if server]


def _credentials(settings: Settings) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """How Faust is let in: as ``security.kafka`` says it to librdkafka."""
    context = security.kafka_tls(settings)
    if settings.kafka_security.startswith("SASL"):
        return faust.SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=security.secret(settings, "kafka_sasl_password"),
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)

"""Faults of the broker: its node, its memory, its queues, its permissions, its patience."""

import asyncio
import contextlib
import json
import signal

from service.rabbitmq.topology import Topology, declare
from service.settings.rabbitmq import RabbitMQ
from tests.faults.brokers import Cluster
from tests.faults.run import Fault
from tests.faults.stand import BROKEN, DEAD, INPUT, RESULTS, Stand

RESTARTED_WITHIN = 15.0
# Small batches: as many settlements at once as the prefetch lets there be.
ONE_EACH = {"ORDERSYNC_BATCH__SIZE": "2", "ORDERSYNC_HUBSPOT__CONCURRENCY": "16"}


async def _restarted(on: Stand) -> None:
    await asyncio.to_thread(on.node.machine.stop)
    await asyncio.to_thread(on.node.machine.start)
    on.healed()
    await asyncio.to_thread(on.node.tune)


async def _killed(on: Stand) -> None:
    flush = getattr(on.node.machine, "flush", None)
    if flush is not None:
        await asyncio.to_thread(flush)  # the vhost is younger than a second; its docstring says why
    await asyncio.to_thread(on.node.machine.kill)
    await asyncio.to_thread(on.node.machine.start)
    on.healed()
    await asyncio.to_thread(on.node.tune)


async def _frozen(on: Stand) -> None:
    await asyncio.to_thread(on.node.machine.pause)
    await asyncio.sleep(8.0)
    await asyncio.to_thread(on.node.machine.resume)
    on.healed()


async def _out_of_memory(on: Stand) -> None:
    """The alarm blocks whoever publishes (connection.blocked); what is acked still goes through."""
    await on.ctl("set_vm_memory_high_watermark", "0.000001")
    await asyncio.sleep(14.0)  # longer than a confirm may take
    await on.ctl("set_vm_memory_high_watermark", "0.6")
    on.healed()


async def _burst_after_alarm(on: Stand) -> None:
    """Settlements pile up behind an alarm of 30 s, and all are confirmed and acked in one moment.

    No connection is lost, so that nothing may be published twice.
    """
    await on.ctl("set_vm_memory_high_watermark", "0.000001")
    await asyncio.sleep(30.0)
    await on.ctl("set_vm_memory_high_watermark", "0.6")
    on.healed()


async def _ended_while_waiting(on: Stand) -> None:
    """Acks and publishes wait behind an alarm when their connections end."""
    await on.ctl("set_vm_memory_high_watermark", "0.000001")
    await asyncio.sleep(8.0)
    on.replicas[0].amqp.reset()
    await asyncio.sleep(2.0)
    on.replicas[0].amqp.cut()
    await on.ctl("set_vm_memory_high_watermark", "0.6")
    on.healed()


async def _out_of_disk(on: Stand) -> None:
    """The other alarm; as above."""
    await on.ctl("set_disk_free_limit", "1000000GB")
    await asyncio.sleep(14.0)
    await on.ctl("set_disk_free_limit", "50MB")
    on.healed()


async def _input_limited(on: Stand) -> None:
    """An operator's policy lets the input be short and drop its head: the queue's own arguments win."""
    await on.limited(INPUT, {"max-length": 5, "overflow": "drop-head"})
    await asyncio.sleep(4.0)
    await on.unlimited()
    on.healed()


async def _results_full(on: Stand) -> None:
    """The result queue takes no more: nacks, until there is room again."""
    on.reading.clear()
    await asyncio.sleep(0.5)
    await on.limited(RESULTS, {"max-length": 5, "overflow": "reject-publish"})
    await asyncio.sleep(8.0)
    await on.unlimited()
    on.reading.set()
    on.healed()


async def _results_full_for_long(on: Stand) -> None:
    """As above, for longer than the service's patience: what it holds goes back, and it waits."""
    on.reading.clear()
    await asyncio.sleep(0.5)
    await on.limited(RESULTS, {"max-length": 5, "overflow": "reject-publish"})
    await asyncio.sleep(14.0)
    if held := (await on.queues())[INPUT]["messages_unacknowledged"]:
        on.complaints.append(f"{held} deliveries are still held")
    await on.unlimited()
    on.reading.set()
    on.healed()


async def _unbound(on: Stand) -> None:
    """Nothing is bound for outcomes: every publish is returned, until somebody binds it again."""
    await _with_channel(on, unbind=True)
    await asyncio.sleep(6.0)
    await _with_channel(on, unbind=False)
    on.healed()


async def _with_channel(on: Stand, *, unbind: bool) -> None:
    import aiormq

    connection = await aiormq.connect(on.url)
    try:
        channel = await connection.channel()
        change = channel.queue_unbind if unbind else channel.queue_bind
        await change(RESULTS, "orders.outcomes", "outcome.#")
    finally:
        await connection.close()


async def _dead_letters_unbound(on: Stand) -> None:
    import aiormq

    connection = await aiormq.connect(on.url)
    channel = await connection.channel()
    await channel.queue_unbind(DEAD, "orders.dead-letters", "#")
    await asyncio.sleep(5.0)
    await channel.queue_bind(DEAD, "orders.dead-letters", "#")
    await connection.close()
    on.healed()


async def _purged(on: Stand) -> None:
    """An operator empties the input: what was ready is gone by his hand, what was held is not."""
    before = {receipt.event for receipt in on.receipts}
    await on.in_vhost("purge_queue", INPUT)
    on.doomed |= {event.id for event in on.published} - before
    on.healed()


async def _deleted(on: Stand) -> None:
    """The input queue is deleted and made again: the consumer is cancelled and begins anew."""
    before = {receipt.event for receipt in on.receipts}
    await on.in_vhost("delete_queue", INPUT)
    on.losses.append(on.now())
    on.doomed |= {event.id for event in on.published} - before
    await asyncio.sleep(3.0)
    await declare(on.url, Topology.of(RabbitMQ(url=on.url)))
    on.healed()


async def _forbidden(on: Stand) -> None:
    """The service's user may not write any more; publishing closes its channel with 403."""
    connected = on.losses
    await on.in_vhost("set_permissions", "guest", "", "^$", ".*")
    await asyncio.sleep(6.0)
    await on.in_vhost("set_permissions", "guest", ".*", ".*", ".*")
    connected.append(on.now())
    on.healed()


async def _closed(on: Stand) -> None:
    """An operator closes every connection of the service."""
    for _ in range(2):
        told = json.loads(
            await on.ctl(
                "list_connections",
                "--formatter",
                "json",
                "pid",
                "name",
                "vhost",
                "client_properties",
            )
        )
        for connection in told:
            if "ordersync" in str(connection["client_properties"]):
                with contextlib.suppress(RuntimeError):
                    await on.ctl("close_connection", connection["pid"], "maintenance")
        await asyncio.sleep(1.5)
    on.healed()


async def _channel_closed(on: Stand) -> None:
    """The broker closes the channel under us: an ack of a tag that it does not know."""
    each = on.replicas[0]
    bogus = bytes([1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 80]) + (2**40).to_bytes(8) + b"\x00\xce"
    for link in tuple(each.amqp.links.values()):
        if link.role == "consumer":
            link.server.write(bogus)
    await asyncio.sleep(1.0)
    on.losses.append(on.now())
    on.healed()


async def _held_too_long(on: Stand) -> None:
    """consumer_timeout strikes while HubSpot is slow: the channel is closed with 406."""
    await on.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 1000).")
    await on.ctl("eval", "application:set_env(rabbit, consumer_timeout, 2000).")
    await asyncio.to_thread(on.replicas[0].signal, signal.SIGCONT)
    on.replicas[0].amqp.reset()  # new channels, which know the new timeout
    on.arm("hang seconds=30")
    await asyncio.sleep(12.0)
    on.arm()
    await on.ctl("eval", "application:set_env(rabbit, consumer_timeout, 1800000).")
    await on.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 60000).")
    on.losses.append(on.now())
    on.replicas[0].amqp.reset()
    on.healed()


async def _leader_killed(on: Stand) -> None:
    cluster = on.node.machine
    assert isinstance(cluster, Cluster)
    leader = await asyncio.to_thread(cluster.leader, on.vhost, INPUT)
    await asyncio.to_thread(leader.kill)
    on.healed()  # the other two are enough
    await asyncio.sleep(5.0)
    await asyncio.to_thread(cluster.start)


async def _majority_lost(on: Stand) -> None:
    """Two of three are gone: nothing is confirmed, nothing delivered, until they are back."""
    cluster = on.node.machine
    assert isinstance(cluster, Cluster)
    for node in cluster.nodes[1:]:
        await asyncio.to_thread(node.kill)
    await asyncio.sleep(8.0)
    await asyncio.to_thread(cluster.start)
    on.healed()


async def _partitioned(on: Stand) -> None:
    """The leader of the input is cut off from the other two, and still reached by clients."""
    cluster = on.node.machine
    assert isinstance(cluster, Cluster)
    leader = await asyncio.to_thread(cluster.leader, on.vhost, INPUT)
    await asyncio.to_thread(cluster.isolate, leader)
    await asyncio.sleep(12.0)
    await asyncio.to_thread(cluster.rejoin, leader)
    on.healed()


FAULTS = [
    Fault("partition", _partitioned, "broker", cluster=True),
    Fault("leader-killed", _leader_killed, "broker", cluster=True),
    Fault("majority-lost", _majority_lost, "broker", cluster=True),
    Fault("broker-restarted", _restarted, "broker", recovers_within=RESTARTED_WITHIN),
    Fault("broker-killed", _killed, "broker", recovers_within=RESTARTED_WITHIN),
    Fault("broker-frozen", _frozen, "broker"),
    Fault("memory-alarm", _out_of_memory, "broker"),
    Fault("burst-after-alarm", _burst_after_alarm, "broker", settings=ONE_EACH),
    Fault("ended-while-waiting", _ended_while_waiting, "broker", settings=ONE_EACH),
    Fault("disk-alarm", _out_of_disk, "broker"),
    Fault("input-limited", _input_limited, "broker"),
    Fault("results-full", _results_full, "broker"),
    Fault(
        "results-full-for-long",
        _results_full_for_long,
        "broker",
        settings={"ORDERSYNC_RETRY__PATIENCE": "5"},
        beyond=3.0,  # what was held when publishing began to hang
    ),
    Fault("results-unbound", _unbound, "broker"),
    Fault("dead-letters-unbound", _dead_letters_unbound, "broker"),
    Fault("input-purged", _purged, "broker"),
    Fault("input-deleted", _deleted, "broker"),
    Fault("permission-revoked", _forbidden, "broker"),
    Fault("connections-closed", _closed, "broker"),
    Fault("channel-closed", _channel_closed, "broker"),
    Fault("consumer-timeout", _held_too_long, "broker"),
]

__all__ = ["BROKEN", "FAULTS"]

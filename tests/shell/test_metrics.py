"""The metrics: named as Prometheus wants them, bounded, and there from the start."""

from prometheus_client.parser import text_string_to_metric_families

from service.core.reasons import Code
from service.watch.metrics import Metrics

PROMISED = {
    "ordersync_events_received": {"operation"},
    "ordersync_outcomes": {"status", "reason"},
    "ordersync_oldest_held_seconds": set(),
    "ordersync_publish_to_outcome_seconds": set(),
    "ordersync_batch_records": set(),
    "ordersync_batches": {"operation", "trigger"},
    "ordersync_events_per_write": set(),
    "ordersync_calls": {"object", "endpoint", "status"},
    "ordersync_call_seconds": {"endpoint"},
    "ordersync_isolation_calls": set(),
    "ordersync_quota_used": set(),
    "ordersync_quota_limit": set(),
    "ordersync_quota_remaining": set(),
    "ordersync_quota_day_limit": set(),
    "ordersync_quota_day_remaining": set(),
    "ordersync_quota_day_seconds": set(),
    "ordersync_paused_seconds": {"reason"},
    "ordersync_paused": {"reason"},
    "ordersync_throttled": {"policy"},
    "ordersync_retries": {"cause"},
    "ordersync_redeliveries": set(),
    "ordersync_channel_losses": set(),
    "ordersync_dead_letters": {"reason"},
    "ordersync_replays": set(),
    "ordersync_held_events": set(),
    "ordersync_in_flight_records": set(),
    "ordersync_journal_dropped": set(),
    "ordersync_journal_waiting_seconds": set(),
    "ordersync_build_info": {"version", "python"},
}


def families(metrics: Metrics):
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def used() -> Metrics:
    """Every metric with a value."""
    metrics = Metrics()
    metrics.outcomes.labels("applied", "").inc()
    metrics.batches.labels("upsert", "size").inc()
    metrics.calls.labels("orders", "upsert", "200").inc()
    metrics.call_seconds.labels("batch/upsert").observe(0.2)
    metrics.pauses.begin(Code.OUTAGE, lambda: 3.0)
    return metrics


def test_all_that_is_promised_is_there_with_its_labels_and_nothing_else():
    found = {
        name: {label for sample in family.samples for label in sample.labels} - {"le"}
        for name, family in families(used()).items()
        if name.startswith("ordersync_")
    }

    assert found == PROMISED


def test_names_and_units_follow_the_conventions():
    for family in families(used()).values():
        assert family.documentation
        for sample in family.samples:
            assert not sample.name.endswith("_created")
            if family.type == "counter":
                assert sample.name.endswith("_total")
            if "second" in family.name:
                assert "_seconds" in sample.name


def test_what_is_asked_for_its_increase_is_there_at_zero_from_the_start():
    """`increase()` does not see the first step of a series that was not there before."""
    metrics = Metrics()

    for code in Code:
        value = metrics.registry.get_sample_value(
            "ordersync_dead_letters_total", {"reason": str(code)}
        )
        assert value == 0
    for reason in (Code.OUTAGE, Code.UNAUTHENTICATED, Code.DAILY_LIMIT):
        value = metrics.registry.get_sample_value(
            "ordersync_paused_seconds_total", {"reason": str(reason)}
        )
        assert value == 0
    assert (
        metrics.registry.get_sample_value(
            "ordersync_outcomes_total", {"status": "applied", "reason": ""}
        )
        == 0
    )


def test_two_of_them_never_mix():
    one, other = Metrics(), Metrics()

    one.redeliveries.inc()

    assert one.registry.get_sample_value("ordersync_redeliveries_total") == 1
    assert other.registry.get_sample_value("ordersync_redeliveries_total") == 0


def test_batch_sizes_are_told_apart_where_it_matters():
    """Full batches from nearly full ones, single records from small groups."""
    (family,) = [f for f in families(used()).values() if f.name == "ordersync_batch_records"]

    edges = [sample.labels["le"] for sample in family.samples if "le" in sample.labels]

    assert edges == ["1.0", "5.0", "10.0", "25.0", "50.0", "75.0", "90.0", "100.0", "+Inf"]


def test_the_process_is_measured_too():
    assert "process_resident_memory_bytes" in families(Metrics())


def paused(metrics: Metrics) -> dict[str, tuple[float, float]]:
    """Reason -> whether it holds, and its seconds; those of which something is known."""
    found = {}
    for reason in Code:
        labels = {"reason": str(reason)}
        holds = metrics.registry.get_sample_value("ordersync_paused", labels)
        seconds = metrics.registry.get_sample_value("ordersync_paused_seconds_total", labels)
        if holds or seconds:
            found[str(reason)] = (holds or 0.0, seconds or 0.0)
    return found


def test_a_pause_names_its_reason_and_counts_its_seconds_while_it_lasts():
    metrics, clock = Metrics(), [100.0]

    metrics.pauses.begin(Code.OUTAGE, lambda: clock[0])
    clock[0] = 130.0
    lasting = paused(metrics)
    metrics.pauses.begin(Code.UNAUTHENTICATED, lambda: clock[0])
    clock[0] = 135.0
    changed = paused(metrics)
    metrics.pauses.end()
    clock[0] = 200.0

    assert lasting == {"outage": (1.0, 30.0)}
    assert changed == {"outage": (0.0, 30.0), "unauthenticated": (1.0, 5.0)}
    assert paused(metrics) == {"outage": (0.0, 30.0), "unauthenticated": (0.0, 5.0)}


def test_a_probe_that_gets_no_answer_leaves_the_reason_that_holds():
    metrics = Metrics()

    metrics.pauses.begin(Code.OUTAGE, lambda: 1.0)
    metrics.pauses.begin(Code.NO_REPLY, lambda: 1.0)

    assert list(paused(metrics)) == ["outage"]

"""What is counted at a settlement."""

from datetime import UTC, datetime, timedelta

import pytest
from pamqp.commands import Basic
from pamqp.common import FieldTable

from service.core.events.deliveries import Delivery
from service.core.events.events import parse
from service.core.events.malformed import Malformed
from service.core.settlement.closing import Closing
from service.core.settlement.outcomes import conclude_malformed
from service.watch.metrics import Metrics
from service.watch.tally import Tally

ARRIVED = datetime(2026, 11, 22, 10, 0, 0, 400_000, tzinfo=UTC)
SETTLED = ARRIVED + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("waited", "replays", "age"),
    [
        (None, 0, 2.0),  # its producer gave no timestamp
        (60.0, 0, 62.0),  # a backlog is seen
        (0.4, 0, 2.0),  # the same second: AMQP has no finer time
        (-60.0, 0, 2.0),  # a clock ahead of ours
        (86_400.0, 1, 2.0),  # a replay's timestamp is that of its first life
    ],
)
def test_an_outcomes_age_counts_from_the_publish_where_that_is_told(
    waited: float | None, replays: int, age: float
) -> None:
    sent = None if waited is None else ARRIVED - timedelta(seconds=waited)
    headers: FieldTable = {"ordersync-replays": replays}
    properties = Basic.Properties(timestamp=sent, headers=headers)
    delivery = Delivery(1, 1, "q", "x", "k", False, properties, b"", ARRIVED)
    malformed = parse(delivery, "shop_order_id")
    assert isinstance(malformed, Malformed)
    metrics = Metrics()

    Tally(metrics, "t", lambda _: None).settled(
        Closing(1, 0.0, (conclude_malformed(malformed, SETTLED),)), SETTLED
    )

    body, _ = metrics.render()
    (total,) = (
        line for line in body.decode().splitlines() if "publish_to_outcome_seconds_sum" in line
    )
    assert float(total.split()[1]) == age

"""The envelope of a batch answer."""

from collections.abc import Sequence
from typing import Any

from service.twin.account.portal import Portal
from service.twin.account.records import Table
from service.twin.clock import iso
from service.twin.operations.answers import Answer
from service.twin.operations.call import Call


def answered(
    portal: Portal,
    call: Call,
    good: int,
    results: list[dict[str, Any]],
    errors: list[dict[str, Any]],
) -> Answer:
    """The envelope of a batch: shuffled results, 207 as soon as there are errors."""
    if portal.options.shuffle:
        portal.random.shuffle(results)
    document: dict[str, Any] = {"status": "COMPLETE", "results": results}
    if errors:
        document |= {"numErrors": len(errors), "errors": errors}
    document["startedAt"] = iso(call.stamp)
    document["completedAt"] = iso(portal.clock.stamp())
    return Answer(207 if errors else good, document)


def nothing(call: Call, good: int) -> Answer:
    """The silent success: an empty batch, or a body HubSpot did not understand."""
    stamp = iso(call.stamp)
    document = {"status": "COMPLETE", "results": [], "errors": []}
    return Answer(good, {**document, "startedAt": stamp, "completedAt": stamp})


def missing_text(table: Table) -> str:
    """The message for records that are not there."""
    return (
        f"Could not get some {table.kind.label} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )


def missing_error(table: Table, ids: Sequence[str]) -> dict[str, Any]:
    """The one error entry for all ids that are not there, as sent."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": missing_text(table),
        "context": {"ids": list(ids)},
    }

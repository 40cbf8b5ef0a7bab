"""What on-call does about each reason for which an event is a dead letter of ours."""

from collections.abc import Mapping
from typing import Final

from service.core.letters.entry import Entry
from service.core.reasons import Code

_MEND = "Only mended: `--set` or `--unset` the property, or replay the producer's corrected event."
_BAD = "No: it fails the same way for ever. Have the producer send the event anew; export or park this one."
_AFTER = "Yes, once that is done: the event itself is fine."

CONDEMNATIONS: Final[Mapping[str, Entry]] = {
    Code.NOT_CLOUDEVENT: Entry(
        "The message is no CloudEvent: neither the structured content type nor `ce-*` headers.",
        "producer",
        "Find the publisher by `app_id`, exchange and routing key of the dead letter; it may have the "
        "wrong exchange, or may set no content type.",
        _BAD,
    ),
    Code.INVALID_JSON: Entry(
        "The body is not JSON: cut off, another encoding, another format.",
        "producer",
        "Look at the body with `dlq show`; the sentence names the place. Usual causes are a client that "
        "truncates and a double encoding.",
        _BAD,
    ),
    Code.INVALID_EVENT: Entry(
        "It is a CloudEvent, but not an order event: a field is missing or has the wrong type. The "
        "sentence has every fault with its path.",
        "producer",
        "Have the producer check its events with `ordersync schema validate`. A single event can be "
        "mended here.",
        "Only mended: `--set` the faulty field (`--set time=2026-11-22T10:00:00Z`).",
    ),
    Code.OVERSIZED: Entry(
        "The body is larger than 256 KB. Above 1 MB it is not read either: RabbitMQ makes the dead letter, "
        "with the reason `rejected`.",
        "producer",
        "An order event carries HubSpot properties, not documents: have the producer leave the rest out.",
        _BAD,
    ),
    Code.PROPERTY_UNKNOWN: Entry(
        "HubSpot's order object has no property of this name: misspelt, or not created in this account.",
        "producer or HubSpot's set-up",
        "Create the property in HubSpot (Settings, Properties, Orders) if it is meant to exist; else have "
        "the producer correct the name.",
        "Yes, as it is, once the property exists; otherwise mended (`--unset properties.NAME`).",
    ),
    Code.PROPERTY_INVALID: Entry(
        "HubSpot refused a value: not a number, not a date, not one of the property's options, too long.",
        "producer",
        "Compare the value with the property's definition in HubSpot; add a missing option there, or "
        "have the producer correct the value.",
        "Yes, as it is, once an option was added or the type changed. " + _MEND,
    ),
    Code.PROPERTY_READ_ONLY: Entry(
        "The property is HubSpot's own: calculated, or set by HubSpot only.",
        "producer",
        "The producer must not send it.",
        "Only mended: `--unset properties.NAME`.",
    ),
    Code.VALUE_TAKEN: Entry(
        "Another order has this value in a unique property.",
        "data",
        "Find the other order in HubSpot by the value that the sentence quotes; decide which of the two "
        "is right, correct or merge the other.",
        _AFTER,
    ),
    Code.ORDER_NOT_FOUND: Entry(
        "An update for an order that HubSpot does not have, or has archived.",
        "producer or order of events",
        "See whether the creating event is a dead letter too (`dlq ls --order KEY`): replay that one "
        "first. If the order is archived, restore it in HubSpot or leave the update alone.",
        "Yes, after the order exists.",
    ),
    Code.ORDER_EXISTS: Entry(
        "A create for an order whose key HubSpot has already; `record_id` of the outcome is the holder's.",
        "producer",
        "Decide which of the two is right. Where the order may be there already, the producer sends an upsert.",
        "No: it is refused for as long as the other order is there. Mend it to an upsert, or close it.",
    ),
    Code.STAGE_UNKNOWN: Entry(
        "The account's pipelines have no stage, or more than one, of the name that the event gives.",
        "data or set-up",
        "The sentence lists the stages that there are, with their ids. "
        "Create or rename the stage in HubSpot, or have the producer use one of the list.",
        _AFTER,
    ),
    Code.LINE_ITEM_REJECTED: Entry(
        "HubSpot refused one line of the order; the order itself and its other lines may be written (`parts`).",
        "data",
        "Mend the line's property that the sentence names, or have the producer send the order anew.",
        "Only mended: `--set line_items.KEY.NAME=VALUE` or `--unset line_items.KEY.NAME` (the line's key, the "
        "property), or replay the producer's corrected event.",
    ),
    Code.LINE_ITEMS_NOT_CONFIGURED: Entry(
        "The event has lines, and no property of line items is configured that holds their keys.",
        "set-up",
        "Create a property of line items with `hasUniqueValue` and set "
        "ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY to its name.",
        _AFTER,
    ),
    Code.LINE_ITEMS_UNRESOLVED: Entry(
        "Lines could not be written, linked or removed, or the order has no value of the configured "
        "identifying property to name its lines after.",
        "nobody's, or data where the order has no key",
        "`parts` of the outcome says which lines are there. Give the order its key in HubSpot where the "
        "sentence says that it has none.",
        "Yes: the whole event may be repeated, no line is written twice.",
    ),
    Code.ASSOCIATION_TARGET_MISSING: Entry(
        "A link goes to a record that HubSpot does not have, or did not have within the patience.",
        "data or order of events",
        "Find out why the record is missing: whoever writes it may be late. Or the producer says "
        "`on_missing: create` or `skip`.",
        "Yes, after the record exists.",
    ),
    Code.ASSOCIATION_TARGET_AMBIGUOUS: Entry(
        "More than one record answers to the name that the event gives for a link's other end.",
        "data",
        "Merge the records in HubSpot, or name the right one by its record id.",
        _AFTER,
    ),
    Code.ASSOCIATION_REFUSED: Entry(
        "HubSpot refused a link: an unknown label, a limit of the account, a scope, or a property that is not unique.",
        "data or set-up",
        "The sentence quotes HubSpot, or lists the labels that there are. Links per pair of types can be "
        "limited in the account's settings.",
        _AFTER,
    ),
    Code.ASSOCIATION_UNRESOLVED: Entry(
        "HubSpot never said what became of a link.",
        "nobody's",
        "`parts` of the outcome says which. A replay asks again.",
        "Yes: a link that is there already is left as it is.",
    ),
    Code.CONFLICT: Entry(
        "HubSpot says that the write conflicts with what it holds, without saying with what.",
        "data",
        "Look at the order in HubSpot for duplicates of its key, with the correlation id at hand.",
        "Try one (`--limit 1`): a conflict with a write at the same moment is over by now.",
    ),
    Code.REFUSED: Entry(
        "HubSpot refused the record in words that ordersync has no code for.",
        "unknown",
        "Read the sentence; ask HubSpot's support with the correlation id if it does not help.",
        "Try one (`--limit 1`) after whatever the sentence asks for.",
    ),
    Code.REFUSED_ALONE: Entry(
        "HubSpot answers this order's call as it answers a wrong set-up (a missing scope, a bad token, an "
        "unknown address), and writes the orders beside it.",
        "data or HubSpot's set-up",
        "Read the sentence: a property may need a scope of its own (sensitive data does), or something on the "
        "way to HubSpot may dislike a value. Grant the scope, or have the producer leave the property out.",
        "Yes, as it is, once the scope is granted; otherwise mended (`--unset properties.NAME`).",
    ),
    Code.UNCONFIRMED: Entry(
        "HubSpot answered again and again without a word about this record.",
        "HubSpot",
        "See `dlq show`: what HubSpot holds for the order tells whether the write happened.",
        "Yes: writing the same values again does no harm.",
    ),
    Code.SERVER_ERROR: Entry(
        "Calls with this record in them failed with a 5xx, also alone, while others went through.",
        "HubSpot",
        "Look at status.hubspot.com for that time. If it is over, replay; if only this record fails, ask "
        "support with the correlation id.",
        "Yes.",
    ),
    Code.NO_REPLY: Entry(
        "HubSpot did not answer in time, for this record again and again.",
        "HubSpot or network",
        "Check the way out (proxy, firewall, DNS) and `ORDERSYNC_HUBSPOT__TIMEOUT`.",
        "Yes: writing the same values again does no harm.",
    ),
    Code.LOCKED: Entry(
        "HubSpot kept the record locked: something else writes it all the time.",
        "another integration",
        "Find the workflow or integration that writes this order in HubSpot's property history.",
        "Yes, after that has calmed down.",
    ),
    Code.UNRECOGNISED: Entry(
        "HubSpot, or something in front of it, answered what nobody understands: HTML, another format, "
        "an unknown category.",
        "HubSpot or a proxy",
        "Read the excerpt in the sentence. A proxy's page means the address or the network; an unknown "
        "category means that ordersync should learn it: report it with the dead letter.",
        "Yes, once answers are HubSpot's again.",
    ),
    Code.CRASH_SUSPECT: Entry(
        "The service's process died again and again while it held this message: it had gone back to the queue "
        "20 times or more, was first in line when the process began anew, and was set aside without another "
        "try. What stood behind it went back as often, and is not condemned for that.",
        "ordersync, or the message",
        "Look at how the service ended at those times (out of memory, a crash in a log): whatever is "
        "special about this message, its size first, is the way to the cause. Report it with an export.",
        "One alone (`--limit 1`), with a version that has the cause mended; watch the service.",
    ),
}

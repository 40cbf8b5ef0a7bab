"""Answers about links, in the shapes that HubSpot is recorded to give them, and their verdicts."""

from typing import Any

import pytest

from service.core.hubspot import associations
from service.core.hubspot.associations import LinksFound, LinkType, Pair
from service.core.hubspot.verdicts import Applied, Rejected, Retryable
from service.core.reasons import Code

PLAIN = (LinkType("HUBSPOT_DEFINED", 507),)
CALL = associations.make("orders", "contacts", [(Pair("1", "7"), PLAIN), (Pair("2", "8"), PLAIN)])


def error(side, *ids):
    return {
        "category": "OBJECT_NOT_FOUND",
        "subCategory": f"crm.associations.{side}_OBJECT_NOT_FOUND",
        "message": "gone",
        "context": {"objectType": ["order"], "id": list(ids)},
    }


NUMBERS = {"fromObjectId": 1, "toObjectId": 7, "labels": ["Bill to"]}
TEXTS = {"from": {"id": "1"}, "to": {"id": "7"}}
BACK = {"from": {"id": "7"}, "to": {"id": "1"}}
ITSELF = {"category": "VALIDATION_ERROR", "message": "a record with itself"}
CASES: list[tuple[dict[str, Any], list[Any]]] = [
    ({"results": [NUMBERS]}, [None, Code.ASSOCIATION_UNRESOLVED]),
    ({"results": [TEXTS, BACK]}, [None, Code.ASSOCIATION_UNRESOLVED]),
    (
        {"results": [NUMBERS], "errors": [error("TO", "8")]},
        [None, Code.ASSOCIATION_TARGET_MISSING],
    ),
    ({"errors": [error("FROM", "1"), error("TO", "7")]}, [Code.ASSOCIATION_UNRESOLVED] * 2),
    ({"results": [NUMBERS], "errors": [error("TO", "7")]}, [Code.ASSOCIATION_UNRESOLVED] * 2),
    ({"results": [], "errors": [ITSELF]}, [Code.ASSOCIATION_UNRESOLVED] * 2),
    ({"status": "COMPLETE", "results": []}, [Code.ASSOCIATION_UNRESOLVED] * 2),
    ({"status": "COMPLETE", "numErrors": 2}, [Code.ASSOCIATION_UNRESOLVED] * 2),
    ({}, [Code.ASSOCIATION_UNRESOLVED] * 2),
]


@pytest.mark.parametrize(("body", "expected"), CASES)
def test_a_link_is_made_by_evidence_alone(body, expected):
    verdicts = associations.made(CALL, body, 207, None)

    assert [v.reason.code if isinstance(v, Retryable) else None for v in verdicts] == expected
    assert all(isinstance(v, Applied | Retryable) for v in verdicts)


def test_an_invalid_end_is_refused_and_no_other_link():
    fault = {"category": "VALIDATION_ERROR", "message": "invalid", "context": {"id": ["8"]}}
    first, second = associations.made(CALL, {"results": [NUMBERS], "errors": [fault]}, 207, None)

    assert isinstance(first, Applied)
    assert isinstance(second, Rejected)


def test_nothing_associated_is_an_empty_list_and_silence_is_none():
    nothing = {
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "context": {"fromObjectId": ["1"], "toObjectType": ["contact"]},
    }
    call = associations.read("orders", "contacts", [("1", None), ("2", None)])

    assert associations.found(call, {"errors": [nothing]}) == {"1": LinksFound(())}

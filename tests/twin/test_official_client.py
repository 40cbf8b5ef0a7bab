"""HubSpot's own client, unpatched, on a socket: orders, lines, links, searches and archives."""

from typing import Any

import hubspot
import pytest
from hubspot.crm import objects
from hubspot.crm.associations import v4

from service.twin import TwinOptions
from service.twin.pytest_plugin import running_twin

UNIQUE = ("shop_order_id", "line_items.shop_line_id")


def client(url: str) -> Any:
    return hubspot.HubSpot(access_token="pat-test", host=url)


def test_it_creates_reads_updates_searches_and_archives_orders():
    with running_twin(TwinOptions()) as running:
        api = client(running.url).crm.objects
        ids = _created(api)
        _read_and_updated(api, ids)
        _upserted(api)
        _found(api)
        _archived(api, ids)
        state = running.twin.state()

    assert state["A-1"]["properties"]["hs_order_name"] == "three"
    assert state["A-2"]["archived"] is True


def _created(api: Any) -> dict[str, str]:
    made = api.batch_api.create(
        "orders",
        objects.BatchInputSimplePublicObjectBatchInputForCreate(
            inputs=[
                objects.SimplePublicObjectBatchInputForCreate(
                    properties={"shop_order_id": key, "hs_order_name": "one"}, associations=[]
                )
                for key in ("A-1", "A-2")
            ]
        ),
    )
    return {result.properties["shop_order_id"]: result.id for result in made.results}


def _read_and_updated(api: Any, ids: dict[str, str]) -> None:
    read = api.batch_api.read(
        "orders",
        objects.BatchReadInputSimplePublicObjectId(
            inputs=[objects.SimplePublicObjectId(id="A-1"), objects.SimplePublicObjectId(id="no")],
            id_property="shop_order_id",
            properties=["hs_order_name"],
            properties_with_history=["hs_order_name"],
        ),
    )
    assert read.results[0].properties["hs_order_name"] == "one"
    assert read.errors[0].context == {"ids": ["no"]}
    updated = api.batch_api.update(
        "orders",
        objects.BatchInputSimplePublicObjectBatchInput(
            inputs=[
                objects.SimplePublicObjectBatchInput(
                    id=ids["A-1"], properties={"hs_order_name": "two"}
                )
            ]
        ),
    )
    assert updated.results[0].properties["hs_order_name"] == "two"


def _upserted(api: Any) -> None:
    upserted = api.batch_api.upsert(
        "orders",
        objects.BatchInputSimplePublicObjectBatchInputUpsert(
            inputs=[
                _upsert("shop_order_id", "A-1", hs_order_name="three"),
                _upsert("shop_order_id", "A-3", color="red"),
            ]
        ),
    )
    assert upserted.results[0].new is False
    assert upserted.errors[0].context == {"objectWriteTraceId": ["A-3"]}


def _upsert(id_property: str, key: str, **properties: str) -> Any:
    return objects.SimplePublicObjectBatchInputUpsert(
        id=key,
        id_property=id_property,
        properties={id_property: key, **properties},
        object_write_trace_id=key,
    )


def _found(api: Any) -> None:
    condition = objects.Filter(property_name="hs_order_name", operator="EQ", value="three")
    found = api.search_api.do_search(
        "orders",
        objects.PublicObjectSearchRequest(
            filter_groups=[objects.FilterGroup(filters=[condition])],
            properties=["shop_order_id"],
            sorts=["hs_createdate"],
            limit=10,
            after="0",
        ),
    )
    assert [result.properties["shop_order_id"] for result in found.results] == ["A-1"]


def _archived(api: Any, ids: dict[str, str]) -> None:
    api.batch_api.archive(
        "orders",
        objects.BatchInputSimplePublicObjectId(
            inputs=[objects.SimplePublicObjectId(id=ids["A-2"])]
        ),
    )
    assert [result.id for result in api.basic_api.get_page("orders", limit=5).results] == [
        ids["A-1"]
    ]
    with pytest.raises(objects.ApiException) as refused:
        api.basic_api.get_by_id("orders", ids["A-2"])
    assert refused.value.status == 404


@pytest.mark.parametrize("numeric", [True, False])
def test_it_writes_lines_and_links_them_and_reads_the_links(numeric: bool):
    with running_twin(TwinOptions(unique=UNIQUE, numeric_association_ids=numeric)) as running:
        crm = client(running.url).crm
        order = _one(crm.objects, "orders", "shop_order_id", "A-1")
        line = _one(crm.objects, "line_items", "shop_line_id", "A-1/1")
        links = crm.associations.v4.batch_api
        made = links.create(
            "orders",
            "line_items",
            v4.BatchInputPublicAssociationMultiPost(
                inputs=[
                    v4.PublicAssociationMultiPost(
                        _from=v4.PublicObjectId(id=order),
                        to=v4.PublicObjectId(id=line),
                        types=[
                            v4.AssociationSpec(
                                association_category="HUBSPOT_DEFINED", association_type_id=513
                            )
                        ],
                    )
                ]
            ),
        )
        read = links.get_page(
            "orders",
            "line_items",
            v4.BatchInputPublicFetchAssociationsBatchRequest(
                inputs=[v4.PublicFetchAssociationsBatchRequest(id=order)]
            ),
        )
        links.archive(
            "orders",
            "line_items",
            v4.BatchInputPublicAssociationMultiArchive(
                inputs=[
                    v4.PublicAssociationMultiArchive(
                        _from=v4.PublicObjectId(id=order), to=[v4.PublicObjectId(id=line)]
                    )
                ]
            ),
        )
        actions = [each.written.action for each in running.twin.written("line_items")]

    assert str(made.results[0].from_object_id) == order
    assert str(read.results[0].to[0].to_object_id) == line
    assert actions == ["created", "linked", "unlinked"]


def _one(api: Any, kind: str, id_property: str, key: str) -> str:
    answer = api.batch_api.upsert(
        kind,
        objects.BatchInputSimplePublicObjectBatchInputUpsert(inputs=[_upsert(id_property, key)]),
    )
    made: str = answer.results[0].id
    return made

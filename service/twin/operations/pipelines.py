"""Calls about pipelines and stages: read them, make them, archive a stage."""

from collections.abc import Iterator
from typing import Any

from service.twin.account.pipelines import Pipeline, Stage
from service.twin.account.portal import Portal
from service.twin.clock import iso
from service.twin.operations.answers import Answer, bad_shape, not_found
from service.twin.operations.call import Call, expect_list, expect_object, expect_text


def list_pipelines(portal: Portal, call: Call) -> Answer:
    """`GET /crm/v3/pipelines/{kind}`: all of them, no paging."""
    listed = portal.pipelines.listed(call.table_kind)
    return Answer(200, {"results": [_shown(portal, each) for each in listed]})


def get_pipeline(portal: Portal, call: Call) -> Answer:
    """`GET …/{pipeline}`."""
    return Answer(200, _shown(portal, _met(portal, call)))


def list_stages(portal: Portal, call: Call) -> Answer:
    """`GET …/{pipeline}/stages`."""
    return Answer(200, {"results": list(_stages(portal, _met(portal, call)))})


def create_pipeline(portal: Portal, call: Call) -> Answer:
    """`POST …`: 201; HubSpot gives the ids."""
    given = call.read_object()
    label, order = _label(given), _order(given)
    listed = [
        (_label(stage), _order(stage))
        for stage in (
            expect_object(each, "`stages[]`")
            for each in expect_list(given.get("stages") or [], "`stages`")
        )
    ]
    pipeline = portal.pipelines.add(call.table_kind, portal.uuid(), label, order)
    for stage_label, stage_order in listed:
        pipeline.add(portal.uuid(), stage_label, stage_order)
    return Answer(201, _shown(portal, pipeline))


def create_stage(portal: Portal, call: Call) -> Answer:
    """`POST …/{pipeline}/stages`: 201."""
    pipeline, given = _met(portal, call), call.read_object()
    stage = pipeline.add(portal.uuid(), _label(given), _order(given))
    return Answer(201, _stage(portal, stage))


def delete_stage(portal: Portal, call: Call) -> Answer:
    """`DELETE …/{pipeline}/stages/{stage}`: 204, records in it or not (specified)."""
    stage = _met(portal, call).stages.get(call.params["stage"])
    if stage is None or stage.archived:
        raise not_found()
    stage.archived = True
    return Answer(204)


def _met(portal: Portal, call: Call) -> Pipeline:
    known = portal.pipelines.of.get(call.table_kind.name, {})
    if pipeline := known.get(call.params["pipeline"]):
        return pipeline
    raise not_found()


def _label(given: dict[str, Any]) -> str:
    if given.get("label") is None:
        raise bad_shape("some required attributes are not set: [label]")
    return expect_text(given["label"], "`label`")


def _order(given: dict[str, Any]) -> int | None:
    order = given.get("displayOrder")
    return order if type(order) is int else None


def _shown(portal: Portal, pipeline: Pipeline) -> dict[str, Any]:
    return {
        "id": pipeline.id,
        "label": pipeline.label,
        "displayOrder": pipeline.order,
        "stages": list(_stages(portal, pipeline)),
        **_dates(portal),
    }


def _stages(portal: Portal, pipeline: Pipeline) -> Iterator[dict[str, Any]]:
    return (_stage(portal, stage) for stage in pipeline.open_stages())


def _stage(portal: Portal, stage: Stage) -> dict[str, Any]:
    return {
        "id": stage.id,
        "label": stage.label,
        "displayOrder": stage.order,
        "metadata": {"state": "CLOSED" if stage.closed else "OPEN"},
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        **_dates(portal),
    }


def _dates(portal: Portal) -> dict[str, Any]:
    began = iso(portal.began)
    return {"createdAt": began, "updatedAt": began, "archived": False}

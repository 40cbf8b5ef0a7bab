"""Calls about pipelines and stages; changing stages changes what `hs_pipeline_stage` accepts."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from service.twin.account.definitions import standard_definitions
from service.twin.account.pipelines import Pipeline
from service.twin.account.portal import Portal
from service.twin.clock import iso
from service.twin.operations.answers import Answer, bad_shape, not_found
from service.twin.operations.call import Call, expect_list, expect_object, expect_text


def list_pipelines(portal: Portal, call: Call) -> Answer:
    """`GET /crm/v3/pipelines/{kind}`."""
    listed = _of(portal, call).values()
    return Answer(200, {"results": [_shown(portal, each) for each in listed]})


def get_pipeline(portal: Portal, call: Call) -> Answer:
    """`GET …/{pipeline}`."""
    return Answer(200, _shown(portal, _met(portal, call)))


def list_stages(portal: Portal, call: Call) -> Answer:
    """`GET …/{pipeline}/stages`."""
    return Answer(200, {"results": list(_stages(portal, _met(portal, call)))})


def create_pipeline(portal: Portal, call: Call) -> Answer:
    """`POST …`: 201; ids are given by HubSpot."""
    given = call.read_object()
    pipeline = Pipeline(portal.uuid(), _label(given))
    for stage in expect_list(given.get("stages") or [], "`stages`"):
        pipeline.stages[portal.uuid()] = _label(expect_object(stage, "`stages[]`"))
    portal.pipelines.of.setdefault(call.table_kind.name, {})[pipeline.id] = pipeline
    _redefine(portal, call)
    return Answer(201, _shown(portal, pipeline))


def update_pipeline(portal: Portal, call: Call) -> Answer:
    """`PATCH …/{pipeline}`: another label."""
    pipeline = _met(portal, call)
    pipeline.label = _label(call.read_object())
    return Answer(200, _shown(portal, pipeline))


def delete_pipeline(portal: Portal, call: Call) -> Answer:
    """`DELETE …/{pipeline}`: 204."""
    del _of(portal, call)[_met(portal, call).id]
    _redefine(portal, call)
    return Answer(204)


def create_stage(portal: Portal, call: Call) -> Answer:
    """`POST …/{pipeline}/stages`: 201."""
    pipeline = _met(portal, call)
    stage = portal.uuid()
    pipeline.stages[stage] = _label(call.read_object())
    _redefine(portal, call)
    return Answer(201, next(one for one in _stages(portal, pipeline) if one["id"] == stage))


def delete_stage(portal: Portal, call: Call) -> Answer:
    """`DELETE …/{pipeline}/stages/{stage}`: 204."""
    if _met(portal, call).stages.pop(call.params["stage"], None) is None:
        raise not_found()
    _redefine(portal, call)
    return Answer(204)


def _redefine(portal: Portal, call: Call) -> None:
    kind, table = call.table_kind, portal.table(call.table_kind)
    stages = portal.pipelines.stage_ids(kind)
    for name, definition in standard_definitions(kind, stages).items():
        if name in ("hs_pipeline", "hs_pipeline_stage"):
            table.define(replace(definition))


def _of(portal: Portal, call: Call) -> dict[str, Pipeline]:
    return portal.pipelines.of.get(call.table_kind.name, {})


def _met(portal: Portal, call: Call) -> Pipeline:
    if pipeline := _of(portal, call).get(call.params["pipeline"]):
        return pipeline
    raise not_found()


def _label(given: dict[str, Any]) -> str:
    if given.get("label") is None:
        raise bad_shape("some required attributes are not set: [label]")
    return expect_text(given["label"], "`label`")


def _shown(portal: Portal, pipeline: Pipeline) -> dict[str, Any]:
    began = iso(portal.began)
    return {
        "id": pipeline.id,
        "label": pipeline.label,
        "displayOrder": 0,
        "stages": list(_stages(portal, pipeline)),
        "createdAt": began,
        "updatedAt": began,
        "archived": False,
    }


def _stages(portal: Portal, pipeline: Pipeline) -> Iterator[dict[str, Any]]:
    began = iso(portal.began)
    for place, (stage, label) in enumerate(pipeline.stages.items()):
        yield {
            "id": stage,
            "label": label,
            "displayOrder": place,
            "metadata": {"state": "CLOSED" if label in ("Delivered", "Cancelled") else "OPEN"},
            "createdAt": began,
            "updatedAt": began,
            "archived": False,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        }

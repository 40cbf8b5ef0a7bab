"""Which path is which operation: HubSpot's v3, v4 and dated paths as one table.

The names are what faults and the journal call the operations. Hot paths come first, because routes
are tried in order.
"""

from dataclasses import dataclass

from service.twin.gates.oauth import TokenOffice
from service.twin.operations import (
    association_batches,
    association_paths,
    batch_reads,
    batches,
    merging,
    pipelines,
    properties,
    search,
    singles,
)
from service.twin.operations.operation import Operation


@dataclass(frozen=True, slots=True)
class Path:
    """One route: `version` where the path itself names none; `open` needs no token.

    `name` is what faults and the journal call the endpoint, `group` what they call all of its kin.
    """

    method: str
    pattern: str
    name: str
    operation: Operation
    version: str = "v3"
    open: bool = False
    group: str = ""


_OBJECTS = ("/crm/v3/objects/{kind}", "/crm/objects/{version:dated}/{kind}")
_ON_OBJECTS: tuple[tuple[str, str, str, Operation], ...] = (
    ("POST", "/batch/upsert", "upsert", batches.batch_write),
    ("POST", "/batch/update", "update", batches.batch_write),
    ("POST", "/batch/read", "read", batch_reads.batch_read),
    ("POST", "/batch/archive", "archive", batch_reads.batch_archive),
    ("POST", "/batch/create", "create", batches.batch_write),
    ("POST", "/search", "search", search.search),
    ("POST", "/merge", "merge", merging.merge),
    ("GET", "/{id}", "get", singles.get_one),
    ("PATCH", "/{id}", "update_one", singles.update_one),
    ("DELETE", "/{id}", "archive_one", singles.archive_one),
    ("GET", "", "list", singles.list_page),
    ("POST", "", "create_one", singles.create_one),
)
_LINKS = (
    ("v3", "/crm/v3/objects/{kind}/{id}/associations"),
    ("v4", "/crm/v4/objects/{kind}/{id}/associations"),
    ("", "/crm/objects/{version:dated}/{kind}/{id}/associations"),
)
_ON_LINKS: tuple[tuple[str, str, str, Operation], ...] = (
    ("PUT", "/default/{to}/{to_id}", "link_one", association_paths.put_default),
    ("GET", "/{to}", "links_of", association_paths.list_links),
    ("PUT", "/{to}/{to_id}", "link_one", association_paths.put_v4),
    ("DELETE", "/{to}/{to_id}", "unlink_one", association_paths.delete),
    ("PUT", "/{to}/{to_id}/{type}", "link_one", association_paths.put_v3),
    ("DELETE", "/{to}/{to_id}/{type}", "unlink_one", association_paths.delete),
)
_LINK_BATCHES: tuple[tuple[str, str, tuple[tuple[str, str, Operation], ...]], ...] = (
    (
        "v3",
        "/crm/v3/associations/{kind}/{to}/batch",
        (
            ("create", "link", association_batches.create_v3),
            ("read", "links", association_batches.read_v3),
            ("archive", "unlink", association_batches.archive_batch),
        ),
    ),
    *(
        (
            version,
            f"{root}/{{kind}}/{{to}}/batch",
            (
                ("create", "link", association_batches.create_v4),
                ("read", "links", association_batches.read_v4),
                ("archive", "unlink", association_batches.archive_batch),
                ("labels/archive", "unlink", association_batches.archive_batch),
                ("associate/default", "link", association_batches.create_default),
            ),
        )
        for version, root in (
            ("v4", "/crm/v4/associations"),
            ("", "/crm/associations/{version:dated}"),
        )
    ),
)
_LABELS = (
    ("v4", "/crm/v4/associations/{kind}/{to}/labels"),
    ("", "/crm/associations/{version:dated}/{kind}/{to}/labels"),
)
_ON_LABELS: tuple[tuple[str, str, Operation], ...] = (
    ("GET", "", association_paths.list_labels),
    ("POST", "", association_paths.create_label),
    ("DELETE", "/{type}", association_paths.delete_label),
)
_PROPERTIES = ("/crm/v3/properties/{kind}", "/crm/properties/{version:dated}/{kind}")
_ON_PROPERTIES: tuple[tuple[str, str, Operation], ...] = (
    ("GET", "", properties.list_properties),
    ("POST", "", properties.create_property),
    ("POST", "/batch/create", properties.create_properties),
    ("GET", "/{name}", properties.get_property),
    ("DELETE", "/{name}", properties.archive_property),
)
_PIPELINES = ("/crm/v3/pipelines/{kind}", "/crm/pipelines/{version:dated}/{kind}")
_ON_PIPELINES: tuple[tuple[str, str, Operation], ...] = (
    ("GET", "", pipelines.list_pipelines),
    ("POST", "", pipelines.create_pipeline),
    ("GET", "/{pipeline}", pipelines.get_pipeline),
    ("GET", "/{pipeline}/stages", pipelines.list_stages),
    ("POST", "/{pipeline}/stages", pipelines.create_stage),
    ("DELETE", "/{pipeline}/stages/{stage}", pipelines.delete_stage),
)


def paths(office: TokenOffice) -> list[Path]:
    """All of HubSpot's paths that the twin serves."""
    return [
        *(
            Path(method, root + suffix, name, operation)
            for method, suffix, name, operation in _ON_OBJECTS
            for root in _OBJECTS
        ),
        *(
            Path(
                method=method,
                pattern=root + suffix,
                name=name,
                operation=operation,
                version=version,
                group="associations",
            )
            for method, suffix, name, operation in _ON_LINKS
            for version, root in _LINKS
        ),
        *(
            Path(
                method="POST",
                pattern=f"{root}/{verb}",
                name=name,
                operation=operation,
                version=version,
                group="associations",
            )
            for version, root, verbs in _LINK_BATCHES
            for verb, name, operation in verbs
        ),
        *(
            Path(
                method=method,
                pattern=root + suffix,
                name="labels",
                operation=operation,
                version=version,
                group="associations",
            )
            for method, suffix, operation in _ON_LABELS
            for version, root in _LABELS
        ),
        *(
            Path(method, root + suffix, "properties", operation, group="properties")
            for method, suffix, operation in _ON_PROPERTIES
            for root in _PROPERTIES
        ),
        *(
            Path(method, root + suffix, "pipelines", operation, group="pipelines")
            for method, suffix, operation in _ON_PIPELINES
            for root in _PIPELINES
        ),
        *_token_paths(office),
    ]


def _token_paths(office: TokenOffice) -> list[Path]:
    roots = ("/oauth/v1/token", "/oauth/v3/token", "/oauth/{version:dated}/token")
    return [Path("POST", root, "token", office.give, open=True) for root in roots]

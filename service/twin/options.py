"""What a twin can be told at its start. Every switch for an unknown of HubSpot is documented here.

A frozen value: the twin never changes its options; live changes go through `/_twin/`.
"""

from dataclasses import dataclass, field
from typing import Literal

from service.twin.faults import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinOptions:
    """Options of one twin: its portal, its limits, its answers, its faults, its memory.

    Portal
        unique: string properties of orders that identify a record (`hasUniqueValue`);
            `line_items.shop_line_id` names one of another type.
        properties: further definitions, `[kind.]name:type[:option|option]`.
        custom: object types of the account's own, `2-123456` or `2-123456:parcels`.
        labels: association labels, `orders.companies:Bill to|Ship to`; `There/Back` for a pair.
        pipelines: further pipelines, `[kind.]Label:Stage|Stage`; ids are made of the labels.
        portal_id, app_id: the numbers that messages and `hs_object_source_id` show.
        state: a SQLite file that keeps the records; empty for memory alone.

    Time and chance
        seed: of everything random: shuffling, correlation ids, fault rates.
        latency: seconds every call takes before it is answered.
        shuffle: results come in another order than the inputs, as HubSpot's do.
        start_ms: where the twin's calendar starts (milliseconds since 1970); today without it.

    Limits (0 switches one off)
        calls, window: the app's burst limit, `calls` in any rolling `window` seconds.
        daily: calls a day of the whole account; counted from the twin's start.
        search_calls: searches a second of the whole account.
        association_calls: association calls in any `window`; without it by tier, as documented:
            100, 150 or 200 where `calls` is up to 100, up to 190 or more, none where `calls` is 0.
        association_daily: association calls a day of the whole account.
        associations_apart: UNKNOWN whether an association call counts towards the app's own limits
            too; True: it does not.
        rival_rate: calls a second that another client of the same app takes from the window.
        refused_count: UNKNOWN whether a call answered 429 uses up quota; True counts it.
        retry_after: UNKNOWN, none recorded; True sends `Retry-After` with a 429.

    Access
        tokens: the static bearer tokens that are accepted; empty accepts any token.
        scopes: what they may do; empty grants everything.
        client_id, client_secret, refresh_token: of the OAuth app the token endpoints know.
        token_life: seconds an OAuth access token lives.

    Switches for what is unknown of HubSpot
        trace_echo: results repeat the input's `objectWriteTraceId`. No recording shows it.
        trace_on_missing: the `ids` error of an update also names trace ids. No recording shows it.
        update_errors: with trace ids, a bad property in an update is a 207 entry (`207`) or a
            whole-batch 400 (`400`); only the answer without trace ids is recorded.
        all_refused: with trace ids and every record refused, 207 with no results (`207`, likely)
            or the whole-batch refusal (`400`).
        archived_holder: an upsert whose key only an archived record holds makes a `new` record,
            `revive`s the archived one, or is refused as a `conflict`.
        key_case: values of unique properties are compared `exact`ly, or `fold`ed: trimmed, in
            lower case, and stored so, as contacts' addresses are.
        conflicts: a unique value held by another record is the VALIDATION_ERROR that names
            `coordinates` (seen on orders), or a `conflict` (409 / CONFLICT with existingId, seen
            on contacts).
        collisions: inputs of one batch that collide on a second unique property fail `single`ly
            or refuse the whole `batch`.
        racing_upserts: of two upserts of one new key in flight together the later one updates
            (`serial`), loses its record to a `conflict`, or is answered 423 (`locked`).
        unset: properties asked for and never set are left out (`omit`), `null`, or by API version
            (`auto`: null from 2026-09 on).
        same_value_history: writing the value a property already has makes a history entry.
        search_lag: seconds until a write is seen by search.
        merge_identical: inputs of one create that say the same become one record, as documented.
        create_bad_target: with trace ids, a create that links to nothing is refused alone (`207`,
            likely) or refuses the batch (`400`).
        archive_cascades: archiving a record archives the line items that only it had.

        secondary_lookup: a contact is found by its further addresses, too.
        merge_ids: a merge gives the survivor a `new` id (documented), or keeps the `primary` one.
        link_by_merged_id: an association call accepts the id that a record had before a merge.

        numeric_association_ids: association answers give ids as numbers (recorded) rather than as
            the strings of the specification.
        repeated_pairs: the same pair twice in one association create is `refused` (reported) or
            `merged`.
        label_only: an association create with a label and without the plain type does nothing
            (`ignored`, reported) or links by both (`linked`).
        default_adds_primary: the default link to a company is the primary one, where the record has
            none yet.
        association_limits: most links per record, `orders.contacts:1`.
        limit_refusal: a link beyond that refuses the call (`400`) or is an entry (`207`).
        association_page: links of one record in one answer; more are paged.

    Faults and memory
        faults: the script, tried in order; see `service.twin.faults`.
        journal: what is kept for `/_twin/journal`: `off`, `calls`, or calls and `writes`.
        journal_size: how many calls, and ten times as many writes, are kept.
        history_depth: entries kept per property.
    """

    unique: tuple[str, ...] = ("shop_order_id",)
    properties: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    portal_id: int = 44_000_001
    app_id: int = 6_457_564
    state: str = ""

    seed: int = 0
    latency: float = 0.0
    shuffle: bool = True
    start_ms: int | None = None

    calls: int = 190
    window: float = 10.0
    daily: int = 1_000_000
    search_calls: int = 5
    association_calls: int | None = None
    association_daily: int = 500_000
    associations_apart: bool = False
    rival_rate: float = 0.0
    refused_count: bool = False
    retry_after: bool = False

    tokens: tuple[str, ...] = field(default=(), repr=False)
    scopes: tuple[str, ...] = ()
    client_id: str = "twin-client"
    client_secret: str = field(default="twin-secret", repr=False)
    refresh_token: str = field(default="twin-refresh", repr=False)
    token_life: float = 1800.0

    trace_echo: bool = False
    trace_on_missing: bool = False
    update_errors: Literal["207", "400"] = "207"
    all_refused: Literal["207", "400"] = "207"
    archived_holder: Literal["new", "revive", "conflict"] = "new"
    key_case: Literal["exact", "fold"] = "exact"
    conflicts: Literal["coordinates", "conflict"] = "coordinates"
    collisions: Literal["single", "batch"] = "single"
    racing_upserts: Literal["serial", "conflict", "locked"] = "serial"
    unset: Literal["auto", "omit", "null"] = "auto"
    same_value_history: bool = False
    search_lag: float = 0.0
    merge_identical: bool = True
    create_bad_target: Literal["207", "400"] = "207"
    archive_cascades: bool = False

    secondary_lookup: bool = True
    merge_ids: Literal["new", "primary"] = "new"
    link_by_merged_id: bool = False

    numeric_association_ids: bool = True
    repeated_pairs: Literal["refused", "merged"] = "refused"
    label_only: Literal["ignored", "linked"] = "ignored"
    default_adds_primary: bool = True
    association_limits: tuple[str, ...] = ()
    limit_refusal: Literal["400", "207"] = "400"
    association_page: int = 500

    faults: tuple[Rule, ...] = ()
    journal: Literal["off", "calls", "writes"] = "writes"
    journal_size: int = 10_000
    history_depth: int = 20

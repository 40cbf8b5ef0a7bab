"""The configuration: what is accepted, and that every fault is said, once, without a secret in it."""

import os
from pathlib import Path

import pytest

from service.contract import reference
from service.core.hubspot.budget import BudgetPolicy
from service.core.settlement.retries import RetryPolicy
from service.core.waiting.batch import BatchPolicy
from service.settings.config import ALL, BrokerSettings, Settings
from service.settings.misconfiguration import ConfigurationError

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("bare")
NEEDED = {
    "RABBITMQ__URL": "amqp://guest:hidden-password@localhost/",
    "HUBSPOT__TOKEN": "hidden-token",
    "HUBSPOT__ID_PROPERTY": "shop_order_id",
}


@pytest.fixture
def load(monkeypatch):
    def from_environment(**values: str) -> Settings:
        for name, value in values.items():
            monkeypatch.setenv(f"ORDERSYNC_{name}", value)
        return Settings.load()

    return from_environment


@pytest.fixture
def faults(load):
    def of(**values: str) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load(**values)
        return list(caught.value.lines)

    return of


def test_three_settings_are_enough_and_the_defaults_are_the_promised_ones(load):
    settings = load(**NEEDED)

    assert settings.rabbitmq.queues == ("orders.events",)
    assert settings.hubspot.base_url == "https://api.hubapi.com"
    assert settings.hubspot.api_version == "v3"
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 8080)
    assert settings.log.format is None
    assert settings.batch_policy() == BatchPolicy(size=100, linger=0.25)
    assert settings.retry_policy() == RetryPolicy(attempts=8, patience=300.0)
    assert settings.budget_policy() == BudgetPolicy(calls=100, window=10.0)


def test_a_call_is_answered_or_given_up_before_a_stop_gives_up(load):
    settings = load(**NEEDED)

    assert settings.hubspot.timeout < settings.drain.grace


@pytest.mark.parametrize(
    "written",
    ['["a", "b"]', "a,b", " a , b ", '[ "a","b" ]'],
    ids=["json", "commas", "spaces", "both"],
)
def test_queues_are_a_json_list_or_names_with_commas(load, written):
    assert load(**NEEDED, RABBITMQ__QUEUES=written).rabbitmq.queues == ("a", "b")


def test_an_empty_variable_is_unset(load, faults):
    assert load(**NEEDED, BATCH__SIZE="").batch.size == 100
    assert any("HUBSPOT__TOKEN: is required" in line for line in faults(HUBSPOT__TOKEN=""))


def test_names_are_read_whatever_their_case(load, monkeypatch):
    monkeypatch.setenv("ordersync_batch__size", "7")

    assert load(**NEEDED).batch.size == 7


def test_every_fault_is_said_at_once_a_line_each(faults):
    lines = faults(
        RABBITMQ__URL="http://localhost",
        HUBSPOT__TOKE="x",
        HUBSPOT__CALLS="0",
        HUBSPOT__WINDOW="nan",
        HUBSPOT__API_VERSION="v4",
        BATCH__SIZE="500",
        BATCH__LINGER="soon",
        LOG__FORMAT="xml",
        RABBITMQ__DECLARE="perhaps",
        HTTP__PORT="99999",
        PORT="80",
    )

    assert lines == [
        "ORDERSYNC_HUBSPOT__TOKE: is not a setting; did you mean ORDERSYNC_HUBSPOT__TOKEN?",
        "ORDERSYNC_PORT: is not a setting; did you mean ORDERSYNC_HTTP__PORT?",
        "ORDERSYNC_RABBITMQ__URL: must be amqp://… or amqps://… with a host",
        "ORDERSYNC_RABBITMQ__DECLARE: must be true or false, not perhaps",
        "ORDERSYNC_HUBSPOT__API_VERSION: must be v3 or a dated version as 2026-03, not v4",
        "ORDERSYNC_HUBSPOT__ID_PROPERTY: is required",
        "ORDERSYNC_HUBSPOT__CALLS: must be at least 1, not 0",
        "ORDERSYNC_HUBSPOT__WINDOW: must be a number, not nan",
        (
            "ORDERSYNC_HUBSPOT__TOKEN: is required (or a file hubspot/token in "
            "/var/run/secrets/ordersync, or OAuth: ORDERSYNC_HUBSPOT__CLIENT_ID, "
            "ORDERSYNC_HUBSPOT__CLIENT_SECRET, ORDERSYNC_HUBSPOT__REFRESH_TOKEN)"
        ),
        "ORDERSYNC_BATCH__SIZE: must be at most 100, not 500",
        "ORDERSYNC_BATCH__LINGER: must be a number, not soon",
        "ORDERSYNC_HTTP__PORT: must be at most 65535, not 99999",
        "ORDERSYNC_LOG__FORMAT: must be 'json' or 'console', not xml",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUBSPOT", '{"token": "x"}'),
        ("RABBITMQ", "amqp://localhost"),
        ("BATCHSIZE", "1"),
        ("HUBSPOT__TOKEN__FILE", "x"),
        ("HUBSPOT__TOKEN_FILE", "x"),
        ("", "x"),
    ],
)
def test_a_name_that_is_no_setting_ends_the_start(faults, name, value):
    (line,) = faults(**NEEDED, **{name: value})

    assert line.startswith(f"ORDERSYNC_{name}: is not a setting")


def test_what_kubernetes_adds_for_a_service_called_ordersync_is_let_through(load):
    linked = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "80",
        "SERVICE_PORT_METRICS": "8080",
        "PORT": "tcp://10.0.0.1:80",
        "PORT_80_TCP": "tcp://10.0.0.1:80",
        "PORT_80_TCP_ADDR": "10.0.0.1",
        "PORT_80_TCP_PORT": "80",
        "PORT_80_TCP_PROTO": "tcp",
        "METRICS_SERVICE_HOST": "10.0.0.2",
        "METRICS_PORT": "tcp://10.0.0.2:80",
    }

    load(**NEEDED, **linked)


OAUTH = {"CLIENT_ID": "id", "CLIENT_SECRET": "secret", "REFRESH_TOKEN": "refresh"}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"TOKEN": "t"}, None),
        (OAUTH, None),
        ({}, "is required (or a file"),
        ({"TOKEN": "t", "CLIENT_ID": "id"}, "give either a token or OAuth, not both"),
        (
            {"CLIENT_ID": "id"},
            "is required, or ORDERSYNC_HUBSPOT__CLIENT_SECRET and ORDERSYNC_HUBSPOT__REFRESH_TOKEN",
        ),
        ({"TOKEN": "two words"}, "must be one word"),
        ({"TOKEN": "tokén"}, "must be one word"),
    ],
)
def test_there_is_exactly_one_way_in(load, faults, given, fault):
    values = {"RABBITMQ__URL": "amqp://h/", "HUBSPOT__ID_PROPERTY": "k"}
    values |= {f"HUBSPOT__{name}": value for name, value in given.items()}

    if fault is None:
        load(**values)
    else:
        (line,) = faults(**values)
        assert line.startswith("ORDERSYNC_HUBSPOT__TOKEN: ")
        assert fault in line


@pytest.mark.parametrize(
    "names",
    [
        {"RESULTS_QUEUE": "orders.events"},
        {"DEAD_LETTERS_QUEUE": "orders.events"},
        {"DEAD_LETTERS_QUEUE": "orders.results"},
        {"OUTCOMES_EXCHANGE": "orders.events"},
        {"DEAD_LETTERS_EXCHANGE": "orders.outcomes"},
        {"QUEUES": "a,b,orders.results"},
    ],
)
def test_what_is_written_is_never_read_again_as_an_event(faults, names):
    given = {f"RABBITMQ__{name}": value for name, value in names.items()}

    (line,) = faults(**NEEDED, **given)

    assert "must differ" in line


@pytest.mark.parametrize("queues", ["[]", "a,a", "a,,b", '["a"', '{"a": 1}', "[1]", "x" * 256])
def test_queues_that_are_none(faults, queues):
    (line, *_) = faults(**NEEDED, RABBITMQ__QUEUES=queues)

    assert line.startswith("ORDERSYNC_RABBITMQ__QUEUES: ")


@pytest.mark.parametrize(
    "url", ["amqp://", "localhost", "amqp:/localhost", "amqp://h:port/", "amqp://[::1/", "  "]
)
def test_a_broker_url_that_is_none_is_not_repeated_since_it_may_hold_a_password(faults, url):
    (line,) = faults(**(NEEDED | {"RABBITMQ__URL": url}))

    assert line in {
        "ORDERSYNC_RABBITMQ__URL: must be amqp://… or amqps://… with a host",
        "ORDERSYNC_RABBITMQ__URL: is required",
    }


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("api.hubapi.com", "must be http://… or https://… with a host, not api.hubapi.com"),
        (
            "http://api.hubapi.com",
            "must be https://…: the token would be readable on its way, not http://api.hubapi.com",
        ),
        (
            "http://API.HubApi.com.:80/",
            "must be https://…: the token would be readable on its way, not http://API.HubApi.com.:80/",
        ),
        (
            "https://api.hubapi.com/?hapikey=hidden",
            "must end with its host or path: nothing with ? or # belongs here",
        ),
        (
            "https://api.hubapi.com#hidden",
            "must end with its host or path: nothing with ? or # belongs here",
        ),
        (
            "https://user:hidden@api.hubapi.com",
            "must not hold a user: the token is what lets us in",
        ),
        ("https://hidden@api.hubapi.com", "must not hold a user: the token is what lets us in"),
    ],
)
def test_an_address_of_hubspots_that_is_none_or_gives_the_token_away(faults, url, fault):
    assert faults(**NEEDED, HUBSPOT__BASE_URL=url) == [f"ORDERSYNC_HUBSPOT__BASE_URL: {fault}"]


@pytest.mark.parametrize(
    "url",
    [
        "http://twin:8070",
        "https://proxy.example/hubspot/",
        "http://127.0.0.1:8070",
        "http://nothubapi.com",
    ],
)
def test_an_address_of_the_twin_or_of_a_proxy(load, url):
    assert load(**NEEDED, HUBSPOT__BASE_URL=url).hubspot.base_url == url.rstrip("/")


def test_orders_are_not_identified_by_hubspots_own_record_id(faults):
    (line,) = faults(**(NEEDED | {"HUBSPOT__ID_PROPERTY": "hs_object_id"}))

    assert line == (
        "ORDERSYNC_HUBSPOT__ID_PROPERTY: must be a unique property of yours: HubSpot gives "
        "hs_object_id out itself, so that no event could create an order by it"
    )


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        (
            "cafile=/nowhere",
            "names the cafile /nowhere, which cannot be read: No such file or directory",
        ),
        ("keyfile=/", "names the keyfile /, which cannot be read: Is a directory"),
        ("cafile={empty}", "names the cafile {empty}, which holds no certificate in PEM"),
        (
            "certfile={empty}&keyfile={empty}",
            "names the certfile {empty} and the keyfile {empty}: no cert",
        ),
        (
            "certfile={empty}",
            "names the certfile {empty}: no certificate in PEM with its key, without a",
        ),
    ],
)
def test_a_file_of_tls_that_is_missing_or_holds_something_else(faults, tmp_path, parameters, fault):
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    url = f"amqps://u:hidden@h/?{parameters.format(empty=empty)}"

    (line,) = faults(**(NEEDED | {"RABBITMQ__URL": url}))

    assert line.startswith(f"ORDERSYNC_RABBITMQ__URL: {fault.format(empty=empty)}")


def test_files_of_tls_are_not_looked_at_without_tls(load):
    load(**(NEEDED | {"RABBITMQ__URL": "amqp://h/?cafile=/nowhere"}))


def test_patience_stays_below_the_brokers_acknowledgement_timeout(load, faults):
    assert load(**NEEDED, RETRY__PATIENCE="1700").retry.patience == 1700

    (line,) = faults(**NEEDED, RETRY__PATIENCE="1720")

    assert line.startswith("ORDERSYNC_RETRY__PATIENCE: must be less than 1720, not 1720: RabbitMQ")


def test_a_longer_call_leaves_less_patience(faults):
    (line,) = faults(**NEEDED, RETRY__PATIENCE="1690", HUBSPOT__TIMEOUT="100")

    assert "must be less than 1640" in line


def test_no_secret_in_a_repr_or_a_fault(load, faults):
    assert "hidden" not in repr(load(**NEEDED))
    assert "hidden" not in repr(Settings.load().hubspot)

    lines = faults(
        RABBITMQ__URL="https://user:hidden@localhost",
        HUBSPOT__TOKEN="hidden words",
        HUBSPOT__CLIENT_SECRET="hidden",
    )
    assert not any("hidden" in line for line in lines)


def test_settings_cannot_be_changed(load):
    settings = load(**NEEDED)

    with pytest.raises(ValueError, match="frozen"):
        settings.batch.size = 1


def secret_file(name: str, text: str) -> Path:
    path = Path(os.environ["ORDERSYNC_SECRETS_DIR"], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_secrets_are_read_from_a_mounted_folder(load):
    secret_file("rabbitmq/url", "amqps://broker/\n")
    path = secret_file("hubspot/token", "from-a-file\n")

    settings = load(HUBSPOT__ID_PROPERTY="k")

    assert settings.rabbitmq.url.get_secret_value() == "amqps://broker/"
    assert settings.hubspot.token is not None
    assert settings.hubspot.token.get_secret_value() == "from-a-file"
    assert settings.hubspot.token_file == path


def test_secrets_are_found_as_kubernetes_mounts_them(load, tmp_path):
    """A volume is links to `..data`, which is a link to a folder with a date for a name."""
    folder = tmp_path / "secrets"
    real = folder / "..2026_11_22"
    (real / "hubspot").mkdir(parents=True)
    (real / "hubspot" / "token").write_text("mounted")
    (folder / "..data").symlink_to("..2026_11_22")
    (folder / "hubspot").symlink_to("..data/hubspot")

    settings = load(RABBITMQ__URL="amqp://h/", HUBSPOT__ID_PROPERTY="k")

    assert settings.hubspot.token is not None
    assert settings.hubspot.token.get_secret_value() == "mounted"


def test_the_environment_wins_over_a_file(load):
    secret_file("hubspot/token", "from-a-file")

    settings = load(**NEEDED)

    assert settings.hubspot.token is not None
    assert settings.hubspot.token.get_secret_value() == "hidden-token"
    assert settings.hubspot.token_file is None


def test_a_file_for_a_setting_that_does_not_exist_is_a_fault(faults):
    secret_file("hubspot/toke", "x")

    (line,) = faults(**NEEDED)

    assert line == "hubspot/toke: is not a setting; remove the file from the secrets folder"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"caf\xe9"])
def test_a_secret_that_cannot_be_read_is_a_fault(faults, content):
    path = secret_file("hubspot/token", "x")
    path.write_bytes(content)

    (line,) = faults(**NEEDED)

    assert line.startswith("ORDERSYNC_SECRETS_DIR: ")


def test_a_secrets_folder_that_was_named_has_to_be_there(faults, bare):
    bare.setenv("ORDERSYNC_SECRETS_DIR", "/no/such/folder")

    assert faults(**NEEDED) == ["ORDERSYNC_SECRETS_DIR: there is no folder /no/such/folder"]


def test_who_only_speaks_to_rabbitmq_needs_no_hubspot_settings(monkeypatch):
    monkeypatch.setenv("ORDERSYNC_RABBITMQ__URL", "amqp://h/")
    monkeypatch.setenv("ORDERSYNC_HUBSPOT__CALLS", "not looked at")

    assert BrokerSettings.load().hubspot.id_property is None


def test_but_a_misspelt_name_is_refused_there_too(monkeypatch):
    monkeypatch.setenv("ORDERSYNC_RABBITMQ__URL", "amqp://h/")
    monkeypatch.setenv("ORDERSYNC_RABBITMQ__QUEUE", "x")

    with pytest.raises(ConfigurationError, match="did you mean ORDERSYNC_RABBITMQ__QUEUES"):
        BrokerSettings.load()


def test_there_are_few_settings_and_each_says_what_it_is_for():
    assert len(ALL) <= 40
    assert all(setting.description for setting in ALL)
    assert {setting.name for setting in ALL if setting.secret} == {
        "ORDERSYNC_RABBITMQ__URL",
        "ORDERSYNC_HUBSPOT__TOKEN",
        "ORDERSYNC_HUBSPOT__CLIENT_SECRET",
        "ORDERSYNC_HUBSPOT__REFRESH_TOKEN",
    }


@pytest.mark.parametrize(
    ("path", "text"), list(reference.pages(ROOT)), ids=lambda value: getattr(value, "name", "")
)
def test_no_generated_page_has_drifted(path, text):
    """`make schemas` writes them anew."""
    assert path.read_text() == text


def test_the_example_file_is_a_valid_configuration(load):
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line.startswith("ORDERSYNC_"))
    everything = dict(
        line.removeprefix("#").split("=", 1) for line in lines if line.startswith("#ORDERSYNC_")
    )

    some = load(**{name.removeprefix("ORDERSYNC_"): value for name, value in given.items()})
    whole = load(**{name.removeprefix("ORDERSYNC_"): value for name, value in everything.items()})

    assert some == whole
    assert given.keys() | everything.keys() == {setting.name for setting in ALL}


@pytest.mark.parametrize(
    ("given", "most"), [("auto", None), ("AUTO", None), ("1", 1), ("128", 128)]
)
def test_calls_in_flight_are_automatic_or_bounded_by_a_number(load, given, most):
    assert load(**NEEDED, HUBSPOT__CONCURRENCY=given).concurrency() == most


@pytest.mark.parametrize("given", ["0", "-1", "129", "4.5", "many"])
def test_calls_in_flight_that_are_no_number_are_told_in_one_line(faults, given):
    told = f"ORDERSYNC_HUBSPOT__CONCURRENCY: must be auto, or a number from 1 to 128, not {given}"

    assert faults(**NEEDED, HUBSPOT__CONCURRENCY=given) == [told]

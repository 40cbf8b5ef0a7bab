"""What kustomize renders is valid, confined and complete."""

import json
import re
from pathlib import Path

import kubernetes_validate
import pytest
from jsonschema_rs import validator_for

from service.rabbitmq.topology import Topology
from service.settings.config import KNOWN, Settings
from service.settings.sections import Drain
from tests.deploy.manifests import (
    COMPONENTS,
    DEPLOY,
    KUBECTL,
    OVERLAYS,
    ROOT,
    Manifest,
    documents,
    everything,
    kustomization,
    literals,
    one,
    pods,
    raw,
    rendered,
)

OLDEST, NEWEST = "1.30.0", "1.37.0"
CRDS = {
    path.stem: json.loads(path.read_text())
    for path in (Path(__file__).parent / "crds").glob("*.json")
}
FOLDERS = [DEPLOY / "base", *COMPONENTS, *OVERLAYS]
BASE = rendered(DEPLOY / "base")
PRODUCTION = rendered(DEPLOY / "overlays" / "production")


def named(manifest: Manifest) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_file_is_named_by_its_kustomization_and_there(folder: Path) -> None:
    held = kustomization(folder)
    listed = {*held.get("resources", ()), *held.get("components", ())}
    there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}

    assert {name for name in listed if name.endswith(".yaml")} == there
    assert all((folder / name).exists() for name in listed)


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_overlays_render(folder: Path) -> None:
    if KUBECTL is None:
        pytest.skip("no kubectl on the PATH: what patches do is not checked")

    assert rendered(folder)


def test_every_component_can_be_added_to_the_base(tmp_path: Path) -> None:
    if KUBECTL is None:
        pytest.skip("no kubectl on the PATH: components are checked one by one only")
    folder = DEPLOY / "overlays" / ".all-of-it"  # kustomize takes relative paths only
    lines = ["resources:", "- ../../base", "components:"]
    lines += [f"- ../../components/{component.name}" for component in COMPONENTS]
    folder.mkdir(exist_ok=True)
    try:
        (folder / "kustomization.yaml").write_text("\n".join(lines))
        together = rendered(folder)
    finally:
        (folder / "kustomization.yaml").unlink()
        folder.rmdir()

    assert len(together) == len(BASE) + sum(len(raw(component)) for component in COMPONENTS)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", everything(), ids=named)
def test_kubernetes_would_take_it(manifest: Manifest, version: str) -> None:
    if manifest["kind"] in CRDS:
        schema = validator_for(CRDS[manifest["kind"]])
        assert [f"{e.instance_path}: {e.message}" for e in schema.iter_errors(manifest)] == []
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_validators_see_a_typing_error() -> None:
    broken = json.loads(json.dumps(one(BASE, "Deployment")))
    broken["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST, strict=True)

    monitor = json.loads(json.dumps(raw(DEPLOY / "components" / "podmonitor")[0]))
    monitor["spec"]["podMetricsEndpoint"] = []
    assert not validator_for(CRDS["PodMonitor"]).is_valid(monitor)


OURS = [(name, spec) for name, spec in pods(everything()) if name != "rabbitmq"]


@pytest.mark.parametrize(("name", "spec"), OURS, ids=[name for name, _ in OURS])
def test_pods_keep_to_the_restricted_profile(name: str, spec: Manifest) -> None:
    """kubernetes.io/docs/concepts/security/pod-security-standards, level restricted."""
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 10001
    assert context["seccompProfile"]["type"] == "RuntimeDefault"
    assert not any(spec.get(shared) for shared in ("hostNetwork", "hostPID", "hostIPC"))
    kinds = {kind for volume in spec.get("volumes", ()) for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "emptyDir", "projected", "secret", "downwardAPI"}
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own["readOnlyRootFilesystem"] is True  # more than the profile asks
        assert not own.get("privileged")
        assert all("hostPort" not in port for port in container.get("ports", ()))


@pytest.mark.parametrize(
    ("name", "spec"), pods(everything()), ids=[n for n, _ in pods(everything())]
)
def test_pods_say_what_they_need_and_hold_no_token(name: str, spec: Manifest) -> None:
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        resources = container["resources"]
        assert {"cpu", "memory"} <= resources["requests"].keys()
        assert "memory" in resources["limits"]
        assert "cpu" not in resources["limits"]


@pytest.mark.parametrize(
    ("name", "spec"), pods(everything()), ids=[n for n, _ in pods(everything())]
)
def test_the_logs_that_the_kubelet_keeps_evict_no_pod(name: str, spec: Manifest) -> None:
    """They count as ephemeral storage; five files of 50 MiB (AKS; 10 MiB by default), a sixth being written."""
    kept = 6 * 50 + sum(
        mebibytes(v["emptyDir"]["sizeLimit"]) for v in spec.get("volumes", ()) if "emptyDir" in v
    )
    for container in spec["containers"]:
        limit = container["resources"]["limits"].get("ephemeral-storage")
        assert limit is None or mebibytes(limit) > kept


def mebibytes(quantity: str) -> int:
    assert quantity.endswith("Mi")
    return int(quantity.removesuffix("Mi"))


def test_the_grace_period_is_above_the_drain() -> None:
    grace = one(BASE, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    configured = literals(DEPLOY / "base").get("ORDERSYNC_DRAIN__GRACE", Drain().grace)

    assert grace >= float(configured) + 15


def test_every_variable_is_a_setting() -> None:
    names = set().union(*(literals(folder) for folder in (DEPLOY / "base", *OVERLAYS)))
    (compose,) = documents(ROOT / "compose.yaml")
    names |= compose["services"]["ordersync"]["environment"].keys()

    assert {name for name in names if name.startswith("ORDERSYNC_")} <= KNOWN


def test_compose_is_read_by_the_old_docker_compose_and_the_new() -> None:
    """1.29, which Debian 12 has, knows nothing but these on top; `publish -` needs a place to keep what it reads."""
    (compose,) = documents(ROOT / "compose.yaml")

    assert compose.keys() <= {"services", "networks", "volumes", "secrets", "configs"}
    assert compose["services"]["ordersync"]["read_only"]
    assert "/tmp" in compose["services"]["ordersync"]["tmpfs"]
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_mounted_secrets_and_the_config_map_make_a_valid_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the pod of production would be configured."""
    for volume in one(PRODUCTION, "Deployment")["spec"]["template"]["spec"]["volumes"]:
        for item in volume.get("secret", {}).get("items", ()):
            path = tmp_path / item["path"]
            path.parent.mkdir(exist_ok=True)
            path.write_text("amqp://u:p@host/orders" if item["key"] == "rabbitmq-url" else "token")
    monkeypatch.setenv("ORDERSYNC_SECRETS_DIR", str(tmp_path))
    for folder in (DEPLOY / "base", DEPLOY / "overlays" / "production"):
        for name, value in literals(folder).items():
            if name.startswith("ORDERSYNC_"):
                monkeypatch.setenv(name, value)

    settings = Settings.load()

    assert settings.rabbitmq.declare is False
    assert settings.hubspot.token is not None


def test_the_operator_s_resources_are_the_topology_that_the_service_declares(
    topology: Topology,
) -> None:
    held = raw(DEPLOY / "components" / "messaging-topology-operator")
    specs = {(m["kind"], m["spec"].get("name")): m["spec"] for m in held}

    for exchange in topology.exchanges:
        assert specs["Exchange", exchange.name]["type"] == "topic"
    for queue in topology.queues:
        spec = specs["Queue", queue.name]
        assert {"x-queue-type": spec["type"], **spec["arguments"]} == queue.arguments
    bindings = {
        (m["spec"]["source"], m["spec"]["destination"], m["spec"]["routingKey"])
        for m in held
        if m["kind"] == "Binding"
    }
    assert bindings == {(b.exchange, b.queue, b.routing_key) for b in topology.bindings}


def test_production_has_nothing_to_edit_but_what_its_readme_lists() -> None:
    folder = DEPLOY / "overlays" / "production"
    readme = (folder / "README.md").read_text()
    held = (folder / "kustomization.yaml").read_text() + (folder / "namespace.yaml").read_text()

    for name in re.findall(r"ORDERSYNC_\w+|ordersync-docs|registry\.example", held):
        assert name in readme or name == "registry.example"
    assert "images[0]" in readme
    for key in ("rabbitmq-url", "hubspot-token"):
        assert f"`{key}`" in readme


def test_links_of_the_readmes_lead_somewhere() -> None:
    for page in DEPLOY.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"

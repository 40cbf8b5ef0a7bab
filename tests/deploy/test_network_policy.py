"""The policy lets out what the service needs, in clusters of every kind, and nothing else."""

from ipaddress import ip_address, ip_network

import pytest

from tests.deploy.manifests import DEPLOY, Manifest, one, rendered

POLICY = one(rendered(DEPLOY / "base"), "NetworkPolicy")
Labels = dict[str, str]


def selects(selector: Manifest, labels: Labels) -> bool:
    """As kubernetes.io/docs/concepts/overview/working-with-objects/labels says; operators other than In fail."""
    wanted = selector.get("matchLabels", {}).items()
    within = selector.get("matchExpressions", ())
    assert {expression["operator"] for expression in within} <= {"In"}
    return wanted <= labels.items() and all(labels.get(e["key"]) in e["values"] for e in within)


def opens(policy: Manifest, port: int, protocol: str) -> list[Manifest]:
    """The peers of every rule of egress that has this port."""
    named = {"port": port, "protocol": protocol}
    rules = [rule for rule in policy["spec"]["egress"] if named in rule["ports"]]
    assert all(rule["to"] for rule in rules)  # a rule without is one to everywhere
    return [peer for rule in rules for peer in rule["to"]]


def to_address(policy: Manifest, address: str, port: int, protocol: str = "TCP") -> bool:
    """To what is no pod of the cluster's network: a host, a service's address that nobody has translated yet."""

    def within(cidr: str) -> bool:
        return ip_address(address) in ip_network(cidr)

    blocks = [p["ipBlock"] for p in opens(policy, port, protocol) if "ipBlock" in p]
    return any(within(b["cidr"]) and not any(map(within, b.get("except", ()))) for b in blocks)


def to_pod(policy: Manifest, namespace: str, labels: Labels, port: int, protocol: str) -> bool:
    spaces = {"kubernetes.io/metadata.name": namespace}
    return any(
        selects(peer["namespaceSelector"], spaces) and selects(peer.get("podSelector", {}), labels)
        for peer in opens(policy, port, protocol)
        if "namespaceSelector" in peer
    )


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize("label", ["kube-dns", "node-local-dns"])
def test_names_are_asked_of_the_cluster_s_pods(label: str, protocol: str) -> None:
    assert to_pod(POLICY, "kube-system", {"k8s-app": label}, 53, protocol)


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize(
    "address",
    [
        "169.254.20.10",  # NodeLocal DNSCache by default
        "10.96.0.10",  # the DNS service's own address, in whose place the cache answers
        "172.20.0.10",
        "10.0.0.2",  # the resolver of a cloud's network
        "fd00::10",
    ],
)
def test_names_are_asked_on_the_node_and_of_the_network_s_resolver(
    address: str, protocol: str
) -> None:
    assert to_address(POLICY, address, 53, protocol)


@pytest.mark.parametrize(
    ("address", "port", "protocol"),
    [
        ("8.8.8.8", 53, "UDP"),  # names are a way out for data, too
        ("169.254.169.254", 53, "UDP"),
        ("169.254.169.254", 443, "TCP"),  # the cloud's metadata, with credentials in it
        ("169.254.169.254", 80, "TCP"),
        ("10.96.0.1", 443, "TCP"),  # the Kubernetes API
        ("192.168.1.1", 443, "TCP"),
        ("fd00::1", 443, "TCP"),
        ("104.16.0.1", 80, "TCP"),
    ],
)
def test_nothing_else_is_let_out(address: str, port: int, protocol: str) -> None:
    assert not opens(POLICY, port, protocol) or not to_address(POLICY, address, port, protocol)


def test_hubspot_and_rabbitmq_are_reached() -> None:
    assert to_address(POLICY, "104.16.0.1", 443)
    for port in (5671, 5672):
        assert to_pod(POLICY, "rabbitmq", {}, port, "TCP")
        assert not to_pod(POLICY, "elsewhere", {}, port, "TCP")

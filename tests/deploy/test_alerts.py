"""Alerts and dashboard speak of metrics that exist, in PromQL that parses, and lead to pages that are there."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.core.reasons import Code
from service.watch.metrics import Metrics
from tests.deploy.manifests import DEPLOY, ROOT, documents
from tests.shell.test_metrics import PROMISED

RULES = DEPLOY / "components" / "prometheus-rules" / "prometheus-rule.yaml"
DASHBOARD = DEPLOY / "grafana" / "ordersync.json"
# Of RabbitMQ's own exporter: rabbitmq.com/docs/prometheus, /metrics/detailed.
BROKERS = {
    "rabbitmq_detailed_queue_messages",
    "rabbitmq_detailed_queue_messages_ready",
    "rabbitmq_detailed_queue_consumers",
}
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
}
METRIC = r"\b((?:ordersync|process|rabbitmq)_[a-z_]+)"
# Beside those of the metric itself: what Prometheus, and the PodMonitor, add to every series.
SCRAPED = {"job", "instance", "namespace", "pod", "container"}


def groups() -> list[dict[str, Any]]:
    (rule,) = documents(RULES)
    return rule["spec"]["groups"]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        found += [panel, *panel.get("panels", ())]
    return found


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", ())]


def exposed() -> set[str]:
    """Every name that /metrics shows: a counter's ends in _total, a gauge's in nothing of ours."""
    return {
        metric.name + suffix
        for metric in Metrics().registry.collect()
        for suffix in SUFFIXES[metric.type]
    }


def labels(name: str) -> set[str]:
    """Those that the series of this name have."""
    if name in BROKERS:
        return SCRAPED | {"queue", "vhost"}
    own = {base: found for base, found in PROMISED.items() if name.startswith(base)}
    return SCRAPED | own[max(own, key=len)] | ({"le"} if name.endswith("_bucket") else set())


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        (str(ROOT / "tools" / "promtool"), *arguments), capture_output=True, text=True, check=False
    )
    if done.returncode == 69:
        pytest.skip(done.stderr.strip())
    return done


@pytest.mark.parametrize("expr", [*(alert["expr"] for alert in alerts()), *queries()])
def test_every_metric_exists(expr: str) -> None:
    used = set(re.findall(METRIC, expr))

    assert used
    assert used <= exposed() | BROKERS


@pytest.mark.parametrize("expr", [*(alert["expr"] for alert in alerts()), *queries()])
def test_every_label_is_one_of_the_series_it_is_asked_of(expr: str) -> None:
    for name, selector in re.findall(r"(\w+)\{([^}]*)\}", expr):
        assert set(re.findall(r"(\w+)\s*[=!]~?", selector)) <= labels(name)
    ours = [name for name in re.findall(METRIC, expr) if not name.startswith("process_")]
    for group in re.findall(r"\b(?:by|on) \(([^)]+)\)", expr):
        for name in ours:
            assert {label.strip() for label in group.split(",")} <= labels(name)


@pytest.mark.parametrize("query", queries())
def test_a_panel_shows_no_process_but_ours(query: str) -> None:
    """Every exporter has process_* series; a dashboard that names them alone shows everybody's."""
    if "process_" in query:
        assert query.endswith(" and on (job, instance) ordersync_build_info")


def test_every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["annotations"]["runbook_url"].startswith("docs/")


def test_every_runbook_link_leads_to_a_heading() -> None:
    operate = headings(ROOT / "docs" / "operate.md")
    for alert in alerts():
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        if page == "docs/operate.md":
            assert anchor in operate, f"{alert['alert']}: {anchor}"
        else:
            assert (page, anchor) == ("docs/runbook.md", "{{ $labels.reason }}")


def test_the_runbook_has_a_heading_for_every_reason() -> None:
    page = ROOT / "docs" / "runbook.md"
    if not page.exists():
        pytest.skip("docs/runbook.md is not written yet")

    assert {str(code) for code in Code} <= headings(page)


def headings(page: Path) -> set[str]:
    """Anchors, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    """The cases are in alerts_test.yaml."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups()}))
    cases = Path(__file__).with_name("alerts_test.yaml")
    (tmp_path / "cases.yaml").write_text(cases.read_text())

    done = promtool("test", "rules", str(tmp_path / "cases.yaml"))

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    cases = yaml.safe_load(Path(__file__).with_name("alerts_test.yaml").read_text())["tests"]
    tried = {each["alertname"] for case in cases for each in case["alert_rule_test"]}

    assert tried == {alert["alert"] for alert in alerts()}


def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    """Grafana's own variables are replaced by what they stand for."""
    rules = [
        {"record": f"panel:query:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, expr in enumerate(queries())
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = promtool("check", "rules", str(path))

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_can_be_imported_anywhere() -> None:
    dashboard = json.loads(DASHBOARD.read_text())

    assert dashboard["uid"] == "ordersync"
    assert dashboard["id"] is None
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]


def test_the_dashboard_shows_every_metric_of_ours() -> None:
    ours = {m.name for m in Metrics().registry.collect() if m.name.startswith("ordersync_")}
    shown = "\n".join(queries())

    assert {name for name in ours if name not in shown} == set()

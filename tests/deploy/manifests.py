"""deploy/ as Kubernetes would get it: rendered by kubectl where there is one, else the files themselves.

Without kubectl patches, images and replacements are not applied: what is checked then is the base and the
components, which hold all that matters to the policies.
"""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPONENTS = sorted(path.parent for path in DEPLOY.glob("components/*/kustomization.yaml"))
OVERLAYS = sorted(path.parent for path in DEPLOY.glob("overlays/*/kustomization.yaml"))
KUBECTL = shutil.which("kubectl")

Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def kustomization(folder: Path) -> Manifest:
    (document,) = documents(folder / "kustomization.yaml")
    return document


@cache
def rendered(folder: Path) -> list[Manifest]:
    """Everything that a kustomization yields."""
    if KUBECTL is None:
        return raw(folder)
    done = subprocess.run(
        (KUBECTL, "kustomize", str(folder)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def raw(folder: Path) -> list[Manifest]:
    """The files behind a kustomization, as they are."""
    held = kustomization(folder)
    found: list[Manifest] = []
    for named in (*held.get("resources", ()), *held.get("components", ())):
        path = (folder / named).resolve()
        found += raw(path) if path.is_dir() else documents(path)
    return found


def everything() -> list[Manifest]:
    """Base, overlays, all components, and the RabbitMQ to start with."""
    return [
        *(m for folder in (DEPLOY / "base", *OVERLAYS) for m in rendered(folder)),
        *(m for folder in COMPONENTS for m in raw(folder)),
        *documents(DEPLOY / "rabbitmq" / "cluster.yaml"),
    ]


def pods(manifests: list[Manifest]) -> list[tuple[str, Manifest]]:
    """(name, pod spec) of everything that makes pods."""
    return [
        (m["metadata"]["name"], m["spec"]["template"]["spec"])
        for m in manifests
        if m["kind"] in {"Deployment", "Job", "StatefulSet", "DaemonSet"}
    ]


def one(manifests: list[Manifest], kind: str, name: str = "ordersync") -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


def literals(folder: Path) -> dict[str, str]:
    """What a kustomization's ConfigMaps set."""
    made = kustomization(folder).get("configMapGenerator", ())
    return dict(line.split("=", 1) for each in made for line in each.get("literals", ()))

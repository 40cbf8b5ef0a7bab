"""`kubectl`, as far as deploy/README.md calls it, with no cluster behind it.

Law: what can be real is. Secrets and overlays are made by the real kubectl (`--dry-run=client`, `kustomize`), what is
executed in RabbitMQ's pod is `rabbitmqctl` on a real node, and the service's pod is a process with what the Deployment
mounts and sets. Anything else that is asked for ends the command.
"""

import json
import os
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

from service.broker import PrivateBroker
from tests.deploy.manifests import DEPLOY, KUBECTL, documents, literals, one, rendered

AT = "CLUSTER"  # the variable that names the folder in which the cluster's state is
PRODUCTION = DEPLOY / "overlays" / "production"


def furnish(folder: Path, node: PrivateBroker, environment: dict[str, str]) -> None:
    """Make the cluster: the node that is its RabbitMQ, and what a pod has beside its ConfigMap."""
    state = {"rabbitmqctl": node.tool("rabbitmqctl"), "environment": environment}
    (folder / "state.json").write_text(json.dumps(state))


def pod(folder: Path) -> dict[str, str]:
    """The environment of the service's container; its Secret is in files, as the Deployment mounts it."""
    (spec,) = (
        volume["secret"]
        for volume in one(rendered(PRODUCTION), "Deployment")["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    )
    (secret,) = documents(folder / f"{spec['secretName']}.yaml")
    for item in spec["items"]:
        path = folder / "mounted" / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b64decode(secret["data"][item["key"]]))
    settings = literals(DEPLOY / "base") | literals(PRODUCTION)
    return {
        "ORDERSYNC_SECRETS_DIR": str(folder / "mounted"),
        **{name: value for name, value in settings.items() if name.startswith("ORDERSYNC_")},
        **_state(folder)["environment"],
    }


def main(arguments: list[str]) -> int:
    """Carry one command out; its exit code."""
    folder = Path(os.environ[AT])
    match arguments:
        case ["-n", "ordersync", "create", "secret", "generic", name, *_]:
            return _create(folder, arguments, name)
        case ["-n", "rabbitmq", "exec", "-i", "rabbitmq-server-0", "-c", "rabbitmq", "--", *called]:
            command, environment = _state(folder)[called[0]]
            return subprocess.run([*command, *called[1:]], env=environment, check=False).returncode
        case ["-n", "ordersync", "exec", "deployment/ordersync", "--", *called]:
            return subprocess.run(called, env=pod(folder), check=False).returncode
        case _:
            return 0 if _is_foreseen(arguments) else 2


def _is_foreseen(arguments: list[str]) -> bool:
    """Whether it is a command without effect here, on something that there is."""
    match arguments:
        case ["apply", "-f", where]:
            return where.startswith("https://") or bool(documents(Path(where)))
        case ["apply", "-k", where]:
            return bool(rendered(Path(where).resolve()))
        case ["-n", "rabbitmq", "wait", "--for=condition=AllReplicasReady", _, waited]:
            return waited == "rabbitmqcluster/rabbitmq"
        case ["-n", "rabbitmq", "port-forward", "service/rabbitmq", "5672"]:
            return True
        case ["-n", "ordersync", "rollout", "status", "deployment/ordersync"]:
            return True
    print(f"kubectl: not foreseen: {arguments}", file=sys.stderr)
    return False


def _create(folder: Path, arguments: list[str], name: str) -> int:
    command = [str(KUBECTL), *arguments, "--dry-run=client", "-o", "yaml"]
    made = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    (folder / f"{name}.yaml").write_bytes(made.stdout)
    return made.returncode


def _state(folder: Path) -> Any:
    return json.loads((folder / "state.json").read_text())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

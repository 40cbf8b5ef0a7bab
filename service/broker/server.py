"""The rabbitmq-server of this machine: where it is, and what makes one instance of it private.

Law: every setting that would otherwise come from the system's own broker is set here, to a place in
the instance's folder or to the loopback.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.broker.ports import LOOPBACK

# Where packages put programs although a plain user's PATH has no such entry.
SYSTEM_PROGRAMS = "/usr/sbin:/usr/local/sbin:/sbin:/opt/homebrew/sbin"
LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"
# Rabbitmqctl binds the first free one.
TOOL_PORTS = range(19_000, 20_000)


def find_server(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The `rabbitmq-server` script to start nodes with, or None when there is none.

    `RABBITMQ_SERVER` names it where it stands elsewhere. Debian's `/usr/sbin/rabbitmq-server`
    insists on root or on the user rabbitmq; the script that it wraps, its neighbour, does not.
    """
    wanted = environment.get("RABBITMQ_SERVER") or "rabbitmq-server"
    found = shutil.which(wanted, path=f"{environment.get('PATH', os.defpath)}:{SYSTEM_PROGRAMS}")
    if found is None:
        return None
    behind = Path(found).resolve().with_name("rabbitmq-server")
    return behind if behind.exists() else Path(found)


def configuration(
    port: int, management_port: int, plugins: Sequence[str], cluster: Sequence[str]
) -> dict[str, str]:
    """The lines of `rabbitmq.conf`; `cluster` names the nodes to form one with, if any."""
    lines = {"listeners.tcp.1": f"{LOOPBACK}:{port}", "disk_free_limit.absolute": "50MB"}
    if "rabbitmq_management" in plugins:
        lines["management.tcp.ip"] = LOOPBACK
        lines["management.tcp.port"] = str(management_port)
    if cluster:
        lines["cluster_formation.peer_discovery_backend"] = "classic_config"
    for number, name in enumerate(cluster, 1):
        lines[f"cluster_formation.classic_config.nodes.{number}"] = name
    return lines


def write_configuration(folder: Path, lines: Mapping[str, str], plugins: Sequence[str]) -> None:
    """Furnish `folder`, which must not exist yet, for a first start."""
    (folder / "conf.d").mkdir(parents=True)
    text = "".join(f"{key} = {value}\n" for key, value in lines.items())
    (folder / "rabbitmq.conf").write_text(text)
    (folder / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")


def server_environment(name: str, folder: Path, dist_port: int) -> dict[str, str]:
    """What makes `rabbitmq-server` run as node `name` in `folder` and nowhere else."""
    return {
        "RABBITMQ_NODENAME": name,
        "RABBITMQ_DIST_PORT": str(dist_port),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        # Unset, each of these would be the system's own in /etc/rabbitmq.
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": LOOPBACK_ONLY,
    }


def tool_environment() -> dict[str, str]:
    """What keeps `rabbitmqctl` on the loopback, and many of them out of each other's way."""
    return {
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CTL_ERL_ARGS": LOOPBACK_ONLY,
        # The default is eleven ports for all tools of all nodes of the machine.
        "RABBITMQ_CTL_DIST_PORT_MIN": str(TOOL_PORTS.start),
        "RABBITMQ_CTL_DIST_PORT_MAX": str(TOOL_PORTS.stop),
    }

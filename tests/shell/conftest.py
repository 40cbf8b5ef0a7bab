"""Fixtures of the shell's tests."""

import os

import pytest

from tests.shell.command import CommandLine


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path) -> pytest.MonkeyPatch:
    """No ORDERSYNC_* variable from outside, and an empty secrets folder."""
    for name in list(os.environ):
        if name.upper().startswith("ORDERSYNC_"):
            monkeypatch.delenv(name)
    (tmp_path / "secrets").mkdir()
    monkeypatch.setenv("ORDERSYNC_SECRETS_DIR", str(tmp_path / "secrets"))
    return monkeypatch


@pytest.fixture
def command(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Runs commands: `command("publish", path, RABBITMQ__URL=url)`."""
    return CommandLine(capsys, bare)

"""The command line as a user meets it: arguments in, an exit code and two streams out."""

import sys
from dataclasses import dataclass

import pytest

from service.__main__ import main


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class CommandLine:
    capsys: pytest.CaptureFixture[str]
    environment: pytest.MonkeyPatch

    def __call__(self, *arguments: object, **settings: str) -> Ended:
        """Run one command with ORDERSYNC_* settings."""
        for name, value in settings.items():
            self.environment.setenv(f"ORDERSYNC_{name}", value)
        self.environment.setattr(sys, "argv", ["ordersync", *map(str, arguments)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return Ended(code or 0, out, err)

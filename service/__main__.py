"""The way in: `ordersync`, `python -m service`. The last place where an error can be told."""

import os
import sys

import typer


def main() -> None:
    """Run the command line; exits with one of `service.cli.exits.Exit`."""
    from service.cli.tree import app  # noqa: PLC0415  (an interrupt while importing is one, too)

    try:
        typer.main.get_command(app)(prog_name="ordersync")
    except Exception as error:  # noqa: BLE001  (the rim: a sentence, or else the traceback)
        sys.exit(_told(error))


def _told(error: Exception) -> int:
    from service.cli.refusals import explain  # noqa: PLC0415  (only where something went wrong)
    from service.core.visible import visible  # noqa: PLC0415

    refusal = explain(error)
    if refusal is None:
        raise error
    for line in "\n".join(refusal.lines).split("\n"):
        typer.echo(visible(line), err=True)
    _drop_the_unwritable()
    return refusal.code


def _drop_the_unwritable() -> None:
    """What a full disk did not take, Python would try again at its end, and exit with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()

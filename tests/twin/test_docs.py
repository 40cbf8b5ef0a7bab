"""The twin's page names every option, every fault and nothing that does not parse."""

import re
from dataclasses import fields
from pathlib import Path

from service.twin import TwinOptions, parse_fault
from service.twin.cli import HELP, switched
from service.twin.faults.words import page_tables

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "twin.md").read_text(encoding="utf-8")


def test_the_page_names_every_option():
    named = set(re.findall(r"`([a-z_-]+)[`:]", PAGE))

    documented = set(re.findall(r"\w+", TwinOptions.__doc__ or ""))
    options = {each.name for each in fields(TwinOptions)}

    assert not options - named
    assert not options - documented


def test_the_page_s_faults_and_conditions_are_those_of_the_code():
    """To write them anew: python -c "from service.twin.faults.words import *; print(page_tables())"."""
    assert page_tables() in PAGE


def test_the_help_fits_a_terminal_of_80_columns():
    assert max(map(len, HELP.splitlines())) <= 76


def test_the_faults_shown_on_the_page_and_in_the_help_are_rules():
    shown = re.findall(r"--fault '([^']+)'", PAGE + HELP)
    # The help's heading shows the form, not a rule.
    rules = [parse_fault(text) for text in shown if not text.startswith("WHAT")]

    assert len(rules) >= 8


def test_the_switches_shown_on_the_page_can_be_set():
    for name, choices in re.findall(r"\| `([a-z_]+)`: ((?:`\w+`[^|]*))\|", PAGE):
        for choice in re.findall(r"`(\w+)`", choices):
            assert getattr(switched(TwinOptions(), [f"{name}={choice}"]), name) is not None

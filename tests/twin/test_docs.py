"""The twin's page names every option, every fault and nothing that does not parse."""

import re
from dataclasses import fields
from pathlib import Path

from service.twin import FaultRule, TwinOptions, parse_fault
from service.twin.cli import HELP, switched
from service.twin.faults import CALL_FAULTS, RECORD_FAULTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "twin.md").read_text(encoding="utf-8")


def test_the_page_names_every_option_and_every_part_of_a_rule():
    named = set(re.findall(r"`([a-z_-]+)[`:]", PAGE))

    documented = set(re.findall(r"\w+", TwinOptions.__doc__ or ""))
    options = {each.name for each in fields(TwinOptions)}

    assert not options - named
    assert not options - documented
    assert not {each.name for each in fields(FaultRule)} - {"fault"} - named
    assert not (CALL_FAULTS | RECORD_FAULTS) - named


def test_the_faults_shown_on_the_page_and_in_the_help_are_rules():
    shown = re.findall(r"--fault '([^']+)'", PAGE + HELP)
    # The help's heading shows the form, not a rule.
    rules = [parse_fault(text) for text in shown if not text.startswith("WHAT")]

    assert len(rules) >= 8


def test_the_switches_shown_on_the_page_can_be_set():
    for name, choices in re.findall(r"\| `([a-z_]+)`: ((?:`\w+`[^|]*))\|", PAGE):
        for choice in re.findall(r"`(\w+)`", choices):
            assert getattr(switched(TwinOptions(), [f"{name}={choice}"]), name) is not None

"""The words on the wire have one home."""

import ast
import re
from pathlib import Path

import pytest

HOME = Path("service/core/headers.py")
SPELT = re.compile(r"ordersync-[a-z-]*")
# Names of other things that begin like a header.
OTHERS = {
    "ordersync-probe",  # an order's key that nobody has
    "ordersync-rabbitmq-",  # a folder
    "ordersync-",  # the name of a private node, a folder
}


@pytest.mark.parametrize("path", sorted(Path("service").rglob("*.py")), ids=str)
def test_law_no_header_of_ours_is_spelt_outside_of_its_home(path: Path) -> None:
    if path == HOME:
        return
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    spelt = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and id(node) not in prose
        and isinstance(node.value, str)
        and SPELT.fullmatch(node.value)
    }
    assert spelt <= OTHERS

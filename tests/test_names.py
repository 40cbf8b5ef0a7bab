"""One name, one thing."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_law_no_class_name_is_used_twice() -> None:
    """The twin is a program of its own."""
    homes = defaultdict(list)
    for path in sorted((ROOT / "service").rglob("*.py")):
        if "twin" not in path.relative_to(ROOT / "service").parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    homes[node.name].append(str(path.relative_to(ROOT)))

    assert len(homes) > 100
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}

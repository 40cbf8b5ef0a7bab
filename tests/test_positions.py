"""A value with many fields is made by their names: nobody counts to the ninth argument."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST = 4  # arguments by position


def _values(tree: ast.AST) -> set[str]:
    """Names of the dataclasses and named tuples of a module."""
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and (
            any("dataclass" in ast.unparse(each) for each in node.decorator_list)
            or any(ast.unparse(base) == "NamedTuple" for base in node.bases)
        )
    }


def test_no_value_is_made_by_position_with_more_than_four_arguments() -> None:
    trees = {path: ast.parse(path.read_text()) for path in (ROOT / "service").rglob("*.py")}
    values = set().union(*map(_values, trees.values()))

    assert [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and len(node.args) > MOST
        and ast.unparse(node.func).split(".")[-1] in values
    ] == []

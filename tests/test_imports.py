"""No module of `service/` imports, through others, itself: lazy imports and those for types count."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def modules() -> dict[str, Path]:
    """Every module of the service by its dotted name; a package is its `__init__`."""
    found = {}
    for file in sorted((ROOT / "service").rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a file imports; from a package, a submodule by its own name.

    The package of an imported submodule is not counted: its `__init__` is what Python runs, not what
    the file reads.
    """
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                yield from (each.name for each in names if each.name in known)
            case ast.ImportFrom(module=str(module), names=names):
                for each in names:
                    inner = f"{module}.{each.name}"
                    yield inner if inner in known else module


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Every way from a module back to itself, one for each module that closes it."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(module: str, way: list[str]) -> None:
        if module in way:
            found.append([*way[way.index(module) :], module])
        elif module not in done:
            for other in sorted(graph.get(module, ())):
                walk(other, [*way, module])
            done.add(module)

    for module in sorted(graph):
        walk(module, [])
    return found


def test_no_module_imports_itself_through_others():
    known = modules()
    graph = {
        name: {each for each in imported(file, known) if each in known and each != name}
        for name, file in known.items()
    }

    assert len(graph) > 100
    assert circles(graph) == []


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}}

    assert circles(graph) == [["b", "c", "b"]]

"""The shape of the package: what may import what, how long a module and a function may be, where its tests are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oceanid_cluster.__main__ import COMMANDS
from sandbox.layout import ROOT

PACKAGE = ROOT / "oceanid_cluster"
# Each folder may import those before it, and itself.
LAYERS = ("config", "manifests", "components", "startup", "commands")
MODULES = sorted([ROOT / "__main__.py", *PACKAGE.rglob("*.py"), *(ROOT / "sandbox").rglob("*.py")])
_MODULE_LINES, _FUNCTION_LINES = 350, 55


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_and_no_function_is_too_long_to_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= _MODULE_LINES
    for function in functions(ast.parse(text)):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= _FUNCTION_LINES, f"{function.name}: {lines} lines"


@pytest.mark.parametrize("folder", LAYERS)
def test_a_folder_imports_only_those_before_it(folder: str) -> None:
    later = LAYERS[LAYERS.index(folder) + 1 :]
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else []
            assert not (parts[:1] == ["oceanid_cluster"] and {*parts[1:2]} & {*later}), f"{path.name}: {node.module}"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("folder", LAYERS)
def test_the_module_of_a_test_can_be_guessed(folder: str) -> None:
    modules = {path.stem for path in (PACKAGE / folder).iterdir()}
    for test in (ROOT / "tests" / folder).glob("test_*.py"):
        subject = test.stem.removeprefix("test_")
        assert any(subject == module or subject.startswith(f"{module}_") for module in modules), test.name


def test_commands_that_only_look_do_without_pulumi() -> None:
    modules = [f"oceanid_cluster.commands.{command.replace('-', '_')}" for command in COMMANDS]
    program = f"import sys; import {', '.join(modules)}; sys.exit('pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0

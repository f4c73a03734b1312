"""What may import what. How long a function may be is ruff's to say (pyproject.toml)."""

import re
import subprocess
import sys

from oceanid_cluster.__main__ import COMMANDS
from sandbox.layout import ROOT

PACKAGE = ROOT / "oceanid_cluster"
# Each folder may import those before it, and itself.
LAYERS = ("config", "manifests", "components", "startup", "commands")
PACKAGES = {"oceanid_cluster", "pulumi", "pulumi_cloudflare", "pulumi_kubernetes", "pulumi_random", "yaml"}
IMPORT = re.compile(r"^\s*(?:from|import) (\w+)(?:(?:\.| import )(\w+))?", re.MULTILINE)


def test_a_folder_imports_only_those_before_it() -> None:
    found = {
        (folder, imported)
        for folder in LAYERS
        for path in (PACKAGE / folder).rglob("*.py")
        for package, imported in IMPORT.findall(path.read_text(encoding="utf-8"))
        if package == PACKAGE.name and imported in LAYERS
    }
    assert ("commands", "components") in found
    assert [pair for pair in found if LAYERS.index(pair[0]) < LAYERS.index(pair[1])] == []


def test_the_program_needs_nothing_of_the_sandbox_and_only_its_own_packages() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "__main__.py", *PACKAGE.rglob("*.py"))]
    found = {package for text in texts for package, _ in IMPORT.findall(text)}
    assert found - sys.stdlib_module_names == PACKAGES


def test_commands_that_only_look_do_without_pulumi() -> None:
    modules = [f"oceanid_cluster.commands.{command}" for command in COMMANDS if command != "render"]
    program = f"import sys; import {', '.join(modules)}; sys.exit('pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0

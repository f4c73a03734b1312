"""Writes every object that the program would make, as YAML, one file each.

It asks nobody: no cluster, no account, no lock, no secret.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from oceanid_cluster.commands.plain_yaml import KUBERNETES_RESOLVERS
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.registrations import run_program
from oceanid_cluster.commands.rendered import Rendered, collect
from oceanid_cluster.commands.stack_config import without_secrets
from oceanid_cluster.commands.stack_file import StackFile, read_stack_file, short_name
from oceanid_cluster.startup.processes import CommandError

EPILOG = """\
files: <namespace, or _cluster>/<kind>.<name>.yaml. Placeholders stand for secrets, and nothing that is derived from one
is shown: what only a secret says (a tunnel's id without its key, the database's port and TLS) is a placeholder, too.
exit codes: 0 written; 2 the configuration is wrong, or cannot be read"""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues]
    """YAML in which texts of several lines are blocks, and what Kubernetes takes for no text has quotes."""

    yaml_implicit_resolvers = KUBERNETES_RESOLVERS


def _text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)  # pyright: ignore[reportUnknownMemberType]


def render(file: StackFile, stack: str) -> list[Rendered]:
    """Every object of a stack; says on standard error what is missing. Raises StartUpError."""
    config, warnings = without_secrets(file, stack)
    run = run_program(config, stack)
    for warning in warnings:
        _note(f"warning: {warning}")
    if file.environments:
        _note(f"nobody asked ESC: what only {', '.join(file.environments)} holds is a placeholder, or missing")
    return collect(run, _note)


def write(objects: Sequence[Rendered], folder: Path) -> int:
    """Write each object to its file below ``folder``, which must be empty or absent; returns their number.

    Raises CommandError when it is not empty, OSError when it cannot be written.
    """
    names = Counter(map(_name, objects))
    if folder.exists() and any(folder.iterdir()):
        raise CommandError(f"{folder} is not empty; take another folder, or remove it: rm -r {folder}")
    for one in objects:
        name = _name(one)
        if names[name] > 1:  # two kinds of that name
            name = name.with_name(f"{one.manifest['apiVersion'].replace('/', '_')}.{name.name}")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(one), encoding="utf-8")
    return len(objects)


def text(one: Rendered) -> str:
    """The file of an object: what its fields do not say as comments, then the object."""
    head = "".join(f"# {name}: {fact}\n" for name, fact in sorted(one.facts.items()))
    return head + yaml.dump(one.manifest, Dumper=_Dumper, allow_unicode=True, width=10_000)


def _name(one: Rendered) -> Path:
    return Path(one.folder) / f"{one.manifest['kind']}.{one.manifest['metadata']['name']}.yaml"


def _note(line: str) -> None:
    print(f"render: {line}", file=sys.stderr)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("folder", type=Path, help="where to write; it must be empty or absent")


def main(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    stack = selected_stack(options.stack, os.environ)
    count = write(render(read_stack_file(stack, os.environ), short_name(stack)), options.folder)
    print(f"{count} objects in {options.folder}")
    return 0

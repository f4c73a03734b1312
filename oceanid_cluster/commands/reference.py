"""What is made from the keys: ``python -m oceanid_cluster reference docs/configuration.md Pulumi.example.yaml``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from oceanid_cluster.commands.example import example
from oceanid_cluster.components.settings import SECTIONS
from oceanid_cluster.config.schema import Key, keys_of

BEGIN, END = "<!-- configuration: begin (make docs) -->", "<!-- configuration: end -->"


def table() -> str:
    """Every key, by component, as Markdown."""
    parts: list[str] = []
    for section in SECTIONS:
        title = (section.__doc__ or "").partition("\n")[0].rstrip(".")
        parts += [f"**{title}**", "", "| key | S | default | for |", "|---|---|---|---|"]
        rows = keys_of(section)
        flag = rows["enabled"].name if "enabled" in rows else None
        parts += [_row(row, flag) for row in rows.values()]
        parts.append("")
    return "\n".join(parts)


def written(document: str) -> str:
    """A document with the table between its markers brought up to date. Raises ValueError without them."""
    before, _, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the document lacks the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


def _row(row: Key, flag: str | None) -> str:
    old = f" (old name: {', '.join(f'`{name}`' for name in row.old)})" if row.old else ""
    cells = (
        f"`{row.name}`",
        "S" if row.secret else "",
        _default(row, flag),
        f"{row.doc}{old}".replace("<base>", "`<base>`"),
    )
    return "| " + " | ".join(cells) + " |"


def _default(row: Key, flag: str | None) -> str:
    if row.required:
        return f"**required** by `{flag}`" if flag else "**required**"
    if row.shown_default:
        return row.shown_default
    if row.default is None:
        return "none"
    return f"`{row.default.format(base='<base>', stack='<stack>', cluster_domain='<clusterDomain>')}`"


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m oceanid_cluster reference",
        description="Brings the configuration table of a document up to date, between its two markers: make docs.",
        epilog="exit codes: 0 both are up to date; 1 it cannot be read, or has no markers; 2 wrong arguments",
    )
    parser.add_argument("document", type=Path, help="the document, which is docs/configuration.md")
    parser.add_argument("example", type=Path, nargs="?", help="the stack's file that explains itself, to be written")
    options = parser.parse_args(arguments)
    document: Path = options.document
    try:
        document.write_text(written(document.read_text(encoding="utf-8")), encoding="utf-8")
        if options.example:
            options.example.write_text(example(), encoding="utf-8")
    except (OSError, ValueError) as problem:
        print(f"reference: error: {problem}", file=sys.stderr)
        return 1
    return 0

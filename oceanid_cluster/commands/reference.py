"""What is made from the keys: the table of docs/configuration.md, and Pulumi.example.yaml (``make docs``)."""

from pathlib import Path

from oceanid_cluster.commands.example import example
from oceanid_cluster.components.settings import SECTIONS
from oceanid_cluster.config.schema import Key, keys_of

_DOCUMENT, _EXAMPLE = Path("docs/configuration.md"), Path("Pulumi.example.yaml")
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


if __name__ == "__main__":
    _DOCUMENT.write_text(written(_DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    _EXAMPLE.write_text(example(), encoding="utf-8")

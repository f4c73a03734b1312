"""Makes Pulumi.example.yaml, which has every key (``make docs``)."""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from oceanid_cluster.components.flux.settings import FluxSettings
from oceanid_cluster.components.settings import SECTIONS, all_keys
from oceanid_cluster.config.schema import PROJECT, Key, keys_of

_HEAD = """\
# Every key of the program. Made by `make docs`: edit the keys' descriptions, not this file.
#
#   cp Pulumi.example.yaml Pulumi.<stack>.yaml && pulumi stack init <stack>
#
# The six keys on top are required; a value of your own takes the place of "". Everything else is commented out, with
# its default; nothing after the colon: none. A secret is not written here: `pulumi config set --secret <key>` asks for
# it, and puts it in encrypted. <base> is cloudflare_node_tunnel_hostname, <stack> the stack's name.
config:
"""
# Either this, or SSH keys, or a GitHub App: no key of them is required alone.
_GIT = keys_of(FluxSettings)["github_token"]


def _title(section: type) -> str:
    return (section.__doc__ or "").partition("\n")[0].rstrip(".")


def _default(row: Key) -> str:
    return (row.default or "").format(base="<base>", stack="<stack>", cluster_domain="<clusterDomain>")


def example() -> str:
    """A stack's file that explains itself: the required keys, then all others, commented out."""
    top = required()
    parts = [_HEAD, *(_entry(row, '""') for row in top)]
    for section in SECTIONS:
        parts.append(f"\n  # {f'---- {_title(section)} '.ljust(116, '-')}\n")
        parts += [_entry(row, _yaml(row), "# ") for row in keys_of(section).values() if row not in top]
    return "".join(parts)


def required() -> list[Key]:
    """The keys without a default that every component together needs."""
    return [row for row in all_keys() if row.required or row is _GIT]


def _entry(row: Key, value: str, comment: str = "") -> str:
    """A key with its description above it."""
    return "\n".join(
        [*(f"  # {line}" for line in _about(row)), f"  {comment}{PROJECT}:{row.name}: {value}".rstrip(), ""]
    )


def _about(row: Key) -> Iterator[str]:
    default = f" (default: {row.shown_default})" if row.shown_default else ""
    old = f" (old name: {', '.join(row.old)})" if row.old else ""
    yield f"{row.doc}{default}{old}"
    if row.secret or row.stdin:
        yield row.fix


def _yaml(row: Key) -> str:
    """The default as it would be written in the file; nothing where there is none, or only words for it."""
    if row.default is None or row.shown_default:
        return ""
    text = _default(row)
    try:
        whole = yaml.safe_load(text)
    except yaml.YAMLError:
        whole = None
    is_plain = whole is not None and not isinstance(whole, float) and "<" not in text
    return text if is_plain else json.dumps(text)


if __name__ == "__main__":
    Path("Pulumi.example.yaml").write_text(example(), encoding="utf-8")

"""Where a kubeconfig is said to be: paths, and nothing that somebody put there instead of one.

A common mistake is to put a kubeconfig's content, or a token, where its path belongs. Such a value is never shown.
"""

import os
import re
import stat
from pathlib import Path

from oceanid_cluster.config.entries import is_utf8
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.secret import looks_random

VARIABLE, KEY = "the variable KUBECONFIG", "the key kubeconfigPath"
_PATH, _PART = 255, 64  # characters of a path that may be shown, and of each part of it
_FILE = re.compile(r"(?:^|/)[^/]*(?:config|\.conf|\.ya?ml|\.json)$")
_BLOB = re.compile(r"[A-Za-z0-9+/_=-]{20,}")  # as long as a token, in any alphabet of base64
EXAMPLE = "  export KUBECONFIG=~/.kube/k3s-config.yaml        (or: pulumi config set kubeconfigPath <path>)"


class PathError(StartUpError):
    """A value leads to no kubeconfig. The message holds the value only where it can be nothing but a path."""


def checked_paths(value: str, source: str) -> str:
    """The kubeconfigs that a value names, as kubectl takes them in KUBECONFIG: absolute paths, joined.

    ``source`` is VARIABLE or KEY. Of a list, one file at least exists; what is not there and does not look like a path
    is left out: kubectl skips it, too. ``~`` is expanded in the key only; in the variable the shell would have done it.
    The result is empty when the value is. Raises PathError.
    """
    given = [entry for entry in _entries(value, source) if entry]
    if not given:
        return ""
    if not all(map(is_utf8, given)):
        raise PathError(f"{source} names a file whose name is not UTF-8; rename it")
    there = [path for path in given if _mode(path) is not None or _is_showable(path)]
    if all(_mode(path) is None for path in given):
        raise _wrong(given, source, "does not exist" if len(given) == 1 else "does not exist: none of these files does")
    for path in there:
        if _mode(path) and not _is_file(path):  # a pipe, too: it can be read once, and is read again and again
            raise _wrong([path], source, "is not a file")
        if not _is_file(path) and not _is_showable(path):
            raise _hidden(source)
    return os.pathsep.join(there)


def _entries(value: str, source: str) -> list[str]:
    if not value.strip():
        return []
    if source == VARIABLE:
        return [_absolute(entry) if entry else "" for entry in value.split(os.pathsep)]
    entries = value.strip().split(os.pathsep)
    try:
        return [_absolute(str(Path(entry).expanduser())) if entry else "" for entry in entries]
    except (RuntimeError, ValueError):
        raise _wrong(entries, source, "names the home of an unknown user") from None


def _absolute(path: str) -> str:
    """As it is from this folder; nothing else of it changes, as kubectl would take it literally."""
    return path if path.startswith("/") else f"{Path.cwd()}/{path}"


def _mode(path: str) -> int | None:
    """The mode of what is at a path; None when nothing is there, 0 when that cannot be found out."""
    try:
        return Path(path).stat().st_mode
    except FileNotFoundError:
        return None
    except (OSError, ValueError):  # a folder that may not be read, a file in the place of a folder, too long a name
        return 0


def _is_file(path: str) -> bool:
    return stat.S_ISREG(_mode(path) or 0)


def _written(path: str) -> str:
    """A path as messages write it: in quotes and with escapes where it has characters that nobody sees."""
    return path if path.isprintable() and path == path.strip() else repr(path)


def _is_showable(path: str) -> bool:
    """Whether a path that leads to no file can be nothing but a path: somebody may have put a token there."""
    shown = "".join(filter(str.isprintable, path.removeprefix(f"{Path.cwd()}/")))
    if "\n" in path.strip() or len(shown) > _PATH or any(len(part) > _PART for part in shown.split("/")):
        return False
    return ("/" in shown or bool(_FILE.search(shown))) and not any(map(looks_random, _BLOB.findall(shown)))


def _wrong(paths: list[str], source: str, what: str) -> PathError:
    if not all(_mode(path) or _is_showable(path) for path in paths):
        return _hidden(source)
    literal = any(path.startswith(tuple(f"{Path.cwd()}/{sign}" for sign in "~$'\"")) for path in paths)
    note = "\n  It is taken as it stands: only a shell removes quotes, and expands ~ and $" if literal else ""
    return PathError(f"the kubeconfig {os.pathsep.join(map(_written, paths))} (from {source}) {what}{note}")


def _hidden(source: str) -> PathError:
    return PathError(
        f"{source} is not the path of a kubeconfig; its value is not shown, for it may be a secret.\n"
        f"  Write the content of one to a file that only you can read (umask 077), and give its path:\n{EXAMPLE}"
    )

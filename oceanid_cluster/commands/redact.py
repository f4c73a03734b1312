"""Keeps secrets out of the logs and summaries of the workflows: the last line of defence.

What we print is chosen so that it holds no secret. Error messages of the engine, of a provider or of a tool are theirs,
and may quote what they were given: everything that a step prints goes through one ``Redactor``.
"""

import base64
import contextlib
import io
import itertools
import json
import re
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import quote, quote_plus, unquote, urlsplit

from oceanid_cluster.commands import pulumi_cli
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.kubeconfig_path import VARIABLE, PathError, checked_paths
from oceanid_cluster.config.schema import PROJECT
from oceanid_cluster.config.secret import looks_random
from oceanid_cluster.startup.configuration import read_without_secrets
from oceanid_cluster.startup.kubeconfig import load_kubeconfig, read_all
from oceanid_cluster.startup.processes import CommandError

HIDDEN = "[secret]"
_TOKENS = (
    "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "GH_TOKEN", "GITHUB_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
)  # fmt: skip
_CREDENTIALS = ("token", "password", "client-key-data")  # of a kubeconfig's user
# How a secret is called among the settings of a login program: by a name that ends so.
_SECRET_NAME = re.compile(r"(token|secret|password|passphrase|key|credentials?)$", re.IGNORECASE)
_PUBLIC = ("a", "t", "AccountTag", "TunnelID", "TunnelName", "Endpoint")  # of a tunnel token: they are in outputs
_ANYWHERE = 6  # a shorter secret is only looked for as a word: it could be part of any
_LINE = 16  # a line of a secret, or a text in it, that is worth hiding on its own
# What chance made, in any alphabet of base64: a generated password, its base64, the key of somebody else.
_RANDOM = re.compile(r"[A-Za-z0-9+/_=-]{20,}")


class Redactor:
    """Replaces secrets in texts by ``[secret]``: those that it knows in every usual encoding, and what looks random."""

    def __init__(self, secrets: Sequence[str]) -> None:
        known = {part for secret in secrets for part in _parts(secret)}
        long = {form for part in known if len(part) >= _ANYWHERE for form in forms(part)}
        short = {part for part in known if len(part) < _ANYWHERE}
        patterns = [re.escape(form) for form in sorted(long, key=len, reverse=True)]
        patterns += [rf"(?<!\w){re.escape(part)}(?!\w)" for part in sorted(short, key=len, reverse=True)]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def text(self, text: str) -> str:
        """The text without secrets, and without what GitHub's runner would take for a command.

        A command is a line that starts with ``::``, or has ``##[`` anywhere (src/Runner.Common/ActionCommand.cs).
        """
        if self._pattern:
            text = self._pattern.sub(HIDDEN, text)
        text = _RANDOM.sub(lambda match: HIDDEN if looks_random(match[0]) else match[0], text)
        return re.sub(r"(?m)^(\s*):(?=:)", r"\1: ", text).replace("##[", "## [")


class _Lines(io.TextIOBase):
    """Passes on what is printed, line by line and without secrets."""

    def __init__(self, known: Redactor, target: TextIO) -> None:
        self._known, self._target, self.begun = known, target, ""

    def write(self, text: str, /) -> int:
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            print(self._known.text(line), file=self._target, flush=True)
        return len(text)


@contextlib.contextmanager
def redacted(known: Redactor) -> Generator[None]:
    """Everything that is printed in here is shown without secrets on standard output, standard error included."""
    lines = _Lines(known, sys.stdout)
    with contextlib.redirect_stdout(lines), contextlib.redirect_stderr(lines):
        try:
            yield
        finally:
            if lines.begun:
                print()


def redactor(stack: str, environ: Mapping[str, str]) -> Redactor:
    """A redactor for the stack's secret configuration, the kubeconfig's credentials and the job's own tokens.

    Raises CommandError, and then nothing is run, when the configuration cannot be read or KUBECONFIG leads to no file.
    """
    check_variable(environ.get("KUBECONFIG", ""))
    given = pulumi_cli.entries(stack, "--show-secrets")
    secrets = [str(entry["value"]) for entry in given.values() if entry.get("secret") and "value" in entry]
    secrets += [environ[name] for name in _TOKENS if environ.get(name)]
    values = {key.removeprefix(f"{PROJECT}:"): str(entry.get("value", "")) for key, entry in given.items()}
    return Redactor([*secrets, *kubeconfig_secrets(values, environ)])


def check_variable(variable: str) -> None:
    """Raise CommandError, which does not show the value, when a KUBECONFIG leads to no file: it may be its content."""
    try:
        checked_paths(variable, VARIABLE)
    except PathError:  # it may show a path; in a log, not even that
        raise CommandError(
            "the variable KUBECONFIG leads to no file (its value is not shown: it may be a kubeconfig's content)."
            " It must be a path. Put the content into ESC (docs/esc.md), or into a file of mode 0600"
        ) from None


def kubeconfig_secrets(given: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """The credentials in the kubeconfig that the configuration and the environment lead to, as kubectl reads it.

    ``given`` are the stack's keys, without the namespace. None when there is no kubeconfig, or when it is wrong: the
    run itself then says so, and asks nobody. Raises CommandError when kubectl does not say what is in it.
    """
    try:
        settings = read_without_secrets(given, "")
        if settings is None:
            return []
        cluster = settings.cluster
        kubeconfig = load_kubeconfig(cluster.kubeconfig_path, environ, cluster.kube_context, None)
    except CommandError:
        raise
    except StartUpError:
        return []
    # What is in use has its files read already; what is not may be in an answer of kubectl.
    documents = [json.loads(kubeconfig.contents.value), read_all(kubeconfig.path) or {}]
    entries = [entry for document in documents for entry in document.get("users") or ()]
    return [secret for entry in entries if entry["user"] for secret in _credentials(entry["user"])]


def forms(secret: str) -> set[str]:
    """How a secret can look: in clear, quoted for a URL, escaped in JSON, and in base64 at each of three alignments."""
    escaped = json.dumps(secret)[1:-1]
    html = escaped.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")  # as Go writes JSON
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), escaped, html}
    found.add(json.dumps(secret, ensure_ascii=False)[1:-1])
    data = secret.encode(errors="surrogateescape")
    for encode, shift in itertools.product((base64.b64encode, base64.urlsafe_b64encode), range(3)):
        encoded = encode(b"\0" * shift + data).decode()
        # Only characters that the secret alone decides: not the first, nor the last, shared with what is beside it.
        start = (shift * 8 + 5) // 6
        found.add(encoded[start : (shift + len(data)) * 8 // 6])
    return {form for form in found if len(form) >= _ANYWHERE}


def _credentials(user: Mapping[str, Any]) -> Iterator[str]:
    yield from (user[name] for name in _CREDENTIALS if user.get(name))
    login: Mapping[str, Any] = user.get("exec") or {}
    provider: Mapping[str, Any] = user.get("auth-provider") or {}
    settings: Mapping[str, str] = provider.get("config") or {}
    arguments: Sequence[str] = login.get("args") or ()
    named: list[tuple[str, str]] = [
        *settings.items(),
        *((entry["name"], entry["value"]) for entry in login.get("env") or ()),
        *((name, value) for name, _, value in (argument.partition("=") for argument in arguments)),
        *itertools.pairwise(arguments),
    ]
    yield from (value for name, value in named if value and _SECRET_NAME.search(name))
    with contextlib.suppress(OSError, ValueError, KeyError):
        yield Path(user["tokenFile"]).read_text(encoding="utf-8")


def _parts(secret: str) -> Iterator[str]:
    """A secret, and what is secret inside it: its lines, the texts of its JSON or base64, the password of its URL."""
    text = secret.strip()
    if not text:
        return
    yield text
    if "\n" in text:
        yield from (line.strip() for line in text.splitlines() if len(line) >= _LINE and "-----" not in line)
    with contextlib.suppress(ValueError):  # no URL
        password = urlsplit(text).password or ""
        yield from {password, unquote(password)} - {""}
    with contextlib.suppress(ValueError):  # no base64, or of no text
        yield from _parts(base64.b64decode("".join(text.split()), validate=True).decode())
    with contextlib.suppress(ValueError, RecursionError):  # no JSON
        yield from (part for one in _texts(json.loads(text)) for part in _parts(one))


def _texts(value: object) -> Iterator[str]:
    """The texts in a JSON document that can be secret."""
    if isinstance(value, str) and len(value) >= _LINE:
        yield value
    if isinstance(value, dict):
        value = [inner for name, inner in cast("dict[str, object]", value).items() if name not in _PUBLIC]
    for inner in cast("list[object]", value) if isinstance(value, list) else ():
        yield from _texts(inner)

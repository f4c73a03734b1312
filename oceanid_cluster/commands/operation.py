"""Runs the engine on the stack and says what it does in a few lines: operation, resource, and the fields that change.

The engine's own display shows whole objects with their status; its events (sdk/go/common/apitype/events.go) have what
matters. Both operations refresh first, with the providers of this run (``--run-program``), not with those of the state.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from oceanid_cluster.commands.objects import part, terminating
from oceanid_cluster.commands.redact import HIDDEN, Redactor
from oceanid_cluster.startup.processes import CommandError, ended_by_signal

_REFRESH = ("--refresh", "--run-program", "--json", "--non-interactive", "--color", "never")
_COMMANDS = {"preview": ("preview", *_REFRESH), "up": ("up", "--yes", "--skip-preview", *_REFRESH)}
# Without it a preview answers with one document at its end (pkg/backend/display/json.go).
_STREAMING = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
_SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "+-", "import": "="}
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # plugin.UnknownStringValue: known only once the update has run
# Where a value that somebody put into the cluster by hand may be a secret.
_PRIVATE = ("data", "stringData", "env", "args", "command", "annotations")
_PLUGIN_NEWS = ("using pulumi-", "resource plugin ")  # the plugins in use: not worth a line
_LONGEST_VALUE, _LONGEST_LINE = 60, 600
_RELEASE = "kubernetes:helm.sh/v3:Release"
_SEGMENT = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\.?([^.\[]+)')


@dataclass(frozen=True)
class Change:
    """What is done to one resource: ``operation`` in the engine's word, its type, its logical name, and the fields.

    ``gone``: the refresh found that it is not in the cluster any more. ``fields``: each path with its values, if those
    may be shown; ``paths`` the same without any value. ``release``: the Helm release ``namespace/name`` that the object
    ``name`` belongs to; empty for a resource of the stack.
    """

    operation: str
    type: str
    name: str
    paths: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    gone: bool = False
    kept: bool = False
    release: str = ""

    @property
    def kind(self) -> str:
        """The type without its provider: ``apps/v1 Deployment``."""
        return " ".join(self.type.split(":")[1:]) or self.type

    def line(self) -> str:
        """The change in one line, without its fields."""
        note = " (it is not in the cluster any more)" if self.gone else " (kept in the cluster)" if self.kept else ""
        return f"{_SIGNS[self.operation]} {self.operation} {self.kind} {self.name}{note}"

    def difference(self) -> str:
        """What differs, in one line without values: what an ``up`` would make again is missing."""
        paths = f" ({', '.join(self.paths)})" if self.paths else ""
        release = f", in the Helm release {self.release}" if self.release else ""
        text = f"{'missing' if self.gone else self.operation} {self.kind} {self.name}{paths}"
        return (text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} …") + release

    def lines(self) -> list[str]:
        """The change, with its fields under it."""
        return [self.line(), *(f"    {one}" for one in self.fields)]


@dataclass
class Outcome:
    """What a run of the engine did, or would do."""

    code: int = 0
    changes: list[Change] = field(default_factory=list[Change])
    errors: list[str] = field(default_factory=list[str])
    unchanged: int = 0
    releases: set[str] = field(default_factory=set[str])  # ids of the Helm releases in the state: namespace/name
    terminating: list[Change] = field(default_factory=list[Change])  # what the cluster is about to delete

    def lines(self) -> list[str]:
        """Each change, with its fields under it."""
        return [line for change in self.changes for line in change.lines()]

    def count(self) -> str:
        """How many resources change, by operation."""
        if not self.changes:
            return f"nothing to change: {self.unchanged} resources are as the program says"
        operations = [change.operation for change in self.changes]
        counts = ", ".join(f"{operations.count(one)} to {one}" for one in _SIGNS if one in operations)
        return f"{counts}, {self.unchanged} unchanged"


class Events:
    """Takes the engine's events one by one, and says what is worth saying when it happens; both without secrets."""

    def __init__(self, redactor: Redactor, say: Callable[[str], None]) -> None:
        self.outcome = Outcome()
        self._hide = redactor.text
        self._write = say
        self._gone: set[str] = set()
        self._said: set[str] = set()

    def _say(self, text: str) -> None:
        self._write(self._hide(text))

    def take(self, event: Mapping[str, Any]) -> None:
        """One event. Unknown ones are ignored: newer engines have more."""
        if said := event.get("diagnosticEvent"):
            self._diagnostic(said)
        elif before := event.get("resourcePreEvent"):
            self._step(before["metadata"])
        elif after := event.get("resOutputsEvent"):
            self._refreshed(after["metadata"])
        elif failed := event.get("resOpFailedEvent"):
            self._say(f"failed: {failed['metadata']['op']} {_name(failed['metadata'])}")

    def _diagnostic(self, event: Mapping[str, Any]) -> None:
        text = str(event.get("message", "")).strip()
        if event.get("ephemeral") or not text or text in self._said or text.startswith(_PLUGIN_NEWS):
            return
        if event.get("severity") in ("error", "warning", "info#err"):  # never "debug": it has every property
            self._said.add(text)
            name = str(event.get("urn", "")).rpartition("::")[2]
            message = f"{event['severity'].partition('#')[0]}: {f'{name}: ' if name else ''}{text}"
            self._say(message)
            if event["severity"] == "error":
                self.outcome.errors.append(self._hide(message))

    def _step(self, step: Mapping[str, Any]) -> None:
        if step["type"] == "pulumi:pulumi:Stack":
            return
        if step["type"] == _RELEASE and (old := part(step, "old").get("id")) and step["urn"] not in self._gone:
            self.outcome.releases.add(str(old))
        self.outcome.unchanged += step["op"] == "same"
        if step["op"] not in _SIGNS:
            return
        change = self._change(step)
        if change.operation == "update" and not change.paths:
            # The refresh found an object that is not ready, which the engine updates until it is: no field differs.
            self.outcome.unchanged += 1
            self._say(f"  {change.kind} {change.name} is not ready; nothing to change in it")
            return
        self.outcome.changes.append(change)
        for line in change.lines():
            self._say(line)

    def _change(self, step: Mapping[str, Any]) -> Change:
        detailed: Mapping[str, Any] = step.get("detailedDiff") or {}
        paths = sorted(detailed or step.get("diffs") or step.get("keys") or ())
        old, new = part(step, "old"), part(step, "new")
        fields = (_field(path, detailed.get(path) or {}, old, new) for path in paths)
        return Change(
            step["op"], step["type"], _name(step), tuple(map(self._hide, paths)), tuple(map(self._hide, fields)),
            gone=step["op"] == "create" and step["urn"] in self._gone,
            kept=step["op"] == "delete" and bool(old.get("retainOnDelete")),
        )  # fmt: skip

    def _refreshed(self, step: Mapping[str, Any]) -> None:
        if step["op"] != "refresh":
            return
        if step.get("old") and not step.get("new"):
            self._gone.add(step["urn"])
        if terminating({"kind": "", **part(step, "new", "outputs")}):
            self.outcome.terminating.append(Change("terminating", step["type"], _name(step)))


def preview(stack: str, redactor: Redactor, say: Callable[[str], None] | None = print) -> Outcome:
    """What an ``up`` would do, said as ``run_engine`` says it; with None nothing is said.

    Raises CommandError, with the errors that were not said, when the engine could not tell.
    """
    outcome = run_engine("preview", stack, redactor, say or (lambda _: None))
    if outcome.code:
        errors = [] if say else outcome.errors
        raise CommandError("\n  ".join(["the preview failed; nothing was changed", *errors]))
    return outcome


def run_engine(operation: str, stack: str, redactor: Redactor, say: Callable[[str], None] = print) -> Outcome:
    """Run ``preview`` or ``up`` on the stack, and ``say`` what happens, without secrets, as it happens.

    An operation that fails is an outcome with its errors and the engine's exit code, which is never 0 then. Raises
    CommandError when the engine is missing.
    """
    events = Events(redactor, say)
    # Read at the end: a full pipe would stop the engine. What is not UTF-8 must not fail.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as words:
        try:
            process = subprocess.Popen(
                ["pulumi", *_COMMANDS[operation], "--stack", stack], env={**os.environ, **_STREAMING},
                encoding="utf-8", errors="replace",
                stdout=subprocess.PIPE, stderr=words, stdin=subprocess.DEVNULL,
                process_group=0,  # a terminal's Ctrl-C is ours to pass on, once
            )  # fmt: skip
        except FileNotFoundError:
            raise CommandError("'pulumi' is not installed, or not on PATH") from None
        with process:
            try:
                other = _read(process.stdout or (), events)
            except BaseException:
                _stop(process)
                raise
        words.seek(0)
        rest = [line.strip() for line in (*other, *words) if line.strip() and "using pulumi-" not in line]
    outcome = events.outcome
    outcome.code = process.returncode
    if outcome.code and not outcome.errors:
        killed = [ended_by_signal("pulumi", outcome.code)] if outcome.code < 0 else []
        errors = [*rest, *killed] or ["pulumi failed without output"]
        say(redactor.text("\n".join(errors)))
        outcome.errors = [*map(redactor.text, errors)]
    return outcome


def _stop(process: subprocess.Popen[str]) -> None:
    """Tell the engine to end, as Ctrl-C does: its current steps end, its state is saved, its plugins stop.

    Each further Ctrl-C is passed on, too. The engine's output is read until it has ended: one that nobody listens to
    dies of SIGPIPE, and its plugins live on.
    """
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(KeyboardInterrupt):
            for _ in process.stdout or ():
                pass
            process.wait()


def _read(lines: Iterable[str], events: Events) -> list[str]:
    """Give each event to ``events``; returns the other lines."""
    other: list[str] = []
    for line in lines:
        try:
            event: object = json.loads(line)
        except ValueError:
            other.append(line)
            continue
        if isinstance(event, dict):
            events.take(cast("dict[str, Any]", event))
    return other


def _name(step: Mapping[str, Any]) -> str:
    """The logical name of a step's resource."""
    return str(step["urn"]).rpartition("::")[2]


def _field(path: str, difference: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """A path with its values before and after, where they are short and nobody's secret."""
    kind = str(difference.get("diffKind", ""))
    note = " (replaces the object)" if kind.endswith("replace") else ""
    segments = _segments(path)
    secretive = "Secret" in str(new.get("type") or old.get("type")) or any(name in segments for name in _PRIVATE)
    before, after = (_value((side.get("inputs") or {}), segments) for side in (old, new))
    if kind.startswith("delete"):
        return f"{path}: removed{note}"
    if secretive or after is None or (before is None and not kind.startswith("add")):
        return f"{path}{note}"
    return f"{path}: {after}{note}" if before is None else f"{path}: {before} -> {after}{note}"


def _segments(path: str) -> list[str | int]:
    return [int(index) if index else quoted or name for quoted, index, name in _SEGMENT.findall(path)]


def _value(inputs: Any, segments: Iterable[str | int]) -> str | None:
    """A short value in a resource's inputs, as JSON; None when it is long, many, or not there."""
    for segment in segments:
        try:
            inputs = inputs[segment]
        except (KeyError, IndexError, TypeError):
            return None
    if inputs == _UNKNOWN:
        return "(known after the update)"
    if inputs == HIDDEN or not isinstance(inputs, str | int | float | bool):
        return None
    text = json.dumps(inputs, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else None

"""Helm releases and rendered charts, by the ``helm`` on PATH."""

import json
import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

Values = dict[str, Any]


class HelmError(Exception):
    """helm failed; its own words."""


class Helm:
    """``helm`` on one cluster. Kubeconfig and values reach it as private files, never as arguments."""

    def __init__(self, kubeconfig: str, context: str | None) -> None:
        """``kubeconfig`` is its content."""
        self._kubeconfig, self._context = kubeconfig, context

    def template(self, args: Values, release: str, namespace: str) -> list[Values]:
        """Render a chart, CRDs included and hooks left out; returns its objects."""
        crds = [] if args.get("skipCrds") else ["--include-crds"]
        text = self._run(["template", release, *_chart(args), "--no-hooks", *crds, "-n", namespace], args.get("values"))
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # Flux's CRDs are big
        return [document for document in yaml.load_all(text, loader) if document]

    def deploy(self, args: Values, timeout: float, *, new: bool) -> None:
        """Install a release, or upgrade it unless ``new``, and wait. Helm installs none whose name it knows."""
        waiting = [] if args.get("skipAwait") else ["--wait", "--timeout", f"{int(timeout)}s"]
        kept = args.get("maxHistory")
        history = ["--history-max", str(kept)] if kept is not None and not new else []
        verb = "install" if new else "upgrade"
        command = [verb, args["name"], *_chart(args), "-n", args["namespace"], *waiting, *history]
        self._run(command, args.get("values"))

    def status(self, name: str, namespace: str) -> Values | None:
        """What Helm knows of a release, or None."""
        try:
            return json.loads(self._run(["get", "metadata", name, "-n", namespace, "-o", "json"]))
        except HelmError as problem:
            if "not found" in str(problem):
                return None
            raise

    def uninstall(self, name: str, namespace: str) -> None:
        """Remove a release; its CRDs stay, as with Helm itself."""
        self._run(["uninstall", name, "-n", namespace, "--ignore-not-found", "--wait"])

    def _run(self, command: list[str], values: Values | None = None) -> str:
        with _private_file(self._kubeconfig) as kubeconfig, _private_file(json.dumps(values or {})) as values_file:
            chosen = ["--kube-context", self._context] if self._context else []
            given = ["-f", values_file] if command[0] in ("template", "install", "upgrade") else []
            answer = subprocess.run(
                ["helm", *command, *given, *chosen], env={**os.environ, "KUBECONFIG": kubeconfig},
                capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        if answer.returncode:
            raise HelmError(f"helm {command[0]}: {answer.stderr.strip()}")
        return answer.stdout


def chart_version(args: Values) -> str | None:
    """The version of a chart: the one asked for, else that of a local chart, else None."""
    description = Path(str(args.get("chart", ""))) / "Chart.yaml"
    if args.get("version") or not description.is_file():
        return args.get("version")
    return str(yaml.safe_load(description.read_text(encoding="utf-8"))["version"])


def _chart(args: Values) -> list[str]:
    repository = (args.get("repositoryOpts") or {}).get("repo")
    return [
        args["chart"],
        *(["--repo", repository] if repository else []),
        *(["--version", args["version"]] if args.get("version") else []),
    ]


@contextmanager
def _private_file(content: str) -> Generator[str]:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".yaml") as handle:  # mode 0600
        handle.write(content)
        handle.flush()
        yield handle.name

"""Runs the steps of a workflow's job as GitHub's runner does, as far as our workflows need it."""

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.layout import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
# What a job's `run` lines may ask of GitHub, and what we answer.
_CONTEXT = {"github.token": "gh-token-canary", "github.repository": "example/example"}
Action = Callable[["Job", Mapping[str, str]], None]


@dataclass
class Step:
    """What became of a step: GitHub's outcome (success, failure, skipped), and what it printed."""

    name: str
    outcome: str
    output: str = ""


@dataclass
class Job:
    """One job: the folder that was checked out, the runner's environment, and a directory of temporary files."""

    workflow: str
    folder: Path
    temp: Path
    environ: dict[str, str]
    actions: Mapping[str, Action]
    steps: list[Step] = field(default_factory=list[Step])

    def run(self, *, without: tuple[str, ...] = (), until: str = "") -> dict[str, Step]:
        """Run the steps, apart from those named in ``without`` and what follows ``until``; returns them by name."""
        document = load(self.workflow)
        (job,) = document["jobs"].values()
        self.temp.mkdir(exist_ok=True)
        self.environ |= {**document.get("env", {}), **self.environ, "RUNNER_TEMP": str(self.temp)}
        for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"):
            self.environ[name] = str(self.temp / name.lower())
            Path(self.environ[name]).touch()
        failed = False
        for step in job["steps"]:
            name = step["name"]
            if name in without or ((failed or (until and self._ran(until))) and step.get("if") != "always()"):
                self.steps.append(Step(name, "skipped"))
                continue
            outcome = self._run(step)
            self.steps.append(outcome)
            failed = failed or outcome.outcome == "failure"
        return {step.name: step for step in self.steps}

    def _ran(self, name: str) -> bool:
        return any(step.name == name for step in self.steps)

    def _run(self, step: Mapping[str, Any]) -> Step:
        if "uses" in step:
            self.actions[step["uses"].partition("@")[0]](self, step.get("with", {}))
            return Step(step["name"], "success")
        extra = {key: self._expand(value) for key, value in step.get("env", {}).items()}
        answer = subprocess.run(
            ["bash", "-e", "-c", self._expand(step["run"])], cwd=self.folder, env={**self.environ, **extra}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        self._take_over()
        return Step(step["name"], "failure" if answer.returncode else "success", answer.stdout)

    def _expand(self, text: str) -> str:
        return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda match: _CONTEXT[match[1]], text)

    def _take_over(self) -> None:
        """What a step wrote for the steps after it."""
        for line in Path(self.environ["GITHUB_ENV"]).read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            self.environ[name] = value
        for line in Path(self.environ["GITHUB_PATH"]).read_text(encoding="utf-8").splitlines():
            self.environ["PATH"] = f"{line}:{self.environ['PATH']}"
        for name in ("GITHUB_ENV", "GITHUB_PATH"):
            Path(self.environ[name]).write_text("", encoding="utf-8")


def load(workflow: str) -> dict[str, Any]:
    """A workflow as data; its triggers are under ``on``, which YAML 1.1 reads as true."""
    document = yaml.safe_load((WORKFLOWS / workflow).read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in document.items()}

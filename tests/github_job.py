"""Runs the steps of a workflow's job as GitHub's runner does, as far as our workflows need it.

Each behaviour names the file of actions/runner that it was read in (commit 258d6c8, August 2026). The log is kept as it
was printed: what the runner would mask is shown here, so that a test sees it.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.layout import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
SUMMARY_LIMIT = 1024 * 1024  # of one step: src/Runner.Worker/FileCommandManager.cs, AttachmentSizeLimit
# What a job's lines may ask of GitHub, and what we answer; beside it, the first line of the job's matrix.
_CONTEXT = {"github.token": "gh-token-canary", "github.repository": "example/example"}
_FILES = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
# src/Runner.Worker/Handlers/ScriptHandlerHelpers.cs: of a step that names none.
_SHELL = ("bash", "-e")
# src/Runner.Worker/ActionCommandManager.cs: a line of these is a command, and no output.
_COMMANDS = (
    "add-mask|add-matcher|debug|echo|endgroup|error|group|notice|remove-matcher|stop-commands|warning|set-output"
)
_COMMAND = re.compile(rf"^\s*::(?:{_COMMANDS})(?: [^:]*)?::|##\[(?:{_COMMANDS})", re.MULTILINE)
Action = Callable[["Job", Mapping[str, str]], None]


@dataclass
class Step:
    """What became of a step: GitHub's outcome (success, failure, skipped), what it printed, and its summary."""

    name: str
    outcome: str
    output: str = ""
    summary: str = ""

    @property
    def commands(self) -> list[str]:
        """What of its output the runner would have obeyed."""
        return _COMMAND.findall(self.output)


@dataclass
class Job:
    """One job: the folder that was checked out, the runner's environment, and a directory of temporary files.

    ``during`` has what else happens in the world while a step of that name runs.
    """

    workflow: str
    folder: Path
    temp: Path
    environ: dict[str, str]
    actions: Mapping[str, Action]
    during: Mapping[str, Callable[[], None]] = field(default_factory=dict[str, Callable[[], None]])
    steps: list[Step] = field(default_factory=list[Step])
    context: dict[str, str] = field(default_factory=lambda: dict(_CONTEXT))

    def run(self, *, without: tuple[str, ...] = (), until: str = "") -> dict[str, Step]:
        """Run the steps, apart from those named in ``without`` and what follows ``until``; returns them by name."""
        document = load(self.workflow)
        (job,) = document["jobs"].values()
        self.temp.mkdir(exist_ok=True)
        for name, value in job.get("strategy", {"matrix": {"include": [{}]}})["matrix"]["include"][0].items():
            self.context[f"matrix.{name}"] = value
        given = {**document.get("env", {}), **job.get("env", {})}
        expanded = {name: self._expand(value) for name, value in given.items()}
        self.environ |= {**expanded, **self.environ, "RUNNER_TEMP": str(self.temp)}
        failed = False
        for number, step in enumerate(job["steps"]):
            name = step["name"]
            # src/Runner.Worker/StepsRunner.cs: without `if` a step has success(); always() runs whatever happened.
            wanted = {"": not failed and not self._ran(until), "always()": True}[step.get("if", "")]
            if name in without or not wanted:
                self.steps.append(Step(name, "skipped"))
                continue
            outcome = self._run(step, number)
            self.steps.append(outcome)
            failed = failed or outcome.outcome == "failure"
        return {step.name: step for step in self.steps}

    @property
    def log(self) -> str:
        """Everything that the job printed."""
        return "".join(f"{step.name}: {step.outcome}\n{step.output}" for step in self.steps)

    @property
    def summary(self) -> str:
        """The summary of the job: those of its steps."""
        return "".join(step.summary for step in self.steps)

    def _ran(self, name: str) -> bool:
        return any(step.name == name for step in self.steps)

    def _run(self, step: Mapping[str, Any], number: int) -> Step:
        if "uses" in step:
            self.actions[step["uses"].partition("@")[0]](self, step.get("with", {}))
            return Step(step["name"], "success")
        # FileCommandManager.cs: every step has new, empty files, which the runner deletes when it has read them.
        files = {name: self.temp / f"{name.lower()}_{number}" for name in _FILES}
        for file in files.values():
            file.write_text("", encoding="utf-8")
        # Handlers/ScriptHandler.cs: the lines become a file, and the shell runs that.
        script = self.temp / f"{number}.sh"
        script.write_text(self._expand(step["run"]), encoding="utf-8")
        extra = {key: self._expand(value) for key, value in step.get("env", {}).items()}
        environ = {**self.environ, **{name: str(file) for name, file in files.items()}, **extra}
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(self.during.get(step["name"], lambda: None))
            answer = subprocess.run(
                [*_SHELL, script], cwd=self.folder, env=environ, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            other.result()  # what goes wrong there is an error of the test
        result = Step(step["name"], "failure" if answer.returncode else "success", answer.stdout)
        self._take_over(files, result)
        for file in (*files.values(), script):
            file.unlink()
        return result

    def _expand(self, text: str) -> str:
        return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda match: self.context[match[1]], text)

    def _take_over(self, files: Mapping[str, Path], result: Step) -> None:
        """What a step wrote for the steps after it, and its summary."""
        self.environ |= dict(pairs(files["GITHUB_ENV"].read_text(encoding="utf-8")))
        for line in filter(None, files["GITHUB_PATH"].read_text(encoding="utf-8").splitlines()):
            self.environ["PATH"] = f"{line}:{self.environ['PATH']}"
        summary = files["GITHUB_STEP_SUMMARY"]
        if summary.stat().st_size > SUMMARY_LIMIT:  # CreateStepSummaryCommand: dropped, with an error, and no failure
            result.output += f"Error: $GITHUB_STEP_SUMMARY upload aborted, got {summary.stat().st_size} bytes\n"
        else:
            result.summary = summary.read_text(encoding="utf-8")


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The variables in a GITHUB_ENV file (FileCommandManager.cs, EnvFileKeyValuePairs), of which we write one form."""
    for line in filter(None, text.split("\n")):
        name, equals, value = line.partition("=")
        if not equals or "<<" in name:
            raise ValueError(f"Invalid format '{line}'")
        yield name, value


def load(workflow: str) -> dict[str, Any]:
    """A workflow as data; its triggers are under ``on``, which YAML 1.1 reads as true."""
    document = yaml.safe_load((WORKFLOWS / workflow).read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in document.items()}

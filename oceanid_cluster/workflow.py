"""The longer steps of the workflows, which run the same by hand: ``python -m oceanid_cluster.workflow <step>``.

Exit code 0: done. 1: it failed, and said why. ``drift`` is 0 whether it found a difference or not: the issue says it.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from oceanid_cluster import health
from oceanid_cluster.commands import CommandError, answer, run

KUBECONFIG_PATH = "pulumiConfig.oceanid-cluster:kubeconfig"
DRIFT_TITLE = "Drift: the cluster differs from the program"
_SUMMARY_BYTES = 900_000  # GitHub drops a summary of more than 1 MiB
_BODY_LINES = 100
_PLANS = {"PULUMI_EXPERIMENTAL": "true"}  # update plans are not yet a stable feature of the engine


def kubeconfig(environment: str, target: Path, environ: Mapping[str, str]) -> None:
    """Take the kubeconfig out of the ESC environment ``org/project/name`` into the file ``target``, for this user only.

    When the key is absent there, the runner's own KUBECONFIG counts. Announces the choice to the steps that follow.
    Raises CommandError when ESC cannot be asked, or has something there that is no kubeconfig.
    """
    value = esc_value(environment, KUBECONFIG_PATH)
    if value is None:
        own = environ.get("KUBECONFIG", "").strip()
        if not own:
            raise CommandError(
                f"no kubeconfig: '{environment}' has no key '{KUBECONFIG_PATH}' (docs/esc.md says how to store it),"
                " and the runner has no variable KUBECONFIG"
            )
        print(f"'{environment}' has no key '{KUBECONFIG_PATH}'; using the runner's KUBECONFIG: {own}")
        return
    text = _checked_kubeconfig(value, environment)
    target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
    later = environ.get("GITHUB_ENV")
    if later:
        with Path(later).open("a", encoding="utf-8") as handle:
            handle.write(f"KUBECONFIG={target}\n")
        print(f"wrote {target} from '{environment}'")
    else:
        print(f"export KUBECONFIG={target}")


def esc_value(environment: str, path: str) -> object:
    """A value of an ESC environment; None when the environment has no such key.

    Opens the environment, as a value may be dynamic (``esc env get`` would show ``[unknown]``). As JSON, because only
    there an absent key (null) differs from an empty one. Raises CommandError when ESC could not be asked.
    """
    result = run("pulumi", "env", "open", environment, path, "--format", "json")
    try:
        if result.returncode == 0:
            return json.loads(result.stdout)
    except ValueError:
        pass  # it prints diagnostics of a broken environment instead, and calls that a success
    words = (result.stderr.strip() or "it said nothing").splitlines()
    raise CommandError(f"could not ask ESC for '{environment}': {words[-1]}")


def _checked_kubeconfig(value: object, environment: str) -> str:
    """The text of a kubeconfig. Raises CommandError, which shows nothing of the value."""
    where = f"'{KUBECONFIG_PATH}' of '{environment}'"
    text = value if isinstance(value, str) else json.dumps(value)
    if not text.strip():
        raise CommandError(f"{where} is empty; docs/esc.md says how to store it")
    if text.strip() in ("[secret]", "[unknown]"):
        raise CommandError(f"{where} is the placeholder {text.strip()}: it was not decrypted, or not opened")
    try:
        document: object = yaml.safe_load(text)
    except yaml.YAMLError:
        document = None
    if not isinstance(document, dict) or "clusters" not in document:
        raise CommandError(f"{where} is no kubeconfig; docs/esc.md says how to store it")
    return text


def preview(stack: str, plan: Path, environ: Mapping[str, str]) -> None:
    """Show what an ``up`` would change, in the log and in the job's summary, and keep the plan for ``up``."""
    plan.unlink(missing_ok=True)
    keep = ["--save-plan", str(plan)] if _plans_work() else []
    text, code = _stream("pulumi", "preview", "--stack", stack, "--diff", *keep)
    _summarise(f"Preview of {stack}", text, environ)
    if code:
        raise CommandError("the preview failed; nothing was changed")


def up(stack: str, plan: Path, environ: Mapping[str, str]) -> None:
    """Make the changes of the plan, and no others; without a plan file, whatever is to be changed.

    After a failure it shows the table of health: the provider does not always say which pod is not ready, and why.
    """
    chosen = ["--plan", str(plan)] if plan.exists() else []
    text, code = _stream("pulumi", "up", "--stack", stack, "--yes", "--skip-preview", *chosen)
    _summarise(f"Update of {stack}", text, environ)
    if code:
        health.main(["--stack", stack])
        adopt = " To take over what already exists: config key adoptExisting." if "already exists" in text else ""
        raise CommandError(f'the update failed; what it finished stays: docs/runbook.md, "A deploy failed".{adopt}')


def drift(stack: str) -> None:
    """Compare the cluster with the program; open, update or close the one issue that says so.

    Raises CommandError when the comparison itself failed: then no issue is touched.
    """
    print(f"comparing {stack} with its cluster", flush=True)
    result = run(
        "pulumi", "preview", "--stack", stack, "--refresh", "--expect-no-changes", "--json", "--non-interactive"
    )
    differences = _differences(result)
    ours = ("--app", "github-actions", "--state", "open", "--limit", "200")  # anybody may open one of the same title
    found = json.loads(answer("gh", "issue", "list", *ours, "--json", "number,title"))
    number = next((str(issue["number"]) for issue in found if issue["title"] == DRIFT_TITLE), None)
    if not differences:
        print("no drift")
        if number:
            answer("gh", "issue", "close", number, "--comment", "The cluster is as the program says again.")
        return
    body = _drift_report(stack, differences)
    print(body)
    if number:
        answer("gh", "issue", "edit", number, "--body-file", "-", stdin=body)
    else:
        answer("gh", "issue", "create", "--title", DRIFT_TITLE, "--body-file", "-", stdin=body)


def _differences(result: subprocess.CompletedProcess[str]) -> list[str]:
    """One line for each resource that differs: what ``up`` would do, to which resource, in which fields.

    Values are left out. Raises CommandError when the preview did not come to an end.
    """
    try:
        document: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        document = {}
    diagnostics: list[dict[str, Any]] = document.get("diagnostics") or []
    errors = [str(one["message"]) for one in diagnostics if one.get("severity") == "error"]
    steps: list[dict[str, Any]] = document.get("steps") or []
    lines = [_line(step) for step in steps if step["op"] not in ("same", "read", "discard", "refresh")]
    if errors or not steps or (result.returncode and not lines):
        words = " ".join(errors) or result.stderr.strip() or "pulumi said nothing"
        raise CommandError(f"the comparison failed: {words[-2000:]}")
    return lines


def _line(step: Mapping[str, Any]) -> str:
    kind, _, name = str(step["urn"]).split("::", 2)[2].rpartition("::")
    fields = sorted(cast("dict[str, Any]", step.get("detailedDiff") or {}))
    changed = f" ({', '.join(fields)})" if fields else ""
    return f"{step['op']} {kind.rpartition('$')[2]} {name}{changed}"


def _drift_report(stack: str, differences: Sequence[str]) -> str:
    shown = [f"- `{line}`" for line in differences[:_BODY_LINES]]
    if len(differences) > _BODY_LINES:
        shown.append(f"- … and {len(differences) - _BODY_LINES} more")
    return (
        f"`pulumi preview --refresh` on `{stack}` finds {len(differences)} differences. An `up` would:\n\n"
        + "\n".join(shown)
        + "\n\nEither somebody changed the cluster by hand, or a change was merged and not deployed:"
        " docs/runbook.md, 'Drift', says what to do.\n"
    )


def _plans_work() -> bool:
    """Whether this engine can keep a preview as a plan."""
    return "--save-plan" in run("pulumi", "preview", "--help", variables=_PLANS).stdout


def _stream(*command: str) -> tuple[str, int]:
    """Run a tool, showing its output as it comes; returns that output and the exit code."""
    lines: list[str] = []
    with subprocess.Popen(
        [*command, "--non-interactive", "--color", "never"], env={**os.environ, **_PLANS}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return "".join(lines), process.returncode


def _summarise(title: str, text: str, environ: Mapping[str, str]) -> None:
    """Add the text to the summary of the job, if there is one."""
    target = environ.get("GITHUB_STEP_SUMMARY")
    if target:
        kept = text.encode()[-_SUMMARY_BYTES:].decode(errors="ignore")
        with Path(target).open("a", encoding="utf-8") as handle:
            handle.write(f"### {title}\n\n~~~~text\n{kept}\n~~~~\n")


def main(arguments: Sequence[str]) -> int:
    """Run one step; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m oceanid_cluster.workflow", description="steps of the workflows")
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("kubeconfig", help="kubeconfig out of ESC, or the runner's own")
    one.add_argument("environment", help="org/project/environment")
    one.add_argument("target", type=Path, help="file to write")
    for name, text in (("preview", "what an up would change"), ("up", "make exactly those changes")):
        one = steps.add_parser(name, help=text)
        one.add_argument("--stack", required=True)
        one.add_argument("--plan", required=True, type=Path, help="the plan's file")
    one = steps.add_parser("drift", help="compare the cluster with the program, and keep one issue about it")
    one.add_argument("--stack", required=True)
    options = parser.parse_args(arguments)
    try:
        if options.step == "kubeconfig":
            kubeconfig(options.environment, options.target.absolute(), os.environ)
        elif options.step == "drift":
            drift(options.stack)
        else:
            {"preview": preview, "up": up}[options.step](options.stack, options.plan.absolute(), os.environ)
    except CommandError as problem:
        print(f"{options.step}: error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

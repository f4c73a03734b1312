"""What does a change do to the cluster? ``make diff BASE=main``: renders two commits, and compares what they make.

Exit code 0: it is told. 1: the newer commit cannot be rendered, or there is no such commit.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oceanid_cluster.commands.report import add_to_summary
from oceanid_cluster.startup.configuration import FOLDER_VARIABLE
from sandbox.diff import compare, report
from sandbox.layout import ROOT, Sandbox, SandboxError, checked

# The stack of the sandbox, and the file that explains the keys, are not clusters.
_NO_CLUSTERS = ("example", "sandbox")


def main(environ: Mapping[str, str]) -> int:
    """Compare the commits BASE and HEAD, for the stack STACK or every one; returns the exit code."""
    try:
        base, head = (_commit(environ.get(name) or default) for name, default in (("BASE", "main"), ("HEAD", "HEAD")))
        if base == head:
            print("diff: both commits are the same; name another one: make diff BASE=<commit>", file=sys.stderr)
        if _git("status", "--porcelain", "--untracked-files=no"):
            print("diff: changes that are not committed are not part of it", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="oceanid-diff-") as scratch:
            return _compare(_checkout(base, Path(scratch) / "base"), _checkout(head, Path(scratch) / "head"), environ)
    except SandboxError as problem:
        print(f"diff: error: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _compare(old: Path, new: Path, environ: Mapping[str, str]) -> int:
    code = 0
    for stack in (environ.get("STACK") or "").split() or _stacks(old, new):
        outputs = [tree.parent / f"{tree.name}-{stack}" for tree in (old, new)]
        print(f"diff: rendering {stack}, at both commits …", file=sys.stderr, flush=True)
        with ThreadPoolExecutor(2) as pool:
            problems = list(pool.map(_render, (old, new), (stack, stack), outputs))
        if problems[1]:
            text, code = f"{stack}: cannot be rendered\n{problems[1]}", 1
        elif problems[0]:
            text = f"{stack}: cannot be rendered at the base, so there is nothing to compare\n{problems[0]}"
        else:
            text = report.as_text(stack, *compare.compare(*map(compare.read, outputs)))
        print(text, flush=True)
        heading, *lines = text.splitlines()
        add_to_summary(heading, lines, environ, "diff")
    return code


def _stacks(*trees: Path) -> list[str]:
    """The stacks that one of the trees has a file of."""
    names = {path.name.split(".")[1] for tree in trees for path in tree.glob("Pulumi.*.yaml")}
    return sorted(names.difference(_NO_CLUSTERS))


def _render(tree: Path, stack: str, output: Path) -> str:
    """Render a stack of a tree by the tree's own code; returns why it cannot be done, or nothing.

    A stack that the tree does not have makes nothing.
    """
    if not (tree / f"Pulumi.{stack}.yaml").exists():
        return ""
    command = [sys.executable, "-m", "oceanid_cluster", "render", str(output), "--stack", stack]
    tools = Sandbox.from_environment().bin  # helm and kubectl, if there are no others
    path = f"{os.environ.get('PATH', '')}{os.pathsep}{tools}"
    own = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1", FOLDER_VARIABLE: str(tree)}  # not that of the sandbox
    environment = {**os.environ, **own}
    answer = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        return answer.stderr.strip() or "no output"
    if tree.name == "head":
        sys.stderr.write(answer.stderr)
    return ""


def _commit(name: str) -> str:
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except SandboxError:
        raise SandboxError(f"there is no commit '{name}' here; name another one: make diff BASE=<commit>") from None


def _git(*arguments: str, **variables: str) -> str:
    return checked(["git", *arguments], ROOT, {**os.environ, **variables})


def _checkout(commit: str, folder: Path) -> Path:
    """Write the files of a commit into a new folder, beside a link to the sandbox's charts; returns the folder."""
    index = str(folder.with_suffix(".index"))
    _git("read-tree", commit, GIT_INDEX_FILE=index)
    _git("checkout-index", "--all", f"--prefix={folder}/", GIT_INDEX_FILE=index)
    (folder / "charts").symlink_to(Sandbox.from_environment().charts)
    return folder


if __name__ == "__main__":
    sys.exit(main(os.environ))

"""The sandbox from the command line; the Makefile's verbs call this: ``python -m sandbox up``."""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence

from sandbox import charts, cluster, engine, gitops, health, plugins, tools
from sandbox.layout import Sandbox, SandboxError, say

_VERBS = (
    "up", "gitops", "tools", "cluster", "preview", "outputs", "health", "graph", "env", "kubectl", "pulumi", "down",
    "reset",
)  # fmt: skip
_NEXT = """
The sandbox runs. Try:
  make health                       whether it is as it should be
  make gitops                       Flux, and a Git repository that it follows
  make preview                      what an `up` would change: nothing
  make outputs NAME=labelStudioHostname
  make kubectl ARGS='get pods -A'
  eval "$(make -s env)"             then plain pulumi, kubectl and helm work on it
  make down                         stops it; make up brings it back, make reset deletes it
"""

_NEXT_GITOPS = """
Git drives the sandbox. Try:
  make health                       every row is ok
  cd {home}/oceanid      the repository that Flux follows: edit, commit, git push
  make kubectl ARGS='get kustomizations,gitrepositories -A'
  eval "$(make -s env)"             then plain pulumi works on it, with the configuration in {home}/project
  make down                         stops it; make gitops brings it back, make reset deletes it
"""


def main(arguments: Sequence[str]) -> int:
    """Run one verb; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="a real control plane on this machine")
    parser.add_argument("verb", choices=_VERBS)
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    try:
        return _run(options.verb, options.rest, Sandbox.from_environment())
    except SandboxError as problem:
        print(f"sandbox: error: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sandbox: interrupted; run it again, or stop it with: make down", file=sys.stderr)
        return 130


def _run(verb: str, rest: list[str], sandbox: Sandbox) -> int:
    if verb == "tools":
        unknown = [name for name in rest if name not in tools.ALL]
        if unknown:
            raise SandboxError(f"no such tool: {', '.join(unknown)}; there are {', '.join(tools.ALL)}")
        print(*tools.get([tools.ALL[name] for name in rest or tools.ALL]).values(), sep="\n")
        return 0
    if verb in ("up", "gitops", "cluster"):
        return _up(sandbox, rest, verb)
    if verb in ("down", "reset"):
        stopped = cluster.stop(sandbox)
        say(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
        if verb == "reset" and sandbox.home.exists():
            cluster.remove(sandbox)
        return 0
    if not cluster.is_running(sandbox):
        raise SandboxError(f"the sandbox in {sandbox.home} does not run; start it with: make up")
    sandbox.link_project(sandbox.project)
    if verb == "env":
        for name, value in sandbox.environment().items():
            print(f"export {name}={shlex.quote(value)}")
        return 0
    if verb == "health":
        return health.ask(sandbox, rest)
    if verb == "graph":
        return health.draw(sandbox, rest)
    if verb == "kubectl":
        command = [sandbox.bin / "kubectl", *rest]
        return subprocess.run(command, env=sandbox.process_environment("kubectl"), check=False).returncode
    pulumi = {"preview": ["preview", "--diff"], "outputs": ["stack", "output"], "pulumi": []}
    return engine.run(sandbox, [*pulumi[verb], *rest])


def _up(sandbox: Sandbox, rest: list[str], verb: str) -> int:
    sandbox.check()
    sandbox.home.mkdir(parents=True, exist_ok=True)
    with tools.lock(sandbox.lock, f"another `make up` is at work in {sandbox.home}"):
        sandbox.temporary.mkdir(mode=0o700, exist_ok=True)
        tools.provide(sandbox)
        if cluster.stop_role(sandbox, "engine"):
            say("stopped the engine of an interrupted run")
        cluster.start(sandbox)
        say(f"control plane ready ({sandbox.kubeconfig})")
        charts.provide(sandbox)
        plugins.provide(sandbox)
        sandbox.link_project(sandbox.project)
        variables = engine.prepare(sandbox)
        if verb == "cluster":
            return 0
        if verb == "gitops":
            gitops.configure(sandbox, gitops.serve(sandbox))
        code = engine.up(sandbox, rest, variables)
        if code == 0 and verb == "gitops":
            gitops.start_controllers(sandbox)
            gitops.wait(sandbox)
    if code == 0:
        print(_NEXT_GITOPS.format(home=sandbox.home) if verb == "gitops" else _NEXT)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A sandbox that Git drives: the real controllers of Flux, and a repository on this machine."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from tests.engine.engine import Engine, launch, run

FLUX = "-n", "flux-system"
ONE = "clusters/tethys/one.yaml"


class GitOps(Engine):
    """An engine whose stack follows a repository on this machine, and that repository."""

    def __init__(self, home: Path) -> None:
        started = launch(home, "gitops")
        super().__init__(home, home / "project")
        self.repository = home / "oceanid"
        self.configuration = (self.folder / "Pulumi.sandbox.yaml").read_text(encoding="utf-8")
        self.first_run = started.stdout + started.stderr

    def reset_configuration(self) -> None:
        """Take the configuration again that ``make gitops`` made."""
        (self.folder / "Pulumi.sandbox.yaml").write_text(self.configuration, encoding="utf-8")

    def git(self, *arguments: str, stdin: str = "") -> str:
        """Git in the clone."""
        return run(["git", *arguments], self.repository, os.environ, stdin=stdin).stdout.strip()

    def declare(self, content: str | dict[str, Any]) -> str:
        """Have one more file of the cluster hold this, commit and push; returns the commit."""
        self.commit(content)
        return self.push()

    def commit(self, content: str | dict[str, Any]) -> None:
        """The same without the push. A document is written as JSON, which is YAML."""
        text = content if isinstance(content, str) else json.dumps(content)
        (self.repository / ONE).write_text(text, encoding="utf-8")
        root = self.repository / "clusters/tethys/kustomization.yaml"
        document = yaml.safe_load(root.read_text(encoding="utf-8"))
        document["resources"] = sorted({*document["resources"], "one.yaml"})
        root.write_text(yaml.safe_dump(document), encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=a change")

    def revert(self, *commits: str) -> None:
        """Take back the last commit, or these, and wait until that is applied."""
        self.git("revert", "--no-edit", *(commits or ("HEAD",)))
        self.applied(self.push())

    def value(self) -> str:
        """What the ConfigMap ``one`` holds; nothing if it is not there."""
        path = "jsonpath={.data.key}"
        return self.kubectl("-n", "web", "get", "configmap", "one", "--ignore-not-found", "-o", path)

    def push(self) -> str:
        """Push, and have Flux look at once, as ``flux reconcile`` does; returns the commit."""
        self.git("push", "--quiet")
        self.reconcile("gitrepository")
        return self.git("rev-parse", "HEAD")

    def reconcile(self, kind: str, name: str = "flux-system") -> None:
        """Ask Flux to look at an object now (annotation of ``flux reconcile``)."""
        version = self.kubectl(*FLUX, "get", kind, name, "-o", "jsonpath={.metadata.resourceVersion}")
        self.kubectl(*FLUX, "annotate", "--overwrite", kind, name, f"reconcile.fluxcd.io/requestedAt={version}")

    def wait(self, kind: str, name: str, condition: str, seconds: int = 60) -> None:
        """Wait for something about an object of Flux."""
        self.kubectl(*FLUX, "wait", kind, name, f"--for={condition}", f"--timeout={seconds}s")

    def applied(self, commit: str, *names: str) -> None:
        """Wait until Kustomizations have applied a commit."""
        for name in ("flux-system", *names):
            self.wait("kustomization", name, f"jsonpath={{.status.lastAppliedRevision}}=main@sha1:{commit}")
            self.wait("kustomization", name, "condition=Ready")

    def restore(self, commit: str) -> None:
        """Make Git hold again what it held at a commit."""
        if self.git("diff", commit, "--stat"):
            self.git("restore", f"--source={commit}", "--staged", "--worktree", ".")
            self.git("commit", "--quiet", "--message=as before")
            self.applied(self.push(), "infrastructure", "apps")


def config_map(value: str) -> dict[str, Any]:
    """The ConfigMap ``one``, as Git holds it."""
    metadata = {"name": "one", "namespace": "web"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}

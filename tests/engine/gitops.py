"""A sandbox that Git drives: the real controllers of Flux, and a repository on this machine."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.engine.engine import Engine, launch

FLUX = "-n", "flux-system"


class GitOps(Engine):
    """An engine whose stack follows a repository on this machine, and that repository."""

    def __init__(self, home: Path) -> None:
        started = launch(home, "gitops")
        assert started.returncode == 0, started.stdout + started.stderr
        super().__init__(home, home / "project")
        self.repository = home / "oceanid"
        self.configuration = (self.folder / "Pulumi.sandbox.yaml").read_text(encoding="utf-8")
        self.first_run = started.stdout + started.stderr

    def reset_configuration(self) -> None:
        """Take the configuration again that ``make gitops`` made."""
        (self.folder / "Pulumi.sandbox.yaml").write_text(self.configuration, encoding="utf-8")

    def git(self, *arguments: str, stdin: str = "") -> str:
        """Git in the clone."""
        answer = subprocess.run(
            ["git", *arguments], cwd=self.repository, input=stdin, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def commit(self, files: dict[str, str | dict[str, Any] | None]) -> str:
        """Write files (None: remove one; a document as YAML), commit and push them; returns the commit."""
        for name, content in files.items():
            path = self.repository / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=a change")
        return self.push()

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
            self.git("checkout", commit, "--", ".")
            for name in self.git("diff", "--name-only", "--diff-filter=A", commit).splitlines():
                (self.repository / name).unlink()
            self.git("add", "--all")
            self.git("commit", "--quiet", "--message=as before")
            self.applied(self.push(), "infrastructure", "apps")


def config_map(name: str, value: str, namespace: str = "web") -> dict[str, Any]:
    """A ConfigMap, as Git holds it."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}


ONE = "clusters/tethys/one.yaml"
ROOT_FILE = "clusters/tethys/kustomization.yaml"


def with_resource(flux: GitOps, *names: str) -> str:
    """The cluster's kustomization.yaml with further resources."""
    document = yaml.safe_load((flux.repository / ROOT_FILE).read_text(encoding="utf-8"))
    document["resources"] += [name for name in names if name not in document["resources"]]
    return yaml.safe_dump(document)

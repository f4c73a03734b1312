"""Every command of the operators' documents: run on the sandbox, or named as one that needs the world outside."""

import re
from collections.abc import Iterator

import pytest

from sandbox.layout import ROOT
from tests.engine.engine import Engine, flux_reports

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^ *```(bash|sh)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^#+ (.*?)\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
ENTRIES: dict[str, list[tuple[str, str]]] = {title: _BLOCK.findall(body) for title, body in _ENTRY.findall(RUNBOOK)}
RUNNABLE = [title for title, blocks in ENTRIES.items() if any(kind == "bash" for kind, _ in blocks)]
# What a machine without K3s, GitHub, Cloudflare and Pulumi Cloud cannot run.
OUTSIDE = {
    "lsof", "ssh", "flux", "cloudflared", "export", "pip", "pulumi login", "pulumi env", "pulumi stack",
    "pulumi destroy", "kubectl drain", "kubectl delete", "kubectl -n", "helm show", "k3s", "systemctl",
}  # fmt: skip
WANTED = """
Cannot connect, A deploy failed, Resource already exists, Stack lock and pending operations, Flux does not reconcile,
Tunnel down, 502 through the tunnel, QUIC blocked, Label Studio, Stuck namespace, A volume claim that is being deleted,
A killed upgrade of the operator, An expired certificate, A node that is off, Break-glass from a laptop, Drift,
Rotate a secret, Add an ingress rule, Who may use a host name, kubectl through the tunnel, 403 through the tunnel,
Label or replace a node, Upgrade Flux, Upgrade the operator, Upgrade Label Studio, Restore from nothing, Destroy
"""


def test_every_symptom_has_its_entry() -> None:
    assert set(" ".join(WANTED.split()).split(", ")) <= ENTRIES.keys()
    assert len(RUNNABLE) >= 17


def test_a_block_that_is_not_run_here_has_only_commands_that_cannot_be() -> None:
    for title, blocks in ENTRIES.items():
        for kind, block in blocks:
            for line in block.splitlines() if kind == "sh" else ():
                words = line.split()
                assert words[0] in OUTSIDE or " ".join(words[:2]) in OUTSIDE, f"{title}: {line}"


@pytest.fixture(scope="module")
def reader(engine: Engine) -> Iterator[Engine]:
    """The cluster of somebody who reads the page from its top to its end: nothing is reset between the entries."""
    engine.reset_configuration()
    yield engine
    engine.reset_configuration()
    engine.up("--refresh")


@pytest.mark.parametrize("title", RUNNABLE)
def test_the_commands_of_the_runbook_work(reader: Engine, title: str) -> None:
    flux_reports(reader)
    script = "\n".join(block for kind, block in ENTRIES[title] if kind == "bash")
    answer = reader.shell(script, {"NEW_TOKEN": "canary-new-token"})
    assert "canary-new-token" not in answer.stdout + answer.stderr

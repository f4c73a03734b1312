"""How health waits, what it says of a namespace that is being deleted, and how it ends."""

import json
from pathlib import Path

import pytest

from oceanid_cluster.__main__ import main
from oceanid_cluster.commands import health, patience
from oceanid_cluster.commands.existing import check_existing
from oceanid_cluster.commands.objects import ref_of
from oceanid_cluster.commands.report import Row, State, as_table, show
from oceanid_cluster.commands.state import StackState
from oceanid_cluster.components.facts import DEPLOY, ObjectRef
from oceanid_cluster.components.flux.settings import FACTS as FLUX
from oceanid_cluster.components.label_studio.settings import FACTS as LABEL_STUDIO
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.kubeconfig import Kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.processes import CommandError, PermanentError
from sandbox import tools
from tests.commands.test_preflight_storage import Cluster, claim, going
from tests.samples import settings


def test_a_missing_kubectl_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    kubeconfig = Kubeconfig("/nowhere", "c", "https://127.0.0.1:1", Secret("{}"), ())
    with pytest.raises(PermanentError, match="'kubectl' is not installed"):
        patience.Patience(3600).ask(lambda: health.check(Kubectl(kubeconfig), health.Expectation(settings())))


def test_a_pulumi_cloud_that_answers_later_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_POLL_SECONDS", 0)
    answers = [CommandError("[502] Bad Gateway"), CommandError("[502] Bad Gateway"), "settings"]

    def question() -> str:
        answer = answers.pop(0)
        if isinstance(answer, CommandError):
            raise answer
        return answer

    assert patience.Patience(3600).ask(question) == "settings"
    answers[:] = [CommandError("[502] Bad Gateway")]
    with pytest.raises(CommandError, match="502"):
        patience.Patience(0).ask(question)


def test_a_stack_that_does_not_exist_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tools.script(tmp_path / "pulumi", "echo \"error: no stack named 'nowhere' found\" >&2; exit 255")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(["health", "--stack", "nowhere", "--wait", "3600"]) == 2


def test_nothing_in_a_namespace_that_is_being_deleted_is_put_back_by_a_deploy() -> None:
    apps, flux = ({"kind": "Namespace", "metadata": {"name": name}} for name in ("apps", FLUX.namespace))
    secret = {"kind": "Secret", "metadata": {"name": "held", "namespace": "apps"}}
    found = [going(one) for one in (apps, flux, claim(), secret)]
    service = ObjectRef("Service", "apps", "label-studio")
    state = StackState(frozenset({service, *map(ref_of, found)}))
    expected = health.Expectation(settings(), frozenset({LABEL_STUDIO.name, FLUX.name}), state)
    rows = {row.name: row.detail for row in health.check(Cluster(*found), expected)}
    live = {ref_of(one): one for one in found}
    (preflight,) = check_existing([LABEL_STUDIO], live, state, adopting=False, releases={})
    assert DEPLOY not in " ".join([*rows.values(), preflight.detail])
    names = ("apps deployment/label-studio", "apps service/label-studio", "apps secret/held")
    for name in (*names, "flux-system kustomization/flux-system"):
        assert rows[f"-n {name}"].endswith('; its namespace is being deleted (docs/runbook.md, "Stuck namespace")')
    assert "A volume claim that is being deleted" in rows["-n apps persistentvolumeclaim/label-studio-data"]
    assert 'not in the cluster; docs/runbook.md, "Stuck namespace"' in preflight.detail


@pytest.mark.parametrize(
    ("states", "code", "end"),
    [
        (["ok", "ok"], 0, "2 rows: 2 ok"),
        (["ok", "warning"], 0, "2 rows: 1 ok, 1 warning"),
        (["failed", "warning", "failed"], 1, "3 rows: 1 warning, 2 failed"),
    ],
)
def test_the_last_line_gives_the_number_of_rows_in_each_state(
    states: list[State], code: int, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("area", "name", state, "detail") for state in states]
    assert show(rows) == code
    *table, last = capsys.readouterr().out.splitlines()
    assert (table, last) == (as_table(rows).splitlines(), end)
    assert show(rows, in_json=True) == code
    assert len(json.loads(capsys.readouterr().out)["rows"]) == len(rows)

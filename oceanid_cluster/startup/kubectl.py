"""kubectl on one cluster: the one to which the configuration and the environment lead, whatever the shell points at."""

import json
import os
from collections.abc import Mapping, Sequence
from subprocess import CompletedProcess
from typing import Any

from oceanid_cluster.components.settings import Settings
from oceanid_cluster.startup.guard import in_github_actions
from oceanid_cluster.startup.kubeconfig import NO_PREFERENCES, Kubeconfig, load_kubeconfig
from oceanid_cluster.startup.processes import CommandError, NoAnswerError, answer_of, last_words, run
from oceanid_cluster.startup.reasons import NO_ANSWER, NO_API, login_unanswered, why

_REQUEST_TIMEOUT_SECONDS = 20
# How much longer a whole call may take: where connections are dropped, kubectl repeats its requests for a minute.
_MORE_SECONDS = 10
KUBE_SYSTEM = "/api/v1/namespaces/kube-system"  # every cluster has it, and a run asks for it first
LOGIN_SECONDS = 120  # for a person whom a login program asks for something
# What kubectl says of an object, or of a kind, that is not there.
_ABSENT = ("NotFound", "could not find the requested resource", "doesn't have a resource type")


class Kubectl:
    """kubectl, bound to one checked kubeconfig and its context."""

    def __init__(self, kubeconfig: Kubeconfig) -> None:
        """``kubeconfig`` is used for every call, and nothing else that the environment names."""
        self.kubeconfig = kubeconfig
        self._logs_in = bool(kubeconfig.login)

    def run(self, *arguments: str, stdin: str | None = None) -> CompletedProcess[str]:
        """Run kubectl with its output captured; a request takes 20 seconds at most.

        Raises CommandError when kubectl is not installed, gets no answer in time, or cannot log in.
        """
        self._log_in()
        try:
            return self._call(arguments, _REQUEST_TIMEOUT_SECONDS, stdin=stdin)
        except NoAnswerError:
            raise CommandError(why(NO_ANSWER, self.kubeconfig)) from None

    def _log_in(self) -> None:
        """Have the kubeconfig's login program, if it has one, ask a person once: before several calls at a time."""
        if not self._logs_in:
            return
        somebody_reads = not in_github_actions(os.environ)  # there, what is not redacted is not shown
        try:
            result = self._call(("get", "--raw", "/version"), LOGIN_SECONDS, show_errors=somebody_reads)
        except NoAnswerError:
            raise CommandError(login_unanswered(self.kubeconfig, LOGIN_SECONDS)) from None
        self._logs_in = bool(result.returncode)  # the call that follows says why

    def _call(
        self, arguments: Sequence[str], seconds: int, *, stdin: str | None = None, show_errors: bool = False
    ) -> CompletedProcess[str]:
        own = {**NO_PREFERENCES, "KUBECONFIG": self.kubeconfig.path}
        return run(
            "kubectl", "--context", self.kubeconfig.context, f"--request-timeout={seconds}s", *arguments,
            stdin=stdin, timeout_seconds=seconds + _MORE_SECONDS, variables=own, show_errors=show_errors,
        )  # fmt: skip

    def text(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl answers. Raises CommandError when the cluster cannot be asked, or refuses."""
        result = self.run(*arguments, stdin=stdin)
        if result.returncode:
            raise self._error(arguments, result)
        return result.stdout

    def objects(self, *arguments: str, stdin: str | None = None) -> list[dict[str, Any]]:
        """The objects with which kubectl answers: one, a list, or several documents, one after another.

        Raises CommandError.
        """
        return objects_in(self.text(*arguments, "-o", "json", stdin=stdin))

    def get(self, what: str | Sequence[str], *options: str) -> list[dict[str, Any]]:
        """Live objects of kinds, joined by commas, or those of which ``what`` is a list: ``kind/name``.

        What is not there gives none; kubectl refuses a whole question for one kind that is not served, also for one
        whose CRD is new: then each is asked for on its own. Raises CommandError when the cluster cannot be asked.
        """
        asked = [what] if isinstance(what, str) else what
        result = self.run("get", *asked, *options, "-o", "json")
        if not result.returncode:
            return objects_in(result.stdout)
        if not any(word in result.stderr for word in _ABSENT):
            raise self._error(("get", *asked), result)
        single = what.split(",") if isinstance(what, str) else what
        return [found for one in single for found in self.get(one, *options)] if len(single) > 1 else []

    def raw(self, path: str) -> Any:
        """The answer of the API server to one path, as data; None when there is nothing at that path.

        Raises CommandError when the cluster cannot be asked.
        """
        result = self.run("get", "--raw", path)
        if result.returncode:
            if "(NotFound)" in result.stderr:
                return None
            raise CommandError(why(result.stderr, self.kubeconfig))
        try:
            return json.loads(result.stdout)
        except ValueError:
            return result.stdout

    def _error(self, arguments: Sequence[str], result: CompletedProcess[str]) -> CommandError:
        """Kubectl's own words, unless what every run asks first fails as well: then that says what is wrong."""
        if not isinstance(self.raw(KUBE_SYSTEM), dict):
            return CommandError(why(NO_API, self.kubeconfig))
        where = f"{self.kubeconfig.server} (from {self.kubeconfig.path})"
        return CommandError(f"'kubectl {' '.join(arguments[:2])}' failed at {where}: {last_words(result)}")


def objects_in(text: str) -> list[dict[str, Any]]:
    """The objects of an answer of kubectl in JSON. Raises CommandError."""
    decoder, text, found = json.JSONDecoder(), text.strip(), list[dict[str, Any]]()
    while text:
        with answer_of("kubectl"):
            document, end = decoder.raw_decode(text)
            found += document["items"] if document["kind"] == "List" else [document]
        text = text[end:].strip()
    return found


def open_cluster(settings: Settings | None, environ: Mapping[str, str]) -> Kubectl:
    """The cluster to which the configuration (None when it is unavailable) and the environment lead.

    Raises StartUpError saying what is wrong with the kubeconfig. Nothing is contacted.
    """
    if settings is None:
        return Kubectl(load_kubeconfig(None, environ, None, None))
    cluster = settings.cluster
    hosts = [host for host in (*(node.address for node in cluster.nodes), settings.tunnel.hostname) if host]
    allowed = cluster.allowed_api_hosts or ()
    return Kubectl(load_kubeconfig(cluster.kubeconfig_path, environ, cluster.kube_context, hosts, allowed))

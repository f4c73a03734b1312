"""The program and kubectl agree on a kubeconfig: which cluster and user it leads to, wherever it is read.

The judge is ``kubectl config view --minify --flatten --raw``, asked twice: about the files as they lie there, and, from
another folder, about what the program hands to the provider.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from oceanid_cluster.startup.kubeconfig import load_kubeconfig
from tests.startup.test_kubeconfig_refusals import document

EVERY_FIELD: dict[str, Any] = {
    **document(
        "https://[::1]:6443/k8s/clusters/a", unknown="field",
        **{"certificate-authority": "ca.crt", "tls-server-name": "k3s", "proxy-url": "http://127.0.0.1:3128"},
    ),
    "users": [
        {
            "name": "admin",
            "user": {
                "tokenFile": "/var/run/token", "client-certificate": "./ca.crt", "client-key-data": "a2V5",
                "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "login", "args": ["a"]},
                "as": "admin", "as-groups": ["a", "b"], "as-user-extra": {"scopes": ["a"]},
                "extensions": [{"name": "x", "extension": {"a": 1}}],
            },
        },
        {"name": "somebody", "user": {"token": "canary-of-another"}},
    ],
}  # fmt: skip
OTHER = {**document("https://192.0.2.11:6443"), "users": [{"name": "admin", "user": {"token": "second"}}]}
NOBODY = {**document(), "contexts": [{"name": "prod", "context": {"cluster": "oceanid"}}]}
# The files of a list, in their order; None: it does not exist.
CASES: dict[str, list[object]] = {
    "every field": [EVERY_FIELD],
    "the first of two takes precedence": [document(), OTHER],
    "an empty file first": ["", document()],
    "an empty file last": [document(), ""],
    "an absent file": [None, document()],
    "a context of another file": ["current-context: prod\n", {**document(), "current-context": "gone"}],
    "JSON with tabs": [json.dumps(document(), indent="\t")],
    "a scheme in capitals": [document("HTTPS://LOCALHOST:1")],
    "a user of nobody": [NOBODY],
}


def view(kubeconfig: str, folder: Path) -> str:
    """What kubectl makes of it, from a folder."""
    command = ["kubectl", "config", "view", "--minify", "--flatten", "--raw", "-o", "json"]
    environ = {**os.environ, "KUBECONFIG": kubeconfig}
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("files", CASES.values(), ids=CASES)
def test_the_program_and_kubectl_agree(tmp_path: Path, files: list[object]) -> None:
    """To the letter: another text would be a change of the provider in the next run of every stack."""
    (tmp_path / "ca.crt").write_text("certificate", encoding="utf-8")
    paths = [tmp_path / f"{number} of ü" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        if content is not None:
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    joined = os.pathsep.join(map(str, paths))
    expected = view(joined, Path("/"))
    found = load_kubeconfig(None, {"KUBECONFIG": joined}, None, None)
    assert (found.path, found.context) == (joined, json.loads(expected)["current-context"])
    assert found.contents.value == expected
    assert "canary" not in repr(found)
    (tmp_path / "handed over").write_text(found.contents.value, encoding="utf-8")
    assert view(str(tmp_path / "handed over"), Path("/")) == expected

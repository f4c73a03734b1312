"""A kubeconfig's path is understood as kubectl understands it; any other value is refused, and never shown."""

import base64
import ctypes
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from oceanid_cluster.config.kubeconfig_path import KEY, VARIABLE, PathError, checked_paths
from tests.startup.test_kubeconfig_refusals import document

CONTENT = yaml.safe_dump(document())
ONE_LINE = CONTENT.replace("\n", " ")
BASE64 = base64.b64encode(CONTENT.encode()).decode()
HIDDEN = {
    "YAML": CONTENT,
    "YAML on one line": ONE_LINE,
    "YAML without spaces": "".join(CONTENT.split()),
    "the end of YAML": CONTENT[CONTENT.index("users:") :].replace("\n", " "),
    "a document marker": f"--- {ONE_LINE}",
    "JSON": json.dumps(document()),
    "base64": BASE64,
    "a data URL": f"data:application/yaml;base64,{BASE64}",
    "compressed": base64.b64encode(gzip.compress(CONTENT.encode())).decode(),
    "quoted for a URL": quote(CONTENT, safe=""),
    "a path and the content": f"/tmp/kubeconfig:{ONE_LINE}",
    "a service account's token": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.canary4f8a9b7c",
    "K3s's token": "K10canary4f8a9b7ccanary4f8a9b7ccanary4f8a9b7ccanary4f8a9b7ccanary00::server:canary",
    "a password": "canary-hunter2",
    "lines with slashes": "canary/hunter\ncanary/hunter2",
    "a secret key with slashes": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYcanaryKEY",
}


def refusal(value: str, source: str) -> str:
    with pytest.raises(PathError) as caught:
        checked_paths(value, source)
    return str(caught.value)


@pytest.mark.parametrize("value", HIDDEN.values(), ids=HIDDEN)
def test_content_and_tokens_are_refused_and_nothing_of_them_is_shown(value: str) -> None:
    for source in (VARIABLE, KEY):
        text = refusal(value, source)
        assert source in text
        for start in range(0, max(1, len(value) - 8), 4):
            shown = value[start : start + 8]
            assert shown not in text or shown in "/tmp/kubeconfig: kubeconfig pulumi config set", shown


def test_a_file_is_a_file_whatever_its_name(tmp_path: Path) -> None:
    for name in ("with space", "ümlaut", "n" * 255, "{}", "new\nline", "eyJhbGciOiJSUzI1NiJ9", "-"):
        path = tmp_path / name
        path.touch()
        for source in (VARIABLE, KEY):
            assert checked_paths(str(path), source) == str(path)
    assert "does not exist" in refusal("/srv/clusters/contexts/apiVersion.yaml", KEY)


def test_a_character_that_nobody_sees_is_shown(tmp_path: Path) -> None:
    """As in a file of variables that was written on Windows, or a path that was copied from a page."""
    (tmp_path / "config").touch()
    for added in ("\r\n", " ", "\u200b"):
        path = f"{tmp_path}/config{added}"
        assert refusal(path, VARIABLE) == f"the kubeconfig {path!r} (from the variable KUBECONFIG) does not exist"
        assert "canary" not in refusal(f"canary-token{added}", VARIABLE)
        assert "Write the content of one to a file" in refusal(f"apiVersion: v1{added}\nkind: Config{added}", VARIABLE)


def test_a_list_has_one_file_at_least_and_shows_nothing_but_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one").touch()
    assert checked_paths(":one::", VARIABLE) == f"{tmp_path}/one"
    for source in (VARIABLE, KEY):
        assert (
            checked_paths("one:./absent.yaml", source).replace("/./", "/") == f"{tmp_path}/one:{tmp_path}/absent.yaml"
        )
    assert checked_paths("one:canary-token", VARIABLE) == f"{tmp_path}/one"
    assert checked_paths(" : ", KEY) == ""
    assert checked_paths("::", VARIABLE) == ""
    assert checked_paths("  ", VARIABLE) == ""


def test_a_tilde_is_expanded_in_the_key_and_what_else_a_shell_would_do_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config").touch()
    assert checked_paths("~/config", KEY) == f"{tmp_path}/config"
    for value in ("~/config", '"/srv/config"', "'./config'", "$HOME/config", "${HOME}/.kube/config"):
        said = refusal(value, VARIABLE)
        assert said.endswith(
            "does not exist\n  It is taken as it stands: only a shell removes quotes, and expands ~ and $"
        )
        assert value == "~/config" or said == refusal(value, KEY).replace(KEY, VARIABLE)
    assert "names the home of an unknown user" in refusal("~nobody-of-this-name/config", KEY)


def test_only_a_regular_file_is_a_kubeconfig(tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe", tmp_path / "loop"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path in (tmp_path, pipe, Path("/dev/null")):
        assert "is not a file" in refusal(str(path), VARIABLE)
    assert checked_paths(str(loop), VARIABLE) == str(loop)  # kubectl says why it cannot be read
    assert "n" * 300 not in refusal(str(tmp_path / ("n" * 300) / "config"), VARIABLE)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff")
    (tmp_path / name).touch()
    assert "is not UTF-8" in refusal(str(tmp_path / name), VARIABLE)


def _without_privileges() -> None:
    """Root may read everything; without these two it is treated like anybody (linux/capability.h, prctl.h)."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


READ = """
import sys
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.kubeconfig import load_kubeconfig
for path in sys.argv[1:]:
    try:
        print(load_kubeconfig(None, {"KUBECONFIG": path}, None, None).server)
    except StartUpError as problem:
        print(str(problem).replace("\\n", " "))
"""


def test_what_may_not_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    for path in (tmp_path / "config", tmp_path / "ca.crt"):
        path.write_text(CONTENT, encoding="utf-8")
        path.chmod(0)
    (tmp_path / "other").write_text(yaml.safe_dump(document(**{"certificate-authority": "ca.crt"})), encoding="utf-8")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    reasons = {
        str(tmp_path / "config"): "cannot be read: permission denied",
        str(tmp_path / "other"): "certificate or key file that cannot be read: permission denied",
        "/etc/passwd/config": "cannot be read: not a directory",
        str(tmp_path / "loop"): "cannot be read: too many levels of symbolic links",
    }
    command = [sys.executable, "-c", READ, *reasons]
    said = subprocess.run(command, preexec_fn=_without_privileges, text=True, capture_output=True, check=True)
    for line, reason in zip(said.stdout.splitlines(), reasons.values(), strict=True):
        assert reason in line


BLOBS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", min_size=20, max_size=90)


@given(value=st.text() | st.text("/~.:{}\n\0ab ", max_size=12) | BLOBS)
@example(value="~\0")
@example(value="x/" * 3000)
@example(value="\ud800")
def test_any_text_is_paths_or_refused(value: str) -> None:
    for source in (VARIABLE, KEY):
        found = said = ""
        try:
            found = checked_paths(value, source)
        except PathError as problem:
            said = str(problem)
        assert len(said) < 1000
        assert not (value.isalnum() and len(value) >= 20 and value in said)
        assert all(path.startswith("/") for path in found.split(os.pathsep) if path)

"""Image automation: which tag a policy picks, what the commit says, and which lines of Git it may change.

The policies and the template are judged by Go, as Flux's controllers use it (sandbox/image-automation).
"""

import json
import re
import subprocess
from typing import Any

import pytest

from oceanid_cluster.components.image_automation.component import (
    POLICIES,
    image_policy,
    image_repository,
    update_automation,
)
from sandbox import tools
from tests.program import Program
from tests.recorded import ROOT
from tests.samples import REQUIRED, settings

pytestmark = pytest.mark.tools

# Tags as the registries have them, newest last among the releases.
CLOUDFLARED = """
latest 2024.12.2 2024.12.2-amd64 2025.11.1 2025.11.1-arm64 2026.2.0 2026.9.1 2026.8.2 2026.10.6 2026.10.6-amd64
2026.10.6-arm64 2026.11.0-rc1 1517-4cb1c7b sha256-0123abcd.sig main
"""
CERT_MANAGER = """
canary v0.16.1 v1.9.2 v1.18.2 v1.19.0-alpha.0 v1.19.0-beta.0 v1.18.10 v1.18.9 v2.0.0 v2.0.0-alpha.1 v1.18.10-arm64
sha256-0123abcd.att 20240131-a1b2c3d
"""
LABEL_STUDIO = """
latest develop 1.23.0 1.23.1 1.23.2 1.23.2.post0 1.23.10 1.9.2 1.24.0rc1 1.24.0-rc.1 ls-release-1.25.0
20260101.120000-develop-0a1b2c3 fb-dev-123 v1.7.0-ubuntu nightly 2.0.0
"""
NEWEST = {
    "cloudflared": (CLOUDFLARED, "2026.10.6"),
    "cert-manager": (CERT_MANAGER, "v1.18.10"),
    "label-studio": (LABEL_STUDIO, "1.23.10"),
}


def judged_by_go(**request: Any) -> subprocess.CompletedProcess[str]:
    """What Go makes of a policy and tags, or of a template and changes."""
    program = tools.get([tools.IMAGE_AUTOMATION])[tools.IMAGE_AUTOMATION.name]
    return subprocess.run([program], input=json.dumps(request), capture_output=True, text=True, check=False)


def newest(name: str, tags: list[str]) -> subprocess.CompletedProcess[str]:
    """Which tag the policy ``name`` picks."""
    spec = image_policy(name, POLICIES[name][1])["spec"]
    pattern = spec["filterTags"]["pattern"]
    return judged_by_go(tags=tags, pattern=pattern, range=spec["policy"]["semver"]["range"])


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_picks_the_newest_release_among_what_a_registry_holds(name: str) -> None:
    tags, expected = NEWEST[name]
    for order in (tags.split(), tags.split()[::-1]):
        assert newest(name, order).stdout == expected


@pytest.mark.parametrize("name", POLICIES)
def test_branches_builds_and_tests_alone_are_no_release(name: str) -> None:
    answer = newest(name, ["main", "canary", "latest", "2026.11.0-rc1", "v1.99.0-alpha.1", "1517-4cb1c7b", "1.24.0rc1"])
    assert (answer.returncode, answer.stderr) == (1, "no tag fits\n")


def test_the_commit_names_each_change() -> None:
    template = update_automation(settings().image_automation, "main")["spec"]["git"]["commit"]["messageTemplate"]
    image = "docker.io/cloudflare/cloudflared"
    pairs = [(f"{image}:2026.8.2", f"{image}:2026.10.6"), ("a:1", "a:2")]
    changes = [{"OldValue": old, "NewValue": new} for old, new in pairs]
    assert judged_by_go(template=template, changes=changes).stdout == (
        "chore(images): update images\n\n"
        "- docker.io/cloudflare/cloudflared:2026.8.2 -> docker.io/cloudflare/cloudflared:2026.10.6\n"
        "- a:1 -> a:2\n"
    )


def test_a_template_that_flux_would_refuse_is_seen() -> None:
    assert "can't evaluate field Updated" in judged_by_go(template="{{ .Changed.Updated.Images }}", changes=[]).stderr


def test_a_marker_promises_only_a_policy_that_exists_and_follows_the_same_image() -> None:
    images = (ROOT / "oceanid_cluster" / "versions.yaml").read_text(encoding="utf-8").partition("images:")[2]
    row = r'^  [a-z-]+: (\S+):(\S+)(?: # \{"\$imagepolicy": "flux-system:([a-z-]+)"\})?$'
    rows = re.findall(row, images, re.MULTILINE)
    assert len(rows) >= 4
    for image, tag, policy in rows:
        if re.match(r"\d", tag):
            assert image_repository(policy, POLICIES[policy][0])["spec"]["image"] == image
        else:
            assert not policy, f"{image} follows a branch"
    assert {policy for _, _, policy in rows if policy} == POLICIES.keys() - {"cert-manager"}


def test_only_a_repository_on_github_gets_a_github_provider(program: Program) -> None:
    assert "version-monitor-github-provider" in program(REQUIRED).resources
    elsewhere = program({**REQUIRED, "gitRepositoryUrl": "https://gitlab.com/o/r"}).resources
    assert not {"version-monitor-github-provider", "version-monitor-version-alert"} & elsewhere.keys()

"""Image automation: which images are followed, and who is told. Its controllers run in tests/engine."""

import re

from oceanid_cluster.components.image_automation.component import POLICIES, image_repository
from tests.program import Program
from tests.recorded import ROOT
from tests.samples import REQUIRED


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

"""What every pod has in common."""

import pytest

from oceanid_cluster.manifests.pods import pull_policy


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("ghcr.io/a/b:main", "Always"),
        ("ghcr.io/a/b:1.2", "Always"),
        ("ghcr.io/a/b", "Always"),
        ("registry:5000/b", "Always"),
        ("ghcr.io/a/b:1.2.3", "IfNotPresent"),
        ("registry:5000/b:v1.2.3-rc.1", "IfNotPresent"),
        ("ghcr.io/a/b:sha-0123abc", "IfNotPresent"),
        ("ghcr.io/a/b:main@sha256:" + "0" * 64, "IfNotPresent"),
        ("ghcr.io/a/b@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_a_tag_that_moves_is_always_pulled(image: str, policy: str) -> None:
    assert pull_policy(image) == policy

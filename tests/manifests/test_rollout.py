"""The annotation that rolls pods."""

from oceanid_cluster.manifests.rollout import keyed_hash


def test_the_rollout_annotation_cannot_be_guessed_without_its_key() -> None:
    assert keyed_hash("key", [{"a": "b"}]) != keyed_hash("other key", [{"a": "b"}])
    assert keyed_hash("key", [{"a": "b", "c": "d"}]) == keyed_hash("key", [{"c": "d", "a": "b"}])

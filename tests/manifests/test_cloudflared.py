"""cloudflared's configuration file."""

import yaml

from oceanid_cluster.manifests import cloudflared


def test_the_configuration_file_is_what_cloudflared_reads() -> None:
    document = yaml.safe_load(cloudflared.config_file("id", [], 2000, "http2"))
    assert (document["metrics"], document["protocol"], document["no-autoupdate"]) == ("0.0.0.0:2000", "http2", True)

"""Renovate's configuration, held against the files that it is to understand."""

import json
import re

import yaml

from oceanid_cluster import versions
from sandbox.layout import ROOT

CONFIG = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))


def found(path: str) -> dict[str, str]:
    """What the custom managers find in a file: version by name. JavaScript names groups without Python's P."""
    text = (ROOT / path).read_text(encoding="utf-8")
    result: dict[str, str] = {}
    for manager in CONFIG["customManagers"]:
        if not any(re.search(pattern.strip("/"), path) for pattern in manager["managerFilePatterns"]):
            continue
        for expression in manager["matchStrings"]:
            for match in re.finditer(expression.replace("(?<", "(?P<"), text):
                groups = match.groupdict()
                result[groups.get("depName") or manager["depNameTemplate"]] = groups["currentValue"]
    return result


def test_renovate_finds_every_chart_every_versioned_image_and_the_cli_of_the_workflows() -> None:
    pinned = yaml.safe_load((ROOT / "oceanid_cluster" / "versions.yaml").read_text(encoding="utf-8"))
    images: list[str] = [*pinned["images"].values()]
    expected = dict(image.rsplit(":", 1) for image in images if not image.endswith(":main"))
    for chart in map(versions.chart, versions.charts()):
        expected[chart.chart.removeprefix("oci://")] = chart.version
    assert found("oceanid_cluster/versions.yaml") == expected
    for name in ("deploy-cluster.yml", "watch.yml"):
        assert found(f".github/workflows/{name}").keys() == {"pulumi/pulumi"}


def test_renovate_makes_every_lock_again_with_the_command_in_its_header() -> None:
    (pattern,) = CONFIG["pip-compile"]["managerFilePatterns"]
    for name in (path.name for path in ROOT.glob("requirements*.txt")):
        assert re.search(pattern.strip("/"), name)
        header = (ROOT / name).read_text(encoding="utf-8").splitlines()[1]
        assert re.fullmatch(rf"#    uv pip compile (--\S+ )+--output-file={name} {name[:-4]}\.in", header)

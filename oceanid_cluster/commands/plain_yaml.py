"""YAML as Kubernetes reads it: a date without quotes is text."""

from typing import Any

import yaml


def loader(base: Any = yaml.SafeLoader) -> Any:
    """A loader like ``base``, one of PyYAML's safe ones, that makes no dates."""
    resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
        for first, found in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})

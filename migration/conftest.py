"""What the tests of this folder share with those of tests/."""

from tests.conftest import kubectl_on_path
from tests.engine.conftest import bare, prepared_sandboxes

__all__ = ["bare", "kubectl_on_path", "prepared_sandboxes"]

"""What the tests of this folder share with those of tests/."""

from tests.conftest import kubectl_on_path
from tests.engine.conftest import prepared_sandboxes

__all__ = ["kubectl_on_path", "prepared_sandboxes"]

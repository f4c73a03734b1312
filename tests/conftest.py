"""Settings of all tests."""

import os

from hypothesis import HealthCheck, settings

# The same cases in every run, so that a change is judged by what it changed; `make soak` looks for new ones.
# A busy machine is slow, and that is no defect of what is tested.
settings.register_profile(
    "project", derandomize="SOAK" not in os.environ, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")

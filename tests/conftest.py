"""Settings of all tests."""

from hypothesis import HealthCheck, settings

# A busy machine is slow, and that is no defect of what is tested.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

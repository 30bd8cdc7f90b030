"""What holds for every test: a slow or shared machine is no failure."""

from hypothesis import HealthCheck, settings

settings.register_profile("homeroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("homeroom")

"""What holds for every test: a slow machine is no failure, and PostgreSQL is one server for all."""

from hypothesis import HealthCheck, settings

from tests.postgres import postgres, postgres_server, postgres_url

__all__ = ["postgres", "postgres_server", "postgres_url"]

settings.register_profile("homeroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("homeroom")

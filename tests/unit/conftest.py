"""What Hypothesis may not ask of a machine: that it is quick."""

from hypothesis import HealthCheck, settings

settings.register_profile("any machine", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

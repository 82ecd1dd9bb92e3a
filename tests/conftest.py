from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.servers", "tests.support.lastfm", "tests.support.catalogue", "tests.support.prebuilt"]
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

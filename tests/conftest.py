pytest_plugins = ["tests.support.servers", "tests.support.lastfm", "tests.support.catalogue", "tests.support.prebuilt"]

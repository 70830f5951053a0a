"""Property tests draw the same values on every run: a test that fails now and then teaches nobody."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

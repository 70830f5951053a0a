"""The command line: the same services as the API and the panel, on the machine itself.

Each module is one noun; ``console`` is how they read, write and fail.
"""

from appliance.cli.program import app, main

__all__ = ["app", "main"]

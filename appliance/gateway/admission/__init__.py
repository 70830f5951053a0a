"""On which terms a user who proved to be one comes in and stays: addresses, networks, what it may reach, limits."""

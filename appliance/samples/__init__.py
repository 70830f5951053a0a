"""Samples: traffic, sessions, logins and refusals over time."""

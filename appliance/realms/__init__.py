"""Realms: the configured sources of users."""

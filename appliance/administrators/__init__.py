"""Administrators: who may sign in to the panel."""

"""Certificates: the local CA and what it issues to this appliance."""

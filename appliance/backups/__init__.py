"""Backups: everything that an installation is, in one encrypted file."""

"""Octets to octets over well-kept libraries; knows no message."""

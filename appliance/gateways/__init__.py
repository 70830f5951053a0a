"""Gateways: which there are, how they are, and what their data planes hold."""

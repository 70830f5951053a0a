"""Leases: which address of which pool who has, or had last."""

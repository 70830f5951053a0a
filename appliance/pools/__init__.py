"""Address pools and leases."""

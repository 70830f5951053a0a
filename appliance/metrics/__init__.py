"""What Prometheus is told: ``/metrics`` on a listener of its own, read from the database."""

"""RADIUS servers: whom a realm of kind ``radius`` asks."""

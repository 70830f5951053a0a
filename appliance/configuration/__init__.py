"""Configuration history: every change as a version, what differs between versions, and the way back to one."""

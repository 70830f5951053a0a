"""The appliance as a whole: status, health, and what this machine lacks."""

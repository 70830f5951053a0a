"""Runtime settings: what may be changed while the appliance runs."""

"""Commands for gateways."""

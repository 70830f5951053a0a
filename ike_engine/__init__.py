"""An IKE library: sans-IO endpoint, exchanges as coroutines, data planes and a runtime.

The core (everything but ``runtime`` and ``dataplane``) imports no clock, no socket and no
source of randomness: ``now`` is a parameter and entropy is injected.
"""

"""IKEv1: RFC 2408, 2409, 3706, 3947, hybrid authentication, Xauth and Mode Config."""

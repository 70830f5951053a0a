"""A laboratory of real IPsec peers in network namespaces: networks, gateways, clients and proofs."""

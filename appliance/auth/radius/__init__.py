"""A realm whose users a RADIUS server knows (RFC 2865): the client side, its servers, what they say of a user.

pyrad encodes and decodes packets; sockets, failover and the meaning of attributes are ours.
"""

"""RADIUS accounting (RFC 2866): who was here, how long, how much; written with the session, sent until acknowledged.

``recorder`` notes what sessions do, ``sender`` brings it to the servers, ``unclosed`` ends what a crash left open.
"""

"""The appliance: users, pools, profiles, certificates and sessions around the IKE engine.

Cut by noun. Each slice has up to four files: ``schemas`` (what goes in and out), ``repository``
(the queries), ``service`` (the rules) and ``endpoints`` (the REST API). Command line, API and panel
call the same services.
"""

__version__ = "0.1.0"

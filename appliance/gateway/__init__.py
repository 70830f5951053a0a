"""The gateway process: the IKE engine between its sockets, its data plane and the database.

``compile`` turns rows into the engine's policy, ``answers`` answers its questions, ``service`` holds all together.
Around them:

* ``authentication``: who a client is
* ``admission``: on which terms it comes in, and how long it may stay
* ``record``: what becomes of the engine's events
* ``restart``: what goes on when a process follows another
"""

"""The gateway process: the IKE engine between its sockets, its data plane and the database.

``compile`` turns rows into the engine's policy, ``answers`` answers its questions, ``projector``
turns its events into rows, ``service`` holds them together.
"""

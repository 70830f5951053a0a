"""Our gateway: ``coati serve`` with the userspace data plane, set up over its command line."""


class CoatiGateway: ...

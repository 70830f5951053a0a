"""The only place with sockets, asyncio, clocks and processes."""

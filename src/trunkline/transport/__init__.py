"""HTTP in both directions: the client, ASGI, functions that decorate a target, and the server of the mocks."""

"""The stateful check: scenarios that create, read, update and delete, judged against a model of what must be true."""

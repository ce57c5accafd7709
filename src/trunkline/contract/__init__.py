"""The contract of a vendor: its document and schemas, loaded, linted, compiled and exported."""

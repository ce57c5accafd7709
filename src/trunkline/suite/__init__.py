"""The contract as a pytest suite: every rule, law and generated request is one test of one operation.

    pytest --pyargs trunkline.suite --trunkline-vendor acme --trunkline-url http://127.0.0.1:9000/v1

It calls what `trunkline check` calls and has no check of its own. What could not be exercised is skipped,
with the reason.
"""

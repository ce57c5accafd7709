"""The contract as a pytest suite: one test for each rule, law and round of generated requests of each operation.

    pytest --pyargs trunkline.suite --trunkline-vendor acme --trunkline-url http://127.0.0.1:9000/v1

It runs the same checks as `trunkline check`. A check that could not be exercised is a skipped test, with the reason.
"""

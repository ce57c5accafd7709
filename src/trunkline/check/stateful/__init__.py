"""The stateful check: scenarios that create, read, update, act on and delete items, judged against a model.

=================  ====================================================================================
`runner`           `run_stateful`, the entry point
`laws`             the laws, and the operations that each concerns
`engine`           runs fixed and random scenarios, and reduces those with a finding
`scenarios`        the fixed scenarios
`moves`            the table of moves; they are in `read_moves`, `write_moves` and `refused_moves`
`scenario`         a running scenario: sends requests, counts judgments, compares responses
`model`            which items exist, what their fields must be, and how each request changes that
`request_bodies`   valid bodies in every variant, and bodies with one flaw
`fields`           the fields and inputs that the contract documents
`resources`        the operations of each resource
`script`           prints the requests of a finding as a shell script; `creations` finds new ids
=================  ====================================================================================

How an update is judged: `write_moves.update` sends it, `model.record_update` sets what must be true afterwards, and
`Scenario.compare` compares the response and every later one with that.
"""

"""Checks of an implementation: rules, laws, stateful checks and fuzzing, and `runner`, which runs them all."""

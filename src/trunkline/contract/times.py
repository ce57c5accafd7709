"""Durations and ranges of Unix times that several packages use. Every pytest run imports this module."""

DAY = 86_400
"""Seconds. It is also the longest timeout and the longest window of a rate limit."""
MAX_WAIT = 120.0
"""The seconds that a 429 may ask to wait, unless the caller chooses another bound."""
DATES = range(-62_135_596_800, 253_402_300_800)
"""The Unix seconds that a date can have: those of the years 1 to 9999."""
UNIX_SECONDS = range(10**8, 10**11)
"""The Unix times from 1973 on. A smaller reset is a number of seconds to wait, a larger one counts milliseconds."""

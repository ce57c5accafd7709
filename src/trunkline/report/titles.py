"""The titles of what a run did not do, or left: the text report and the summary of the pytest suite use the same."""

NOT_IMPLEMENTED = "NOT IMPLEMENTED"
NOT_EXERCISED = "NOT EXERCISED"
NOT_JUDGED = "NOT JUDGED"
NOT_REACHED = "NOT REACHED"
LEFT_BEHIND = "LEFT BEHIND"
TOO_LITTLE = "TOO LITTLE JUDGED"
"""The suite's title of a reason to exit with 2."""

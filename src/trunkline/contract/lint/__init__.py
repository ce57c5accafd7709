"""Owns whether a contract makes sense: each name leads somewhere, each bound can be kept, each cause is answered.

What makes none is told as (place, reason); `reader` stops the load with the first.
"""

from trunkline.contract.lint.keywords import lost_words
from trunkline.contract.lint.names import lost_names

__all__ = ["lost_names", "lost_words"]

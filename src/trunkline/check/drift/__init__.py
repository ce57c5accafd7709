"""Drift: how an observed API differs from its contract, or from what it was before.

`Profile` observes exchanges, `drift` compares it, and `Patch` changes the files of the contract accordingly.
`CHANGE_KINDS` says which differences break a client.
"""

from trunkline.check.drift.comparison import Change, Drift, drift
from trunkline.check.drift.kinds import CHANGE_KINDS
from trunkline.check.drift.patch import Patch
from trunkline.check.drift.profile import Profile

__all__ = ["CHANGE_KINDS", "Change", "Drift", "Patch", "Profile", "drift"]

"""Drift: how an observed API differs from its contract, or from what it was before.

`Profile` observes exchanges, `drift` compares it, and `Patch` changes the files of the contract accordingly. `KINDS`
says which differences break a client.
"""

from trunkline.check.drift.comparison import Change, Drift, drift
from trunkline.check.drift.kinds import KINDS, ChangeKind
from trunkline.check.drift.patch import Patch
from trunkline.check.drift.profile import BodyPlace, ChangeCause, Deviation, Profile, Sighting

__all__ = [
    "KINDS",
    "BodyPlace",
    "Change",
    "ChangeCause",
    "ChangeKind",
    "Deviation",
    "Drift",
    "Patch",
    "Profile",
    "Sighting",
    "drift",
]

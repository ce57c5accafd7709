"""The laws: statements that must hold of several responses together. `LAWS` lists them."""

from __future__ import annotations

from trunkline.check.laws import filtering, identity, paging, refusals, robustness
from trunkline.check.laws.session import Law, LawSession, law

__all__ = ["LAWS", "LAW_NAMES", "Law", "LawSession", "law"]

LAWS: tuple[Law, ...] = (*identity.LAWS, *refusals.LAWS, *paging.LAWS, *filtering.LAWS, *robustness.LAWS)
LAW_NAMES = frozenset(law.name for law in LAWS)

"""Owns the laws: what must hold of several answers together. Each puts its own questions to a target."""

from __future__ import annotations

from trunkline.laws import endurance, filtering, identity, paging, refusing
from trunkline.laws.law import Interview, Law, law

__all__ = ["LAWS", "Interview", "Law", "law"]

LAWS: tuple[Law, ...] = (*identity.LAWS, *refusing.LAWS, *paging.LAWS, *filtering.LAWS, *endurance.LAWS)

"""Compare a profile with the contract, or with the profile of an older recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from trunkline.check.drift.kinds import CHANGE_KINDS
from trunkline.check.drift.profile import OTHERS, BodyPlace, ChangeCause, Deviation, Profile, Sighting
from trunkline.findings import Grade, Reading


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: its cause, and how often and with which example it was seen."""

    cause: ChangeCause
    deviation: Deviation

    @property
    def breaks(self) -> bool:
        """Whether it breaks a client. Nobody relies on what no page says."""
        evidence = self.deviation.evidence
        return CHANGE_KINDS[self.cause.kind].breaks and (evidence is None or evidence.grade.rank <= Grade.IMPLIED.rank)

    @property
    def message(self) -> str:
        """The change as a sentence: `a value is not one of those listed`."""
        more = "; others like it are only counted from here on" if self.cause.detail == OTHERS else ""
        return CHANGE_KINDS[self.cause.kind].statement + more


@dataclass(frozen=True, slots=True, repr=False)
class Drift:
    """How the API of a profile differs, from the contract or from an `older` profile; breaking changes come first.

    `unseen` are documented properties that no object in the recording had, each as (operationId, status, place), and
    `unasked` the operations that do not occur in it. `reading` says which exchanges were not compared, and
    `stopped` why a file was not read to its end, or is empty.
    """

    profile: Profile
    older: Profile | None = None
    changes: tuple[Change, ...] = ()
    unseen: tuple[tuple[str, str, BodyPlace], ...] = ()
    unasked: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)
    stopped: str = ""

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes that break a client."""
        return tuple(change for change in self.changes if change.breaks)


def drift(profile: Profile, older: Profile | None = None) -> Drift:
    """The differences of a profile from the contract, or from an older profile."""
    found = dict(profile.deviations if older is None else _from_older(profile, older))
    changes = [Change(cause, seen) for cause, seen in found.items()]
    changes.sort(key=lambda change: (not change.breaks, [*CHANGE_KINDS].index(change.cause.kind), change.cause))
    asked = {name for name, _ in profile.responses}
    unseen = ((*key, place) for key, root in sorted(profile.places.items()) for place in root.unseen())
    unasked = (found.operation_id for found in profile.contract.operations if found.operation_id not in asked)
    return Drift(profile, older, tuple(changes), tuple(unseen) if older is None else (), tuple(unasked))


def _from_older(profile: Profile, older: Profile) -> Iterator[tuple[ChangeCause, Deviation]]:
    """The changes since the older profile. A documented status that is new is no change."""
    yield from ((cause, seen) for cause, seen in profile.deviations.items() if cause not in older.deviations)
    for cause, seen in older.deviations.items():
        kind = {"property": "property_gone", "header": "header_gone"}.get(cause.kind)
        if kind and cause not in profile.deviations and cause.detail != OTHERS and _could_show(profile, cause):
            gone = replace(seen, expected="as in the older recording", breaks={})
            yield cause._replace(kind=kind), gone
    for key, root in profile.places.items():
        if key in older.places:
            yield from _moved(key, root, older.places[key], profile)


def _could_show(profile: Profile, cause: ChangeCause) -> bool:
    """Whether what the older recording has would show in the newer one, if it still were there."""
    if cause.kind == "header":
        return any(
            name == cause.operation and _has_key(profile, name, status, cause.status)
            for name, status in profile.responses
        )
    root = profile.places.get((cause.operation, cause.status))
    around = cause.at.rpartition("/")[0]
    return any(place.at == around and place.objects for place in root.all()) if root else False


def _has_key(profile: Profile, name: str, status: str, key: str) -> bool:
    response = profile.contract.operation(name).response_for(int(status))
    return (response.key if response else status) == key


def _moved(
    key: tuple[str, str], new: BodyPlace, old: BodyPlace, profile: Profile
) -> Iterator[tuple[ChangeCause, Deviation]]:
    """The documented properties and types that only one of two profiles shows."""
    had = {*old.types, "integer"} if "number" in old.types else {*old.types}  # 98.5 then, and 98 now, are one type
    for kind in sorted(new.types.keys() - had) if had else ():
        cause = ChangeCause(*key, "null" if kind == "null" else "type", new.at, "" if kind == "null" else kind)
        known = profile.deviations.get(cause)
        yield cause, known or _seen(new.types[kind], new, ", ".join(sorted(old.types)), kind)
    for name, child in new.children.items():
        before = old.children[name]
        if child.types and not before.types and old.objects:
            found = _total(child)
            yield ChangeCause(*key, "property", child.at), _seen(found, child, "absent", ", ".join(sorted(child.types)))
        elif before.types and not child.types and new.objects:
            expected = ", ".join(sorted(before.types))
            yield ChangeCause(*key, "property_gone", child.at), _seen(_total(before), child, expected, "absent")
        else:
            yield from _moved(key, child, before, profile)
    if new.items and old.items:
        yield from _moved(key, new.items, old.items, profile)


def _total(place: BodyPlace) -> Sighting:
    found = Sighting()
    for sighting in place.types.values():
        for time in (sighting.first, sighting.last):
            found.add(0, time)
        found.count += sighting.count
    return found


def _seen(sighting: Sighting, place: BodyPlace, expected: str, example: str) -> Deviation:
    return Deviation(
        sighting.count,
        sighting.first,
        sighting.last,
        contract=place.reference,
        expected=expected,
        example=example,
    )

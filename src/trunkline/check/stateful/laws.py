"""Owns the table of the laws of a life: what must hold of a thing from its making to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trunkline.check.stateful.fields import ResourceOperations, conditions, defaults, inputs, roles, shown
from trunkline.contract.model import Operation
from trunkline.findings import Grade


@dataclass(frozen=True, slots=True)
class StatefulLaw:
    """A sentence about a sequence of requests. `concerns` tells whether an operation has what the law is about."""

    name: str
    statement: str
    basis: str
    concerns: Callable[[Operation], bool]
    second: bool = False
    """Whether it takes the credential of another account."""


def _role(operation: Operation) -> ResourceOperations | None:
    """The operations on the things that this one is about, if a check can make such things."""
    return next((role for role in roles(operation.contract) if role.resource == operation.resource), None)


def _creates(operation: Operation) -> bool:
    return operation.creating is not None


def _creates_listed(operation: Operation) -> bool:
    role = _role(operation)
    return _creates(operation) and role is not None and bool(role.lists)


def _creates_counted(operation: Operation) -> bool:
    role = _role(operation)
    lists = (found.listing for found in role.lists) if role else ()
    return _creates(operation) and any(listing and listing.paging and listing.paging.total for listing in lists)


def _creates_shown_defaults(operation: Operation) -> bool:
    if not _creates(operation):
        return False
    role = _role(operation)
    seen = {name for reader in (operation, *role.readers) for name in shown(reader)} if role else set()
    told = defaults(operation, {})
    return any(name in seen and default.evidence.grade is not Grade.DECISION for name, default in told.items())


def _updates(operation: Operation) -> bool:
    return operation.updating is not None and _role(operation) is not None


def _writes(operation: Operation) -> bool:
    return _creates(operation) or _updates(operation)


def _changes(operation: Operation) -> bool:
    deleting = operation.deleting if _deletes(operation) else None
    return _writes(operation) or bool(deleting and deleting.empty)


def _deletes(operation: Operation) -> bool:
    return operation.deleting is not None and _role(operation) is not None


def _conflicts(operation: Operation) -> bool:
    creating, deleting = operation.creating, operation.deleting
    return bool((creating and creating.unique) or (_deletes(operation) and deleting and deleting.empty))


def _explains(operation: Operation) -> bool:
    return _conflicts(operation) or bool(_deletes(operation) and operation.deleting and operation.deleting.unused)


def _resets(operation: Operation) -> bool:
    resets = operation.updating.resets if _updates(operation) and operation.updating else ()
    return any(reset.evidence.grade is not Grade.DECISION for reset in resets)


def _keeps(operation: Operation) -> bool:
    return bool(_role(operation) and operation.acting and operation.acting.keeps)


def _acts(operation: Operation) -> bool:
    changes = operation.acting.changes if operation.acting and _role(operation) else ()
    told = shown(operation)
    return any(name in told and not told[name].volatile for name in changes)


def _requires(operation: Operation) -> bool:
    return _writes(operation) and bool(conditions(operation))


def _takes_secrets(operation: Operation) -> bool:
    return _writes(operation) and any(said.secret for said in inputs(operation))


def _details(operation: Operation) -> bool:
    role = _role(operation)
    return operation.fetching is not None and role is not None and bool(role.lists)


def _opens(operation: Operation) -> bool:
    """Whether the operation names a thing that a check can make, or lists such things."""
    made = {role.resource for role in roles(operation.contract)}
    names = {parameter.resource for parameter in operation.parameters if parameter.location == "path"}
    return operation.secured and bool(names & made or (operation.listing and operation.resource in made))


def _belongs(operation: Operation) -> bool:
    return bool(operation.item_parameter and operation.parents and _role(operation))


STATEFUL_LAWS: tuple[StatefulLaw, ...] = (
    StatefulLaw(
        "created_is_read_back",
        "What was created is shown with the values that were sent, and as its own answer showed it.",
        "implied by what the pages say of the input and of the field that shows it",
        _creates,
    ),
    StatefulLaw(
        "created_is_found",
        "What was created is found by every operation that names it.",
        "implied by the operations' pages",
        _creates,
    ),
    StatefulLaw(
        "created_is_listed",
        "What was created is in its list, under every filter that it meets, and in no other's.",
        "implied by the pages of the creation and of the list",
        _creates_listed,
    ),
    StatefulLaw(
        "created_is_counted",
        "The total of a list counts what was created.",
        "implied by what the page shows of the total",
        _creates_counted,
    ),
    StatefulLaw(
        "defaults_are_applied",
        "An input that is left out becomes its documented default.",
        "what the page says of the default",
        _creates_shown_defaults,
    ),
    StatefulLaw(
        "valid_input_is_accepted",
        "A body that its page allows, both ends of every limit included, is not refused as wrong.",
        "implied by what the page says of each input",
        _writes,
    ),
    StatefulLaw(
        "conditional_inputs_are_required",
        "An input that another's value requires is asked for.",
        "what the page says of the condition",
        _requires,
    ),
    StatefulLaw(
        "ids_are_never_reused",
        "A new thing has an id that no other had, those that are gone included.",
        "implied: an id names one thing",
        _creates,
    ),
    StatefulLaw(
        "update_shows",
        "A change shows wherever the field is shown.",
        "implied by the page of the update",
        _updates,
    ),
    StatefulLaw(
        "update_leaves_the_rest",
        "A change leaves every input that was not sent.",
        "what the page says of a partial update",
        _updates,
    ),
    StatefulLaw(
        "connectivity_change_resets",
        "A change of what a field hangs on resets the field.",
        "what the page says of the reset",
        _resets,
    ),
    StatefulLaw(
        "other_changes_reset_nothing",
        "A change of what a field does not hang on leaves the field.",
        "what the page says of the reset",
        _resets,
    ),
    StatefulLaw(
        "action_shows_in_a_read",
        "What an action says of a thing, a later answer says too.",
        "implied by the page of the action",
        _acts,
    ),
    StatefulLaw(
        "action_keeps_what_it_keeps",
        "An action leaves what its page says that it never changes.",
        "what the page says of the action",
        _keeps,
    ),
    StatefulLaw(
        "refused_requests_change_nothing",
        "After a refusal everything is as it was: nothing was made, changed or removed.",
        "implied: what is refused is not done",
        _changes,
    ),
    StatefulLaw(
        "conflict_arises_when_due",
        "A value that no two can have is not taken twice, and what is not empty is not removed.",
        "what the page says of the conflict",
        _conflicts,
    ),
    StatefulLaw(
        "conflict_needs_a_reason",
        "A documented conflict does not arise without its reason.",
        "implied by what the page says of the conflict",
        _explains,
    ),
    StatefulLaw(
        "removed_is_gone",
        "What is removed is not shown, not listed, and not found by any operation.",
        "what the page says of the removal and of unknown ids",
        _deletes,
    ),
    StatefulLaw(
        "removed_stays_gone",
        "A second removal says that there is nothing.",
        "what the page says of unknown ids",
        _deletes,
    ),
    StatefulLaw(
        "things_are_found_where_they_belong",
        "A thing is not reached through the parent of another.",
        "what the page says of unknown ids",
        _belongs,
    ),
    StatefulLaw(
        "list_and_detail_agree",
        "The list and the thing itself tell the same of it.",
        "implied: both show one thing",
        _details,
    ),
    StatefulLaw(
        "secrets_never_come_back",
        "No secret that was sent is in any later answer, errors included.",
        "what the pages say of the secret",
        _takes_secrets,
    ),
    StatefulLaw(
        "accounts_are_apart",
        "Another account can neither see nor change nor remove what this one made.",
        "implied: a credential opens its own account",
        _opens,
        second=True,
    ),
)

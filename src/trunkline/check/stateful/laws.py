"""The laws that the stateful check judges by: what must hold of an item from its creation to its removal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trunkline.check.stateful.fields import conditions, defaults, inputs, shown_fields
from trunkline.check.stateful.resources import ResourceOperations, resource_operations
from trunkline.contract.model import Act, Create, Delete, Fetch, List, Operation, Update
from trunkline.findings import Grade


@dataclass(frozen=True, slots=True)
class StatefulLaw:
    """A statement about a sequence of requests. `concerns` tells whether it says something about an operation.

    `needs_other_account` is whether the law can be judged only with the credential of another account.
    """

    name: str
    statement: str
    basis: str
    concerns: Callable[[Operation], bool]
    needs_other_account: bool = False


def _siblings(operation: Operation) -> ResourceOperations | None:
    """The operations of the same resource, if a check can create its items."""
    every = resource_operations(operation.contract)
    return next((operations for operations in every if operations.resource == operation.resource), None)


def _is(*kinds: type) -> Callable[[Operation], bool]:
    """Whether an operation is of one of these kinds, and about items that a check can create."""
    return lambda operation: isinstance(operation.kind, kinds) and _siblings(operation) is not None


_creates, _updates, _deletes, _writes = _is(Create), _is(Update), _is(Delete), _is(Create, Update)


def _creates_listed(operation: Operation) -> bool:
    siblings = _siblings(operation)
    return _creates(operation) and siblings is not None and bool(siblings.lists)


def _creates_counted(operation: Operation) -> bool:
    siblings = _siblings(operation)
    pagings = [listing.kind.paging for listing in siblings.lists] if siblings else []
    return _creates(operation) and any(paging and paging.total for paging in pagings)


def _creates_with_shown_defaults(operation: Operation) -> bool:
    siblings = _siblings(operation)
    if siblings is None or not _creates(operation):
        return False
    shown = {name for reader in (operation, *siblings.readers) for name in shown_fields(reader)}
    return any(
        name in shown and default.evidence.grade is not Grade.DECISION
        for name, default in defaults(operation, {}).items()
    )


def _requires_conditionally(operation: Operation) -> bool:
    return _writes(operation) and bool(conditions(operation))


def _takes_secrets(operation: Operation) -> bool:
    return _writes(operation) and any(input_.secret for input_ in inputs(operation))


def _resets(operation: Operation) -> bool:
    resets = operation.kind.resets if isinstance(operation.kind, Update) and _siblings(operation) else ()
    return any(reset.evidence.grade is not Grade.DECISION for reset in resets)


def _acts_visibly(operation: Operation) -> bool:
    changes = operation.kind.changes if isinstance(operation.kind, Act) and _siblings(operation) else ()
    shown = shown_fields(operation)
    return any(name in shown and not shown[name].volatile for name in changes)


def _keeps_fields(operation: Operation) -> bool:
    return isinstance(operation.kind, Act) and bool(operation.kind.keeps) and _siblings(operation) is not None


def _conflicts(operation: Operation) -> bool:
    match operation.kind:
        case Create(unique=unique):
            return bool(unique)
        case Delete(empty=empty):
            return _deletes(operation) and bool(empty)
    return False


def _conflicts_or_is_in_use(operation: Operation) -> bool:
    in_use = isinstance(operation.kind, Delete) and operation.kind.unused is not None
    return _conflicts(operation) or (in_use and _deletes(operation))


def _can_be_refused(operation: Operation) -> bool:
    return _writes(operation) or _conflicts(operation)


def _is_below_a_parent(operation: Operation) -> bool:
    return bool(operation.kind.parameter and operation.parents and _siblings(operation))


def _fetches_listed(operation: Operation) -> bool:
    siblings = _siblings(operation)
    return isinstance(operation.kind, Fetch) and siblings is not None and bool(siblings.lists)


def _reaches_items(operation: Operation) -> bool:
    """Whether the operation names an item that a check can create, or lists such items."""
    created = {operations.resource for operations in resource_operations(operation.contract)}
    named = {parameter.resource for parameter in operation.parameters if parameter.location == "path"}
    lists = isinstance(operation.kind, List) and operation.resource in created
    return operation.secured and (bool(named & created) or lists)


STATEFUL_LAWS: tuple[StatefulLaw, ...] = (
    StatefulLaw(
        "created_is_read_back",
        "A created item is shown with the values that were sent, and with those that the creation answered.",
        "implied by what the pages say of the input and of the field that shows it",
        _creates,
    ),
    StatefulLaw(
        "created_is_found",
        "A created item is found by every operation that names it.",
        "implied by the operations' pages",
        _creates,
    ),
    StatefulLaw(
        "created_is_listed",
        "A created item is in its list and under every filter that it meets, and in no other list.",
        "implied by the pages of the creation and of the list",
        _creates_listed,
    ),
    StatefulLaw(
        "created_is_counted",
        "The total of a list counts every created item.",
        "implied by what the page shows of the total",
        _creates_counted,
    ),
    StatefulLaw(
        "defaults_are_applied",
        "An input that is left out gets its documented default.",
        "what the page says of the default",
        _creates_with_shown_defaults,
    ),
    StatefulLaw(
        "valid_input_is_accepted",
        "A body that the page allows is not refused as invalid, at both ends of every limit too.",
        "implied by what the page says of each input",
        _writes,
    ),
    StatefulLaw(
        "conditional_inputs_are_required",
        "A body is refused without an input that the value of another input requires.",
        "what the page says of the condition",
        _requires_conditionally,
    ),
    StatefulLaw(
        "ids_are_never_reused",
        "A new item has an id that no other item had, removed items included.",
        "implied: an id names one item",
        _creates,
    ),
    StatefulLaw(
        "update_shows",
        "An updated value is shown wherever the field is shown.",
        "implied by the page of the update",
        _updates,
    ),
    StatefulLaw(
        "update_leaves_the_rest",
        "An update leaves every input that was not sent as it was.",
        "what the page says of a partial update",
        _updates,
    ),
    StatefulLaw(
        "connectivity_change_resets",
        "Updating a value that a field depends on resets the field.",
        "what the page says of the reset",
        _resets,
    ),
    StatefulLaw(
        "other_changes_reset_nothing",
        "Updating a value that a field does not depend on leaves the field as it was.",
        "what the page says of the reset",
        _resets,
    ),
    StatefulLaw(
        "action_shows_in_a_read",
        "The values that an action answers are shown by later responses.",
        "implied by the page of the action",
        _acts_visibly,
    ),
    StatefulLaw(
        "action_leaves_the_rest",
        "An action leaves the fields that its page says it never changes.",
        "what the page says of the action",
        _keeps_fields,
    ),
    StatefulLaw(
        "refused_requests_change_nothing",
        "After a refused request nothing was created, changed or removed.",
        "implied: a refused request is not carried out",
        _can_be_refused,
    ),
    StatefulLaw(
        "conflicts_are_refused",
        "A value that must be unique is not accepted twice, and an item that must be empty is not removed before.",
        "what the page says of the conflict",
        _conflicts,
    ),
    StatefulLaw(
        "conflict_needs_a_reason",
        "A documented conflict is answered only where there is one.",
        "implied by what the page says of the conflict",
        _conflicts_or_is_in_use,
    ),
    StatefulLaw(
        "removed_is_gone",
        "A removed item is not shown, not listed, and not found by any operation.",
        "what the page says of the removal and of unknown ids",
        _deletes,
    ),
    StatefulLaw(
        "second_removal_is_not_found",
        "Removing an item a second time is answered as an unknown id.",
        "what the page says of unknown ids",
        _deletes,
    ),
    StatefulLaw(
        "items_are_found_only_under_their_parent",
        "An item is not found under the parent of another item.",
        "what the page says of unknown ids",
        _is_below_a_parent,
    ),
    StatefulLaw(
        "list_and_detail_agree",
        "A list and a fetch show the same values of an item.",
        "implied: both show one item",
        _fetches_listed,
    ),
    StatefulLaw(
        "secrets_never_come_back",
        "No later response contains a secret that was sent, error responses included.",
        "what the pages say of the secret",
        _takes_secrets,
    ),
    StatefulLaw(
        "accounts_are_apart",
        "Another account can neither read, change nor remove an item of this one.",
        "implied: a credential opens its own account",
        _reaches_items,
        needs_other_account=True,
    ),
)

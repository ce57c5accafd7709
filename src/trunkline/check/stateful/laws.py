"""The laws that the stateful check judges by: what must hold of an item from its creation to its deletion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any

from trunkline.check.laws.identity import accounts_are_apart
from trunkline.check.stateful.fields import conditions, defaults, inputs, shown_fields
from trunkline.check.stateful.resources import ResourceOperations, operations_of
from trunkline.contract.model import Act, Create, Delete, Fetch, Kind, List, Operation, Update


@dataclass(frozen=True, slots=True)
class StatefulLaw:
    """A statement about a sequence of requests. `concerns` is whether it applies to an operation.

    `needs_other_account` is whether the law can be judged only with the credential of another account.
    """

    name: str
    statement: str
    basis: str
    concerns: Callable[[Operation], bool]
    needs_other_account: bool = False


def _about(
    kinds: type | UnionType, feature: Callable[[Operation[Any], ResourceOperations], object] = lambda *_: True
) -> Callable[[Operation], bool]:
    """Whether an operation is of these kinds, is about items that a check can create, and has the feature."""

    def concerns(operation: Operation) -> bool:
        siblings = operations_of(operation.contract, operation.resource)
        return siblings is not None and isinstance(operation.kind, kinds) and bool(feature(operation, siblings))

    return concerns


def _has_shown_default(create: Operation[Create], operations: ResourceOperations) -> bool:
    shown = {name for operation in (create, *operations.readers) for name in shown_fields(operation)}
    grades = {name: default.schema.evidence.grade for name, default in defaults(create, {}).items()}
    return any(name in shown and grade.carries_findings for name, grade in grades.items())


def _has_resets(update: Operation[Update], _: ResourceOperations) -> bool:
    return any(reset.evidence.grade.carries_findings for reset in update.kind.resets)


def _changes_shown_fields(act: Operation[Act], _: ResourceOperations) -> bool:
    shown = shown_fields(act)
    return any(name in shown and not shown[name].volatile for name in act.kind.changes)


def _conflicts(operation: Operation[Create | Delete], _: ResourceOperations) -> bool:
    kind = operation.kind
    return bool(kind.unique if isinstance(kind, Create) else kind.empty)


def _answers_conflicts(operation: Operation[Create | Delete], operations: ResourceOperations) -> bool:
    in_use = isinstance(operation.kind, Delete) and operation.kind.unused is not None
    return in_use or _conflicts(operation, operations)


def _accesses_items(operation: Operation, _: ResourceOperations) -> bool:
    """Whether the operation names an item, its own or a parent, or lists items."""
    names_item = any(parameter.resource for parameter in operation.parameters if parameter.location == "path")
    return operation.secured and (names_item or isinstance(operation.kind, List))


STATEFUL_LAWS: tuple[StatefulLaw, ...] = (
    StatefulLaw(
        "created_is_read_back",
        "A created item is shown with the values that were sent, and with those that the creation answered.",
        "implied by what the pages say of the input and of the field that shows it",
        _about(Create),
    ),
    StatefulLaw(
        "created_is_found",
        "A created item is found by every operation that names it.",
        "implied by the operations' pages",
        _about(Create),
    ),
    StatefulLaw(
        "created_is_listed",
        "A created item is in its list and under every filter that it meets, and in no other list.",
        "implied by the pages of the creation and of the list",
        _about(Create, lambda _, operations: operations.lists),
    ),
    StatefulLaw(
        "created_is_counted",
        "The total of a list counts every created item.",
        "implied by what the page shows of the total",
        _about(
            Create,
            lambda _, operations: any(paging.total for listing in operations.lists if (paging := listing.kind.paging)),
        ),
    ),
    StatefulLaw(
        "defaults_are_applied",
        "An input that is left out gets its documented default.",
        "what the page says of the default",
        _about(Create, _has_shown_default),
    ),
    StatefulLaw(
        "valid_input_is_accepted",
        "A body that the page allows is not refused as invalid, at both ends of every limit too.",
        "implied by what the page says of each input",
        _about(Create | Update),
    ),
    StatefulLaw(
        "conditional_inputs_are_required",
        "A body is refused without an input that the value of another input requires.",
        "what the page says of the condition",
        _about(Create | Update, lambda operation, _: conditions(operation)),
    ),
    StatefulLaw(
        "ids_are_never_reused",
        "A new item has an id that no other item had, deleted items included.",
        "implied: an id names one item",
        _about(Create),
    ),
    StatefulLaw(
        "update_shows",
        "An updated value is shown wherever the field is shown.",
        "implied by the page of the update",
        _about(Update),
    ),
    StatefulLaw(
        "update_leaves_the_rest",
        "An update leaves every input that was not sent as it was.",
        "what the page says of a partial update",
        _about(Update),
    ),
    StatefulLaw(
        "connectivity_change_resets",
        "Updating a value that a field depends on resets the field.",
        "what the page says of the reset",
        _about(Update, _has_resets),
    ),
    StatefulLaw(
        "other_changes_reset_nothing",
        "Updating a value that a field does not depend on leaves the field as it was.",
        "what the page says of the reset",
        _about(Update, _has_resets),
    ),
    StatefulLaw(
        "action_shows_in_a_read",
        "The values that an action answers are shown by later responses.",
        "implied by the page of the action",
        _about(Act, _changes_shown_fields),
    ),
    StatefulLaw(
        "action_leaves_the_rest",
        "An action leaves the fields that its page says it never changes.",
        "what the page says of the action",
        _about(Act, lambda operation, _: operation.kind.keeps),
    ),
    StatefulLaw(
        "refused_requests_change_nothing",
        "After a refused request nothing was created, changed or deleted.",
        "implied: a refused request is not carried out",
        _about(
            Create | Update | Delete,
            lambda operation, _: not isinstance(operation.kind, Delete) or operation.kind.empty,
        ),
    ),
    StatefulLaw(
        "conflicts_are_refused",
        "A value that must be unique is not accepted twice, and an item that must be empty is not deleted before.",
        "what the page says of the conflict",
        _about(Create | Delete, _conflicts),
    ),
    StatefulLaw(
        "conflict_needs_a_reason",
        "A documented conflict is answered only where there is one.",
        "implied by what the page says of the conflict",
        _about(Create | Delete, _answers_conflicts),
    ),
    StatefulLaw(
        "deleted_is_gone",
        "A deleted item is not shown, not listed, and not found by any operation.",
        "what the page says of the deletion and of unknown ids",
        _about(Delete),
    ),
    StatefulLaw(
        "second_deletion_is_not_found",
        "Deleting an item a second time is answered as an unknown id.",
        "what the page says of unknown ids",
        _about(Delete),
    ),
    StatefulLaw(
        "items_are_found_only_under_their_parent",
        "An item is not found under the parent of another item.",
        "what the page says of unknown ids",
        _about(Kind, lambda operation, _: operation.kind.parameter and operation.parents),
    ),
    StatefulLaw(
        "list_and_detail_agree",
        "A list and a fetch show the same values of an item.",
        "implied: both show one item",
        _about(Fetch, lambda _, operations: operations.lists),
    ),
    StatefulLaw(
        "secrets_never_come_back",
        "No later response contains a secret that was sent, error responses included.",
        "what the pages say of the secret",
        _about(Create | Update, lambda operation, _: any(input_.secret for input_ in inputs(operation))),
    ),
    StatefulLaw(
        accounts_are_apart.name,
        accounts_are_apart.statement,
        accounts_are_apart.basis,
        _about(Kind, _accesses_items),
        needs_other_account=True,
    ),
)

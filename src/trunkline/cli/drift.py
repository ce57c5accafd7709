"""`trunkline drift`: how an API in recorded traffic differs from the contract, or from an older recording."""

from __future__ import annotations

from pathlib import Path

import click

from trunkline.cli import output
from trunkline.cli.interruption import stop_signals
from trunkline.cli.output import FINDINGS, SUCCESS
from trunkline.errors import TargetError, UsageError, reason_of
from trunkline.mock import loader
from trunkline.report import terminal
from trunkline.report.drift import change_lines, document, summary_lines
from trunkline.settings import Settings
from trunkline.traffic.drift import drift_files, folder_to_write, patch_of, write_patch
from trunkline.transport.files import check_apart, replace_file


@stop_signals()
def drift(settings: Settings, vendor: str, sources: tuple[str, ...]) -> int:
    """Compare recorded traffic with the contract, show the drift and its patch, and apply the patch if asked to."""
    loaded = loader.load(vendor)
    if not sources:
        raise UsageError("name a SOURCE to compare: a file, a folder, or - for standard input")
    if settings.against and (settings.write or settings.patch):
        raise UsageError("--against compares two recordings, so there is no patch; leave out --write and --patch")
    if settings.patch:
        check_apart(settings.patch, sources, "--patch")
    folder = folder_to_write(vendor) if settings.write else None
    found = drift_files(
        loaded, sources, settings.against, settings.operation, bases=settings.base, since=settings.since
    )
    patch = None if settings.against else patch_of(found)
    diff = patch.diff(f"schemas/{vendor}") if patch else ""
    if settings.patch:
        _save(Path(settings.patch), diff)
    if settings.drift_format == "json":
        click.echo(output.json_text({**document(found, patch), "patch": diff}, indent=2))
    else:
        with terminal.screen(quiet=True) as screen:
            screen.show(change_lines(found))
            if diff and not (settings.patch or folder):
                click.echo(f"{diff}\n", nl=False)
            screen.show(summary_lines(found, patch))
    if folder and patch and patch.after:
        write_patch(patch, folder)
        click.echo(f"written: {', '.join(str(folder / name) for name in patch.after)}", err=True)
    if found.changes if settings.any_change else found.breaking:
        return FINDINGS
    if found.stopped:
        raise TargetError(found.profile.redact(f"the run did not compare everything: {found.stopped}"))
    return SUCCESS


def _save(path: Path, diff: str) -> None:
    try:
        replace_file(path, diff.encode())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{str(path)!r} cannot be written: {reason_of(error)}; name another file with --patch"
        ) from None

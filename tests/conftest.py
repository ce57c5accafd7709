"""What holds for every test."""

import signal


def _ignored(*_: object) -> None:
    """Handled by doing nothing: unlike an ignored signal, this is not inherited by what a test starts."""


# `nohup` and a shell's background have these two ignored, and a process that is started so ignores them as well.
for _call in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_call) is signal.SIG_IGN:
        signal.signal(_call, _ignored)

# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""A signal that asks this program to end.

The handler only notes it, and each wait of the program looks: an exception
raised in a handler is lost where it meets a finalizer, and would interrupt
the cleaning up that the first signal began."""

import signal

_seen = []


def expect():
    """From now on, notes the signals that ask for an end."""
    _handle(lambda number, _: _seen.append(number))


def ignore():
    """The end is near: none of them may change the exit status any more."""
    _handle(signal.SIG_IGN)


def _handle(handler):
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, handler)


def seen():
    """"SIGTERM", say, or None."""
    return signal.Signals(_seen[0]).name if _seen else None

"""What can go wrong with the local servers, each with the exit code of the command line."""

from __future__ import annotations


class StackError(Exception):
    """The stack is not what was asked for; the message says what to do."""

    exit_code = 1


class ServerUnavailableError(StackError):
    """A server cannot be reached, cannot be had, or ended while it was starting."""

    exit_code = 3


class SetupError(StackError):
    """A server runs, but a topic, schema or collection in it is not as the repository says."""

"""``twistd datasms``: the only module that takes the global reactor."""

from __future__ import annotations

import atexit
import os
import sys
import time
from typing import cast

from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python import usage

from datasms_daemon.assembly import Reactor
from datasms_daemon.config.files import config_path
from datasms_daemon.config.load import load_with_warnings
from datasms_daemon.errors import ConfigError
from datasms_daemon.ops.systemd import Notifier
from datasms_daemon.service import DaemonService

_log = Logger()


class Options(usage.Options):
    """The command line; the configuration is read and checked here, where a fault gives a clean message."""

    optParameters = [["config", "c", None, "The configuration file; also $DATASMS_CONFIG. Without one: the defaults."]]

    def postOptions(self) -> None:
        """Loads the configuration; every problem at once."""
        self["path"] = config_path(self["config"], os.environ)
        try:
            self["loaded"] = load_with_warnings(self["path"], os.environ)
        except ConfigError as error:
            raise usage.UsageError("the configuration cannot be used:\n  " + "\n  ".join(error.problems)) from error


def makeService(options: Options) -> IService:
    """The daemon as ``twistd`` runs it."""
    from twisted.internet import reactor as global_reactor

    reactor = cast(Reactor, global_reactor)
    # Twisted's own time is the wall clock, and a step of it would move every timer.
    setattr(reactor, "seconds", time.monotonic)  # noqa: B010
    for warning in options["loaded"].warnings:
        _log.warn("{warning}", warning=warning)

    def fatal(reason: str) -> None:
        _log.critical("{reason}; exiting", reason=reason)
        print(f"datasms: {reason}", file=sys.stderr)  # noqa: T201
        # twistd has no way to say it failed; systemd restarts only what exits non-zero.
        atexit.register(os._exit, 1)
        reactor.callWhenRunning(reactor.stop)

    return DaemonService(options["loaded"], options["path"], os.environ, reactor, fatal, Notifier())

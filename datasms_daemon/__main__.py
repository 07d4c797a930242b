"""``python -m datasms_daemon``: the command line without an installed script."""

from datasms_daemon.cli import main

main()

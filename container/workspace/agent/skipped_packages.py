"""Spares the driver the import of packages that its SDK imports and the driver never uses.

`claude_agent_sdk` imports `mcp` and `jsonschema` for tools that run inside the driver. The driver has none. The two imports
take 1.5 s of a core, and Claude Code starts only after them.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from pydantic import BaseModel

SKIPPED = frozenset({"mcp", "jsonschema"})


class _Placeholders(MetaPathFinder, Loader):
    """Finds modules whose every attribute is an empty model."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] in SKIPPED else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leaves the creation to Python."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__getattr__"] = _placeholder


def _placeholder(name: str) -> type[BaseModel]:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (BaseModel,), {"__module__": __name__})


def skip_packages() -> None:
    """Replaces SKIPPED by placeholders in this process. Call it before the SDK's import."""
    sys.meta_path.insert(0, _Placeholders())

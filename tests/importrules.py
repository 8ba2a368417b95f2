"""An import-linter contract that says what a part may import, where the built-in ones say what it may not."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """Of the watched packages, the source packages import themselves and the allowed ones, and nothing else.

    Direct imports count; `exempt` packages inside the sources have contracts of their own.
    """

    type_name = "only"

    sources = fields.ListField(subfield=fields.StringField())
    watched = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField(), required=False, default=[])
    exempt = fields.ListField(subfield=fields.StringField(), required=False, default=[])

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Finds every import that is not allowed."""
        sources, exempt = _words(self.sources), _words(self.exempt)
        broken = sorted(
            f"{importer} -> {imported}"
            for importer in graph.modules
            if _inside(importer, sources) and not _inside(importer, exempt)
            for imported in graph.find_modules_directly_imported_by(importer)
            if self._is_refused(imported)
        )
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Prints one refused import a line."""
        for line in check.metadata["broken"]:
            output.print_error(line)

    def _is_refused(self, imported: str) -> bool:
        sources, exempt = _words(self.sources), _words(self.exempt)
        own = _inside(imported, sources) and not _inside(imported, exempt)
        return _inside(imported, _words(self.watched)) and not (
            own or _inside(imported, _words(self.allowed))
        )


def _words(field: object) -> list[str]:
    assert isinstance(field, list)
    return [str(word) for word in field]


def _inside(module: str, packages: list[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)

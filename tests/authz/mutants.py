"""Mutants: bugs planted in a copy of the engine, each of which the tests must notice.

    python -m tests.authz.mutants [NAME ...]

prints a table and ends with 1 when one was not noticed. The bugs are of the kinds that implementations of
OpenFGA have had. Neither OpenFGA's suites nor a real server are needed: own tests alone must notice each.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ENGINE = Path("twins/runtime/authz")
TESTS = ("tests/authz/test_interface.py", "tests/authz/test_semantics.py", "tests/runtime/test_engine.py")
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "static", "docs", "var", "__pycache__", ".*_cache")


class Mutant(NamedTuple):
    """A bug: what stands in a file and what takes its place."""

    name: str
    file: str
    there: str
    instead: str


MUTANTS = (
    Mutant("depth is not limited", "check.py", "DEPTH = 25", "DEPTH = 250"),
    Mutant("depth ends one step early", "check.py", "DEPTH = 25", "DEPTH = 24"),
    Mutant(
        "a missing parameter is false",
        "conditions.py",
        "        if missing:\n            raise",
        "        if missing:\n            return False\n            raise",
    ),
    Mutant(
        "an error beats true in a union",
        "check.py",
        "        if found == YES:\n            return YES\n        answer",
        "        if found == YES and failure is None:\n            return YES\n        answer",
    ),
    Mutant(
        "an error beats false in an intersection",
        "check.py",
        "            failure = failure or error\n            continue\n        if found != YES:",
        "            raise\n        if found != YES:",
    ),
    Mutant(
        "an error beats the deciding side of an exclusion",
        "check.py",
        "            failure = failure or error\n            continue\n        if found == CYCLE:",
        "            raise\n        if found == CYCLE:",
    ),
    Mutant(
        "a userset does not have itself",
        "check.py",
        '        if self._user == f"{object_}#{name}":\n            return YES',
        '        if self._user == f"{object_}#{name}":\n            return NO',
    ),
    Mutant(
        "stored tuples are not validated again",
        "model.py",
        "        return condition in self.names(kind)",
        "        return True",
    ),
    Mutant(
        "contextual tuples are not validated",
        "questions.py",
        "        given = [\n",
        "        given = [Given(one.object, one.relation, one.user) for one in brought] or [\n",
    ),
    Mutant(
        "contextual tuples are ignored",
        "questions.py",
        "        return Overlay(self.tuples, given)",
        "        return self.tuples",
    ),
    Mutant(
        "stored tuples beat contextual ones",
        "tuples.py",
        "                return one.condition\n        return self._under",
        "                break\n        return self._under",
    ),
    Mutant("wildcards are ignored", "check.py", "everybody in relation.admitted:", "False:"),
    Mutant(
        "a wildcard has usersets as members",
        "check.py",
        '        if "#" not in self._kind:\n            everybody',
        "        if True:\n            everybody",
    ),
    Mutant(
        "what was visited is shared by all branches",
        "check.py",
        "            self._path.discard(here)",
        "            pass",
    ),
    Mutant(
        "a circle in an exclusion counts as an answer",
        "check.py",
        "        if found == CYCLE:\n            return CYCLE\n",
        "",
    ),
    Mutant(
        "a circle is an error",
        "check.py",
        "            self._circles += 1\n            return CYCLE",
        "            raise TooDeep",
    ),
    Mutant(
        "answers within a circle are remembered",
        "check.py",
        "            if circles == self._circles:",
        "            if True:",
    ),
    Mutant(
        "remembered answers know no depth",
        "check.py",
        "known is not None and depth + known[1] < DEPTH",
        "known is not None",
    ),
    Mutant(
        "the model's ways are not looked at",
        "check.py",
        "relation is None or not self._has_way(relation)",
        "relation is None",
    ),
    Mutant(
        "the request's context beats the tuple's",
        "conditions.py",
        "{**asked.context, **mine}",
        "{**mine, **asked.context}",
    ),
    Mutant(
        "a tuple's context may have any key",
        "conditions.py",
        "            if key not in self.parameters:",
        "            if False:",
    ),
    Mutant(
        "a tuple's context may have any type",
        "conditions.py",
        "        self._cast(context)\n        for",
        "        for",
    ),
    Mutant(
        "a number may have a fraction where it must be whole",
        "parameters.py",
        '        raise ValueError(f"expected an int value',
        '        return int(number)\n        raise ValueError(f"expected an int value',
    ),
    Mutant(
        "any condition of the model is good for any type",
        "admission.py",
        "    if condition.name not in names:",
        "    if False:",
    ),
    Mutant("a condition may be left out", "admission.py", '        if "" not in names:', "        if False:"),
    Mutant(
        "an implicit tuple may be written",
        "writing.py",
        "    if split_userset(one.user) == (one.object, one.relation):",
        "    if False:",
    ),
    Mutant(
        "a write is done in part",
        "store.py",
        "        new = [one for one in writes if self._is_new(one, ignore_duplicate=ignore_duplicate)]\n        at = now()\n        for one in gone:\n",
        "        at = now()\n        for one in gone:\n            new = []\n        new = writes\n        for one in gone:\n",
    ),
    Mutant(
        "a duplicate with another condition is passed over",
        "store.py",
        "        if there.condition != one.condition:",
        "        if False:",
    ),
    Mutant(
        "the same tuple may be deleted and written",
        "writing.py",
        "    _check_keys([*deletes, *writes])",
        "    _check_keys(deletes)\n    _check_keys(writes)",
    ),
    Mutant(
        "deletions do not count to the limit",
        "writing.py",
        "    _check_keys([*deletes, *writes])",
        "    _check_keys(writes)",
    ),
    Mutant(
        "a deletion's change tells the condition",
        "store.py",
        "            del self._rows[one.key]\n",
        "            one = self._rows.pop(one.key)\n",
    ),
    Mutant(
        "a page's token counts rows",
        "store.py",
        "            self._rows[one.key] = one._replace(seq=self._seq, at=at)",
        "            self._rows[one.key] = one._replace(seq=len(self._rows) + 1, at=at)",
    ),
    Mutant(
        "a list's candidates are not checked",
        "reverse.py",
        "if is_sure or self._checked(",
        "if True or self._checked(",
    ),
    Mutant(
        "conditions are asked before membership in lists",
        "reverse.py",
        "self._asked, last=True)",
        "self._asked)",
    ),
    Mutant(
        "a failed condition leaves a list short",
        "questions.py",
        "        if search.failure is not None:\n            raise search.failure",
        "        return",
    ),
    Mutant(
        "a list forgets the userset itself",
        "reverse.py",
        "                self._reach(object_, itself, is_sure=True)",
        "                pass",
    ),
    Mutant(
        "a list forgets everybody",
        "reverse.py",
        "            kinds[everybody] = everybody",
        "            pass",
    ),
    Mutant(
        "a window includes its end",
        "conditions.py",
        "                return own.begin <= moment < own.end",
        "                return own.begin <= moment <= own.end",
    ),
    Mutant(
        "a window is read once for all models",
        "conditions.py",
        "        if own.read_by is self:\n",
        "        if own.read_by is not None:\n",
    ),
    Mutant(
        "listing users trusts what it found in a circle",
        "listing.py",
        "        if not self._circles:\n",
        "        if True:\n",
    ),
    Mutant(
        "listing users does not prune",
        "listing.py",
        "not in self._possible:\n            return []",
        "not in self._possible:\n            pass",
    ),
    Mutant(
        "listing users lets a circle be subtracted",
        "usersets.py",
        "        if other.in_circle:\n            return EMPTY\n",
        "",
    ),
    Mutant(
        "listing users forgets who is left out of everybody",
        "usersets.py",
        "(self.but | other.named) - named if everybody",
        "self.but if everybody",
    ),
    Mutant(
        "listing users does not let back in",
        "usersets.py",
        "        candidates = self.named | (other.but if self.everybody else NONE)",
        "        candidates = self.named",
    ),
    Mutant(
        "listing users does not count computed steps",
        "listing.py",
        "path | {here}, depth + 1)",
        "path | {here}, depth)",
    ),
    Mutant(
        "batch items share their answer",
        "questions.py",
        'return {"allowed": self.check(item)}',
        'self._kept = getattr(self, "_kept", {})\n            k = str(item.tuple_key)\n            if k not in self._kept:\n                self._kept[k] = self.check(item)\n            return {"allowed": self._kept[k]}',
    ),
    Mutant(
        "the quick way forgets the model",
        "quick.py",
        "        if condition.name not in names:\n            return False\n",
        "",
    ),
    Mutant(
        "the quick way stops at the first parent",
        "quick.py",
        "            if further(tuples, parent, user, kind, asked):\n                return True\n",
        "            return further(tuples, parent, user, kind, asked)\n",
    ),
    Mutant(
        "a tupleset may name more than objects",
        "validation.py",
        "unknown or (relation.is_tupleset and not is_plain)",
        "unknown",
    ),
    Mutant("a model may go in circles", "validation.py", "if _has_cycle(", "if False and _has_cycle("),
    Mutant(
        "a model needs no way in",
        "validation.py",
        "    if not enters:\n        raise",
        "    if False:\n        raise",
    ),
    Mutant(
        "conditions need not be boolean",
        "expressions.py",
        "        if typed.return_type() != cel.Type.BOOL:",
        "        if False:",
    ),
)


def noticed(mutant: Mutant) -> str:
    """The test that fails with the bug, or nothing."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as place:
        copy = Path(place) / "repo"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
        target = copy / ENGINE / mutant.file
        before = target.read_text()
        if before.count(mutant.there) < 1:
            raise SystemExit(f"{mutant.name}: {mutant.file} has changed; the bug has no place there")
        target.write_text(before.replace(mutant.there, mutant.instead, 1))
        tests = [one for one in TESTS if (copy / one).exists()]
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    failed = re.search(r"^(?:FAILED|ERROR) \S*?/([^/\s]+?\.py(?:::\S+)?)", run.stdout, re.MULTILINE)
    return "" if run.returncode == 0 else failed[1] if failed else "the engine cannot be imported"


def main(names: list[str]) -> int:
    """Try them all, or those that are named; return the exit code."""
    missed = 0
    wanted = [one for one in MUTANTS if not names or one.name in names]
    for number, mutant in enumerate(wanted, 1):
        began = time.monotonic()
        found = noticed(mutant)
        missed += not found
        seconds = time.monotonic() - began
        sys.stdout.write(f"{number:3} {mutant.name:58} {found or 'NOT NOTICED':70} {seconds:5.1f} s\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(wanted) - missed} of {len(wanted)} bugs were noticed\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Store: the folder `snapshots` of a twin, where the last two are kept."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from twins.runtime import clock, codec, files
from twins.runtime.identity import KEY, TABLE, Identity
from twins.runtime.keys import KeyStore
from twins.runtime.snapshots import manifest
from twins.runtime.snapshots.chunks import Chunks, ChunkUnusable, Rows, split
from twins.runtime.snapshots.manifest import Contents, Manifest, ManifestUnusable

KEPT = 2
Tables = dict[str, Rows]
logger = logging.getLogger(__name__)


class Place(Protocol):
    """A place in the log, after a record that is on disk; such as JSON can hold."""

    @property
    def seq(self) -> int:
        """That record."""


class Loaded(NamedTuple):
    """A snapshot that was read and holds.

    Attributes:
        seq: the last record before `position`.
        position: the JSON of the place from which to read on in the log.
        through: the last record that the rows may show; to replay one that they show already changes nothing.
        log_bytes: how long the log was.
        tables: the rows, in their order.
    """

    seq: int
    position: msgspec.Raw
    through: int
    log_bytes: int
    tables: Tables


class Saved(NamedTuple):
    """A snapshot that was written."""

    seq: int
    rows: int
    chunks: int


def log_bytes(directory: Path) -> int:
    """How long a twin's log is."""
    return sum(path.stat().st_size for path in files.listed(directory / "log", suffix=".mlog"))


class SnapshotStore:
    """Writes, finds and removes snapshots; every method blocks."""

    def __init__(self, directory: Path, keys: KeyStore) -> None:
        self._keys = keys
        self.directory = directory / "snapshots"
        self._chunks = self.directory / "chunks"

    def save(self, tables: Mapping[str, Mapping[str, bytes]], place: Place, through: int) -> Saved:
        """Write a snapshot, durably and all or nothing; remove those before the last two.

        Args:
            tables: the rows, which nobody may change meanwhile.
            place: where to read on in the log.
            through: the last record that the rows may show; it must be on disk.
        """
        me = msgspec.json.decode(tables[TABLE][KEY], type=Identity)
        files.make_directory(self.directory)
        files.make_directory(self._chunks)
        chunks = Chunks(self._chunks, self._keys.snapshot_key())
        named = {name: [chunks.put(part) for part in split(rows)] for name, rows in tables.items() if rows}
        position = msgspec.Raw(codec.encode(place))
        contents = Contents(position, through, log_bytes(self.directory.parent), named)
        made = Manifest(me.id, place.seq, clock.now(), me.x, contents)
        manifest.write(self.directory, made, self._keys.snapshot_key(), self._keys.signing_key(me.kid))
        self.sweep()
        return Saved(place.seq, sum(map(len, tables.values())), sum(map(len, named.values())))

    def load(self) -> Iterator[Loaded]:
        """The snapshots that hold, the newest first; what is wrong with another one is logged."""
        for path in manifest.paths(self.directory):
            try:
                yield self.open(path)
            except (ManifestUnusable, ChunkUnusable) as error:
                logger.warning("the snapshot %s is passed over: %s", path.name, error)

    def open(self, path: Path) -> Loaded:
        """One snapshot.

        Raises:
            ManifestUnusable, ChunkUnusable: it does not hold.
        """
        read = manifest.read(path, self._keys.snapshot_key())
        chunks = Chunks(self._chunks, self._keys.snapshot_key())
        with _without_collector():
            tables = {name: chunks.gather(addresses) for name, addresses in read.contents.tables.items()}
        _refuse_stranger(read, tables)
        held = read.contents
        return Loaded(read.seq, held.position, held.through, held.log_bytes, tables)

    def sweep(self, kept: int = KEPT) -> None:
        """Keep the last snapshots that the present keys open; remove all else, also what is half-written."""
        wanted: set[Path] = set()
        for path in manifest.paths(self.directory):
            try:
                read = manifest.read(path, self._keys.snapshot_key())
            except ManifestUnusable:
                continue
            if kept > 0:
                kept -= 1
                wanted.add(path)
                wanted |= {self._chunks / name for names in read.contents.tables.values() for name in names}
        gone = [path for path in self._files() if path not in wanted]
        for path in gone:
            path.unlink()
        for folder in {path.parent for path in gone}:
            files.sync_directory(folder)

    def _files(self) -> list[Path]:
        folders = [self.directory, self._chunks]
        return [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()]


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the cycle collector out while millions of rows come, of which none can be part of a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _refuse_stranger(read: Manifest, tables: Tables) -> None:
    """Return when the rows say that this twin has, at that record, the key that signed the manifest."""
    row = tables.get(TABLE, {}).get(KEY)
    me = msgspec.json.decode(row, type=Identity) if row is not None else None
    if me is None or (me.id, me.x) != (read.twin, read.x):
        raise ManifestUnusable("it is signed with what was not this twin's key then")

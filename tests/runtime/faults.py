"""A disk that fails, as a library to preload."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

# With WRITES_THAT_GO_WELL each of the system's calls that end a write fails with EIO once so many writes to a
# segment went well. While the file FAULT is there, with such as "rename 28 /keys/", a rename to a path with
# that part in it fails with that error; with "fsync" the fsync of a folder does, whose path ends in "/" then.
SOURCE = r"""
#define _GNU_SOURCE
#include <aio.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int left = -1;

static int name_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

static int spent(int fd) {
    char path[4096];
    if (!getenv("WRITES_THAT_GO_WELL") || !name_of(fd, path, sizeof path - 1)) return 0;
    if (!strstr(path, ".mlog")) return 0;
    if (left < 0) left = atoi(getenv("WRITES_THAT_GO_WELL"));
    return left-- <= 0;
}

static ssize_t fails(int fd, const void *data, size_t size, off_t offset, const char *name) {
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, name);
    int broken = spent(fd);
    if (broken && getenv("SHORT")) return real(fd, data, size / 2, offset);
    if (broken) { errno = EIO; return -1; }
    return real(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *d, size_t n, off_t o) { return fails(fd, d, n, o, "pwrite"); }
ssize_t pwrite64(int fd, const void *d, size_t n, off64_t o) { return fails(fd, d, n, o, "pwrite64"); }

static int broken_now = 0;

int aio_error(const struct aiocb *cb) {
    int (*real)(const struct aiocb *) = dlsym(RTLD_NEXT, "aio_error");
    int error = real(cb);
    if (error == 0 && spent(cb->aio_fildes)) { broken_now = 1; return getenv("SHORT") ? 0 : EIO; }
    return error;
}

ssize_t aio_return(struct aiocb *cb) {
    ssize_t (*real)(struct aiocb *) = dlsym(RTLD_NEXT, "aio_return");
    ssize_t size = real(cb);
    return broken_now ? (getenv("SHORT") ? size / 2 : -1) : size;
}

static int fault(const char *call, const char *path) {
    char wanted[16], part[256];
    int error = 0, read = 0;
    FILE *file = getenv("FAULT") ? fopen(getenv("FAULT"), "r") : NULL;
    if (!file) return 0;
    read = fscanf(file, "%15s %d %255s", wanted, &error, part);
    fclose(file);
    return read == 3 && !strcmp(call, wanted) && strstr(path, part) ? error : 0;
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    int error = fault("rename", to);
    if (error) { errno = error; return -1; }
    return real(from, to);
}

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    struct stat about;
    char path[4096];
    int error = 0;
    if (!fstat(fd, &about) && S_ISDIR(about.st_mode) && name_of(fd, path, sizeof path - 2))
        error = fault("fsync", strcat(path, "/"));
    if (error) { errno = error; return -1; }
    return real(fd);
}
"""


def build(home: Path) -> Path:
    """The library, compiled in a folder; skips the test where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: the failing disk was not tried")
    source, library = home / "shim.c", home / "shim.so"
    source.write_text(SOURCE)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library


@dataclass
class FailingDisk:
    """What processes with this `environment` meet while `fails` runs."""

    shim: Path
    switch: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.shim), "FAULT": str(self.switch)}

    @contextmanager
    def fails(self, call: str, error: int, part: str) -> Iterator[None]:
        """Every `rename` or folder's `fsync` whose path holds the part fails."""
        self.switch.write_text(f"{call} {error} {part}\n")
        yield
        self.switch.unlink()

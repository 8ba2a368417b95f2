"""Slugs and paths, for every input."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twins.host.paths import check_slug, run_dir, socket_of


@given(st.text(max_size=50) | st.from_regex(r"[a-z0-9-./]{1,45}"))
def test_no_slug_leads_out_of_the_run_folder(slug: str) -> None:
    home = Path("/srv/mycelium")
    try:
        path = socket_of(home, slug)
    except ValueError:
        return
    assert path.parent == run_dir(home)
    assert path.resolve() == path
    assert path.name == f"{slug}.sock"


@given(
    st.from_regex(r"\A[a-z0-9](-?[a-z0-9]){0,39}\Z").filter(lambda slug: len(slug) <= 40 and slug != "host")
)
def test_every_slug_of_the_rule_is_accepted(slug: str) -> None:
    assert check_slug(slug) == slug


@given(st.text("abc/", min_size=1, max_size=300))
def test_every_socket_path_fits_the_kernels_limit(home: str) -> None:
    assert len(str(socket_of(Path("/") / home, "x" * 40))) <= 103


def test_two_long_homes_do_not_share_their_sockets() -> None:
    assert run_dir(Path("/" + "a" * 90)) != run_dir(Path("/" + "b" * 90))


def test_a_short_folder_that_others_could_write_to_is_refused(tmp_path: Path) -> None:
    home = tmp_path / ("long-" * 20)
    folder = run_dir(home)
    folder.mkdir(mode=0o755)
    try:
        with pytest.raises(PermissionError, match=str(folder)):
            run_dir(home)
    finally:
        folder.rmdir()

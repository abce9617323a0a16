"""What stands on standard error is Lockbox's own, as lockbox(1) promises: no library writes there."""

import pathlib

import pytest

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
CERTIFICATES = sorted(path for path in (DATA / "openpgp").rglob("*") if path.suffix in (".asc", ".pgp"))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in CERTIFICATES])
def test_an_import_lets_no_library_write_there(lockbox, path):
    result = lockbox.run("import", path)
    strange = [line for line in result.err.splitlines() if not line.startswith("lockbox: ")]
    assert not strange, result


def test_what_lockbox_says_comes_through(lockbox):
    result = lockbox.run("import", lockbox.folder / "missing.asc")
    assert result.status == 66
    assert result.err.startswith("lockbox: error: "), result

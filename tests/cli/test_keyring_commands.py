"""lockbox list, show, export and remove with real certificates, and keyrings in trouble."""

import sqlite3
import subprocess

import pytest

from support.gnupg import GnuPgHome

BOB = "bob@example.org"
CAROL = "carol@example.org"


def test_list_and_show(filled, bob_home, carol_home):
    listing = filled.run("list")
    assert (listing.status, listing.err) == (0, "")
    head, first, second = listing.text.splitlines()
    assert head.split() == ["ADDRESS", "PROTOCOL", "FINGERPRINT", "USABLE", "TRUST", "STATE", "SOURCE"]
    assert first.split()[:3] == [BOB, "openpgp", bob_home.fingerprint(BOB)]
    assert second.split()[:3] == [CAROL, "openpgp", carol_home.fingerprint(CAROL)]
    assert first.index("openpgp") == second.index("openpgp") == head.index("PROTOCOL")

    shown = filled.run("show", BOB)
    assert shown.status == 0
    keys = [line.split(":")[9] for line in bob_home.run("--with-colons", "--list-keys", bob_home.fingerprint(BOB)).decode().splitlines()
            if line.startswith("fpr:")]
    for part in (*keys, "Bob Example <bob@example.org>", "ed25519", "cv25519", "manual"):
        assert part in shown.text
    fingerprint = carol_home.fingerprint(CAROL)
    for name in (fingerprint, fingerprint[-16:], fingerprint.lower(), "0x" + fingerprint[:8],
                 " ".join(fingerprint[n:n + 4] for n in range(0, 40, 4))):
        assert "rsa2048" in filled.run("show", name).text


def test_export_is_what_gpg_imports(filled, bob_home, carol_home):
    with GnuPgHome() as other:
        other.import_key(filled.run("export", BOB, CAROL).out)
        other.import_key(filled.run("export", "--binary", BOB, CAROL).out)
        assert other.fingerprint(BOB) == bob_home.fingerprint(BOB)
        assert other.fingerprint(CAROL) == carol_home.fingerprint(CAROL)
        assert bob_home.decrypt(other.encrypt(b"hello", BOB)) == b"hello"


def test_export_then_import_changes_nothing(filled):
    result = filled.run("import", "-", input=filled.run("export", BOB, CAROL).out)
    assert [line.split()[0] for line in result.text.splitlines()] == ["unchanged", "unchanged"]


def test_remove(filled, bob_home):
    assert filled.run("remove", BOB).text == (
        f"removed  {bob_home.fingerprint(BOB)}  {BOB}\n"
        f"           mail to {BOB} is refused (certificate removed by a person) from now on\n")
    assert " former " in filled.run("list", BOB).text  # remembered: nobody gets in clear what was sealed yesterday
    assert filled.run("remove", BOB).status == 67
    assert filled.run("encrypt", "--to", BOB, input=b"x").status == 67
    assert filled.run("list", CAROL).status == 0


def test_several_certificates_of_one_address(filled, bob_home):
    with GnuPgHome() as other:
        newer = other.generate("Bob at work <bob@example.org>")
        result = filled.run("import", "-", input=other.export(BOB))
    assert result.status == 2, result
    assert newer in result.text and bob_home.fingerprint(BOB) in result.text
    assert len(filled.run("list", BOB).text.splitlines()) == 3
    # What waits for approval is not handed on as Bob's.
    assert filled.run("export", BOB).out.count(b"BEGIN PGP PUBLIC KEY BLOCK") == 1
    assert filled.run("export", newer).status == 0
    refused = filled.run("remove", BOB)
    assert refused.status == 64
    assert newer in refused.err and "--all" in refused.err
    assert filled.run("remove", newer).status == 0
    assert filled.run("remove", "--all", BOB).status == 0


# --- Keyrings in trouble ---

COMMANDS = [["list"], ["list", BOB], ["show", BOB], ["export", BOB], ["remove", BOB], ["encrypt", "--to", BOB],
            ["explain", "--from", "alice@example.com", "--to", BOB]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_keyring(lockbox, command):
    result = lockbox.run(*command)
    assert (result.status, result.out) == (69, b""), result
    assert f"there is no keyring {lockbox.keyring}" in result.err and "lockbox: hint:" in result.err
    assert not lockbox.keyring.exists()


@pytest.mark.parametrize("command", [*COMMANDS, ["import", "-"]], ids=" ".join)
@pytest.mark.parametrize("damage", ["text", "cut", "overwritten"])
def test_damaged_keyring(filled, bob_home, command, damage):
    sqlite3.connect(filled.keyring).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    octets = filled.keyring.read_bytes()
    for suffix in ("-wal", "-shm"):
        filled.keyring.with_name(filled.keyring.name + suffix).unlink(missing_ok=True)
    filled.keyring.write_bytes({"text": b"this is no database, whatever its name says\n" * 200,
                                "cut": octets[:len(octets) // 2],
                                "overwritten": octets[:100] + b"\xff" * (len(octets) - 100)}[damage])
    result = filled.run(*command, input=bob_home.export(BOB))
    assert result.status == 65, result
    assert str(filled.keyring) in result.err
    assert result.err.startswith("lockbox: error: ")


def test_keyring_of_a_newer_schema(filled):
    with sqlite3.connect(filled.keyring) as database:
        assert database.execute("UPDATE lockbox_keyring SET schema_version = 999").rowcount == 1
    for command in COMMANDS:
        result = filled.run(*command)
        assert (result.status, result.out) == (69, b""), result
        assert "newer" in result.err and "lockbox: hint:" in result.err


def test_keyring_locked_for_writing(filled, bob_home):
    """Readers go on; an import waits for the writer and then succeeds."""
    database = sqlite3.connect(filled.keyring, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    assert filled.run("list", BOB).status == 0
    with GnuPgHome() as other:
        other.generate("Late <late@example.org>")
        certificate = other.export("late@example.org")
    waiting = subprocess.Popen([filled.program, "import", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=filled.environment())
    waiting.stdin.write(certificate)
    waiting.stdin.close()
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=1)
    database.execute("COMMIT")
    assert waiting.wait(timeout=60) == 0
    assert waiting.stdout.read().startswith(b"new ")
    waiting.stdout.close()
    waiting.stderr.close()


def test_keyring_in_a_missing_or_forbidden_place(lockbox, bob_home):
    result = lockbox.run("--keyring", lockbox.folder / "missing" / "keyring.db", "import", "-",
                         input=bob_home.export(BOB))
    assert result.status in (69, 74, 77), result
    assert "missing" in result.err
    result = lockbox.run("--keyring", lockbox.folder, "list")
    assert result.status == 69, result
    assert "is a directory" in result.err


def test_full_disk(lockbox, bob_home, tmp_path):
    """A file system of its own with hardly any room, where this machine lets us make one."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "lockbox-test", str(place)], check=False,
                             capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a file system here")
    try:
        result = lockbox.run("--keyring", place / "keyring.db", "import", "-", input=bob_home.export(BOB))
        assert result.status == 74, result
        assert str(place) in result.err
        target = place / "opened"
        opened = lockbox.run("decrypt", "-o", target, input=bob_home.encrypt(bytes(100_000), BOB, armor=False))
        assert opened.status == 74, opened
        assert not target.exists()
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)



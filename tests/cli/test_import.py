"""lockbox import: every kind of input, and every way to be refused."""

import base64
import email.message
import subprocess

import pytest

from support.gnupg import GnuPgHome

# RFC 9580 Appendix A.3: a version 6 certificate, in hexadecimal.
VERSION_6_CERTIFICATE = bytes.fromhex(
    "c62a0663877fe31b00000020f94da7bb48d60a61e567706a6587d0331999bb9d891a08242ead84543df895a3c2b1061f"
    "1b0a00000042058263877fe3030b090705150a0e080c021600029b03021e09222106cb186c4f0609a697e4d52dfa6c72"
    "2b0c1f1e27c18a56708f6525ec27bad9acc905270902070200000000ad2820103e2d7d227ec0e6d7ce4471db36bfc970"
    "83253690271498a7ef0576c07faae14585b3b903b0127ec4fda2f023045a2ec76bcb4f9571a9651e14aee1137a1d6684"
    "42c88f951e33c4ffd33fb9a17d511eed758fc6d9cc50cb5fd793b2039d5804ce2a0663877fe319000000208693248367"
    "f9e5015db922f8f48095dda784987f2d5985b12fbad16caf5e4435c29b06181b0a0000002c058263877fe3029b0c2221"
    "06cb186c4f0609a697e4d52dfa6c722b0c1f1e27c18a56708f6525ec27bad9acc900000000040120a6e9186d9d5935fc"
    "8fe56314cdb527486a5a5120f9b762a235a729f039010a56516b673700c4334835daf631a1633c63cd56f9b1c1c3cd39"
    "23c9165645d4eaf14e8be1d6beffe2adaee87c9bb5e8d9e852485c96452b934997b9b66fca5e0606")


@pytest.fixture(scope="module")
def home():
    """Keys with something special about each."""
    with GnuPgHome() as gnupg:
        gnupg.generate("Alice <alice@example.org>")
        gnupg.generate("Signer <signer@example.org>", encryption=False)
        gnupg.generate("Old <old@example.org>", expire="30d", faked_time="2020-01-02")
        gnupg.generate("Weak <weak@example.org>", algo="rsa1024")
        gnupg.generate("Nobody In Particular")
        yield gnupg


def outcomes(result):
    return [line.split()[0] for line in result.text.splitlines() if not line.startswith(" ")]


def test_new_unchanged_updated(lockbox):
    with GnuPgHome() as gnupg:
        fingerprint = gnupg.generate("Dora <dora@example.org>", expire="2y")
        first = lockbox.run("import", lockbox.file("dora.asc", gnupg.export("dora@example.org")))
        assert first.status == 0, first
        assert first.text.startswith(f"new        {fingerprint}  dora@example.org  until 20")
        assert first.err == ""
        again = lockbox.run("import", "-", input=gnupg.export("dora@example.org", armor=False))
        assert (again.status, outcomes(again)) == (0, ["unchanged"])
        gnupg.set_expire(fingerprint, "4y")
        longer = lockbox.run("import", "-", input=gnupg.export("dora@example.org"))
        assert (longer.status, outcomes(longer)) == (0, ["updated"])
        gnupg.revoke(fingerprint)
        revoked = lockbox.run("import", "-", input=gnupg.export("dora@example.org"))
        assert (revoked.status, outcomes(revoked)) == (0, ["updated"])
        assert revoked.text.splitlines()[0].endswith("  certificate revoked"), revoked
    assert "certificate revoked" in lockbox.run("list", "dora@example.org").text


def test_several_files_and_standard_input(lockbox, bob_home, home):
    result = lockbox.run("import", lockbox.file("alice.asc", home.export("alice@example.org")), "-",
                         input=bob_home.export("bob@example.org"))
    assert (result.status, outcomes(result)) == (0, ["new", "new"])


@pytest.mark.parametrize("user, reason", [
    ("signer@example.org", "encrypt"), ("old@example.org", "certificate expired on 2020-02-01"),
    ("weak@example.org", "1024"), ("Nobody In Particular", "address")])
def test_refused(lockbox, home, user, reason):
    result = lockbox.run("import", "-", input=home.export(user))
    assert result.status == 65, result
    assert outcomes(result) == ["refused"]
    assert reason in result.text
    assert home.fingerprint(user) in result.text
    assert lockbox.run("list").out == b""


def test_revoked_is_refused(lockbox):
    with GnuPgHome() as gnupg:
        gnupg.revoke(gnupg.generate("Gone <gone@example.org>"))
        result = lockbox.run("import", "-", input=gnupg.export("gone@example.org"))
    assert (result.status, outcomes(result)) == (65, ["refused"])
    assert "certificate revoked" in result.text


def test_secret_key_is_refused_with_the_way_out(lockbox, home):
    result = lockbox.run("import", "-", input=home.export_secret("alice@example.org"))
    assert (result.status, outcomes(result)) == (65, ["refused"])
    assert "secret key" in result.text
    assert "gpg --export --armor" in result.text
    assert lockbox.run("list").out == b""


def test_version_6_is_refused(lockbox):
    result = lockbox.run("import", "-", input=VERSION_6_CERTIFICATE)
    assert (result.status, outcomes(result)) == (65, ["refused"])
    assert "version" in result.text


def test_oversized_is_refused(lockbox, home):
    # A User Attribute packet (tag 17) of two megabytes behind the User ID.
    octets = home.export("alice@example.org", armor=False)
    image = b"\xd1\xff" + (2 << 20).to_bytes(4, "big") + bytes(2 << 20)
    result = lockbox.run("import", "-", input=octets + image)
    assert (result.status, outcomes(result)) == (65, ["refused"])
    assert "octets" in result.text or "large" in result.text


def test_flooded_is_refused(lockbox, home):
    octets = home.export("alice@example.org", armor=False)
    # Signature packets (tag 2) that nobody can check, as key servers were flooded with.
    signature = bytes([4, 0x10, 22, 8, 0, 0, 0, 0, 0xab, 0xcd, 0, 8, 1, 0, 8, 1])
    flood = (b"\xc2" + bytes([len(signature)]) + signature) * 6000
    result = lockbox.run("import", "-", input=octets + flood)
    assert (result.status, outcomes(result)) == (65, ["refused"])
    assert "flooded" in result.text


def test_one_bad_certificate_does_not_hide_the_good_ones(lockbox, bob_home, home):
    result = lockbox.run("import", "-", input=b"Dear administrator,\n\n" + home.export("weak@example.org") +
                         b"\nand this one:\n" + bob_home.export("bob@example.org") + b"\nregards\n" +
                         home.export("alice@example.org"))
    assert result.status == 65
    assert outcomes(result) == ["refused", "new", "new"]
    binary = lockbox.run("import", "-", input=home.export("weak@example.org", armor=False) + VERSION_6_CERTIFICATE +
                         bob_home.export("bob@example.org", armor=False))
    assert (binary.status, outcomes(binary)) == (65, ["refused", "refused", "unchanged"])


@pytest.mark.parametrize("octets", [b"", b"\n", b"Hello, here is no key.\n", bytes(range(256)) * 20,
                                    b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
                                    b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_no_certificate_at_all(lockbox, octets):
    result = lockbox.run("import", "-", input=octets)
    assert result.status == 65, result
    assert b"new" not in result.out
    assert result.err.startswith("lockbox: error: ") or outcomes(result) == ["refused"]


def test_damaged_armor_is_refused(lockbox, home):
    armor = home.export("alice@example.org")
    lines = armor.split(b"\n")
    lines[4] = lines[4][::-1]
    result = lockbox.run("import", "-", input=b"\n".join(lines))
    assert result.status == 65, result
    assert lockbox.run("list").out == b""


def test_cut_off_binary_is_refused(lockbox, home):
    result = lockbox.run("import", "-", input=home.export("alice@example.org", armor=False)[:-10])
    assert result.status == 65, result


def test_attached_to_a_message(lockbox, home):
    message = email.message.EmailMessage()
    message["From"] = "Alice <alice@example.org>"
    message["To"] = "admin@example.net"
    message["Subject"] = "my key"
    message.set_content("attached\n")
    message.add_attachment(home.export("alice@example.org"), maintype="application", subtype="pgp-keys",
                           filename="alice.asc", cte="base64")
    result = lockbox.run("import", lockbox.file("message.eml", bytes(message)))
    assert (result.status, outcomes(result)) == (0, ["new"]), result
    assert "alice@example.org" in result.text


def test_autocrypt_field(lockbox, home):
    key = base64.encodebytes(home.export("alice@example.org", armor=False)).decode().strip().replace("\n", "\n ")
    message = (f"From: Alice <alice@example.org>\nTo: admin@example.net\nSubject: hello\n"
               f"Autocrypt: addr=alice@example.org; prefer-encrypt=mutual; keydata=\n {key}\n\nhello\n")
    result = lockbox.run("import", "-", input=message.encode())
    assert (result.status, outcomes(result)) == (0, ["new"]), result


def test_missing_files_do_not_stop_the_others(lockbox, home):
    good = lockbox.file("alice.asc", home.export("alice@example.org"))
    bad = lockbox.file("weak.asc", home.export("weak@example.org"))
    result = lockbox.run("import", lockbox.folder / "missing.asc", bad, good)
    assert result.status == 66
    assert outcomes(result) == ["refused", "new"]
    assert "missing.asc" in result.err
    assert lockbox.run("import", bad, lockbox.folder / "missing.asc", good).status == 65


def test_json(lockbox, home):
    good = lockbox.file("alice.asc", home.export("alice@example.org"))
    bad = lockbox.file("weak.asc", home.export("weak@example.org"))
    result = lockbox.run("import", "--json", good, bad)
    assert result.status == 65
    first, second = result.json["certificates"]
    assert first["outcome"] == "new"
    assert first["file"] == str(good)
    assert first["fingerprint"] == home.fingerprint("alice@example.org")
    assert first["addresses"] == ["alice@example.org"]
    assert first["reason"] is None and first["usable_until"] is None
    assert second["outcome"] == "refused" and "1024" in second["reason"]


def test_a_user_id_cannot_steer_the_terminal(lockbox):
    with GnuPgHome() as gnupg:
        name = "Eve \u009b31m\u202e red"
        gnupg.generate(f"{name} <eve@example.net>")
        result = lockbox.run("import", "-", input=gnupg.export("eve@example.net"))
    assert result.status == 0, result
    shown = lockbox.run("show", "eve@example.net")
    for octets in (result.out, shown.out, lockbox.run("list", "--json").out):
        assert b"\xc2\x9b" not in octets and b"\xe2\x80\xae" not in octets and b"\x1b" not in octets


def test_two_imports_at_once_lose_nothing(lockbox):
    with GnuPgHome() as gnupg:
        files = []
        for n in range(8):
            gnupg.generate(f"Number {n} <n{n}@example.org>")
            files.append(str(lockbox.file(f"{n}.asc", gnupg.export(f"n{n}@example.org"))))
        running = [subprocess.Popen([lockbox.program, "import", *files[n::2]], env=lockbox.environment(),
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n in (0, 1)]
        for process in running:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
            assert out.count(b"new ") == 4
    assert len(lockbox.run("list", "--json").json["certificates"]) == 8


def test_a_directory_stands_for_its_files(lockbox, home):
    keys = lockbox.folder / "keys"
    keys.mkdir()
    (keys / "b-weak.asc").write_bytes(home.export("weak@example.org"))
    (keys / "a-alice.asc").write_bytes(home.export("alice@example.org"))
    (keys / ".hidden").write_text("no certificate")
    (keys / "folder").mkdir()
    result = lockbox.run("import", keys)
    assert (result.status, outcomes(result)) == (65, ["new", "refused"]), result
    empty = lockbox.folder / "empty"
    empty.mkdir()
    assert lockbox.run("import", empty).status == 66

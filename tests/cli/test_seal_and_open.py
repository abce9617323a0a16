"""lockbox encrypt, decrypt and inspect against gpg, sq and rnp: what one seals, the others open."""

import base64
import os
import pathlib
import re
import resource
import stat
import subprocess

import pytest

from support import messages
from support.command import Command
from support.dkim_key import DkimKey
from support.gnupg import GnuPgHome
from support.sealed import (Delivered, check_form, check_nothing_leaks, check_payload, open_with_rnp, open_with_sq)
from support.waiting import wait_for

ALICE = "alice@example.com"
BOB = "bob@example.org"
CAROL = "carol@example.org"

NOTE = b"From: Alice <alice@example.com>\nTo: bob@example.org\nSubject: lunch\nMessage-ID: <1@example.com>\n\nNoodles?\n"


def pgp_mime(armor, header=b"From: Alice <alice@example.com>\nTo: bob@example.org\nSubject: ...\n"):
    """A message as mail programs build it around an encrypted entity (RFC 3156 §4)."""
    return (header + b"MIME-Version: 1.0\nContent-Type: multipart/encrypted; boundary=\"b1\";\n"
            b" protocol=\"application/pgp-encrypted\"\n\n"
            b"--b1\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n"
            b"--b1\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\n\n" + armor + b"\n--b1--\n")


def split(octets):
    head, _, body = octets.partition(b"\n\n")
    return head, body


def sealed_body(message):
    """What has no header section is text to the command, all of it."""
    return message.body if message.fields else message.octets


@pytest.fixture(scope="module")
def secret_keys(tmp_path_factory, bob_home, carol_home):
    folder = tmp_path_factory.mktemp("secret")
    paths = {}
    for name, home in ((BOB, bob_home), (CAROL, carol_home)):
        paths[name] = folder / f"{name}.asc"
        paths[name].write_bytes(home.export_secret(name))
    return paths


@pytest.fixture(scope="module")
def domain_key(tmp_path_factory):
    return DkimKey(tmp_path_factory.mktemp("domain"), "example.com")


# --- Sealing ---

@pytest.mark.parametrize("shape", messages.SHAPES, ids=lambda shape: shape.__name__)
def test_what_encrypt_seals_everybody_opens(filled, tmp_path, bob_home, carol_home, secret_keys, shape):
    message = shape(ALICE, [BOB, CAROL])
    result = filled.run("encrypt", "--to", BOB, "--to", CAROL, input=message.octets)
    assert (result.status, result.err) == (0, ""), result
    delivered = Delivered(result.out)
    check_nothing_leaks(result.out, message)
    armor = check_form(delivered, message)
    payload = bob_home.decrypt(armor)
    assert payload.partition(b"\r\n\r\n")[2] == sealed_body(message)
    if message.fields and message.body.endswith(b"\r\n"):
        check_payload(payload, message, delivered)
    assert carol_home.decrypt(armor) == payload
    for name, path in secret_keys.items():
        folder = tmp_path / name
        folder.mkdir()
        assert open_with_sq(armor, path, folder) == payload
        assert open_with_rnp(armor, path, folder) == payload


# Without a From there is nothing that a domain could sign for.
SIGNED_BY_DOMAINS = [shape for shape in messages.SHAPES if shape is not messages.no_header_at_all]


@pytest.mark.parametrize("shape", SIGNED_BY_DOMAINS, ids=lambda shape: shape.__name__)
def test_a_dkim_signature_verifies_again_when_opened(filled, domain_key, shape):
    """With "simple" canonicalization, which forgives nothing."""
    original = domain_key.sign(shape(ALICE, [BOB]).octets, "simple/simple")
    assert domain_key.verify(original)
    sealed = filled.run("encrypt", "--to", BOB, input=original)
    assert (sealed.status, sealed.err) == (0, ""), sealed
    assert b"DKIM-Signature" not in sealed.out
    opened = filled.run("decrypt", input=sealed.out)
    assert opened.status == 0, opened
    assert domain_key.verify(opened.out)
    assert not domain_key.verify(opened.out.replace(b"Alice Example", b"Alice Forged", 1))


@pytest.mark.parametrize("shape", messages.SHAPES, ids=lambda shape: shape.__name__)
def test_what_encrypt_seals_decrypt_opens(filled, shape):
    message = shape(ALICE, [BOB])
    sealed = filled.run("encrypt", "--to", BOB, input=message.octets)
    opened = filled.run("decrypt", input=sealed.out)
    assert opened.status == 0, opened
    head, _, body = opened.out.partition(b"\r\n\r\n")
    assert body == sealed_body(message)
    if message.fields:
        for name in (b"From", b"To", b"Message-ID"):
            expected = [value for field, value in message.fields if field == name]
            for value in expected:
                assert re.sub(rb"\r\n(?=[ \t])", b"", value).strip() in re.sub(rb"\r\n(?=[ \t])", b"", head)
    for value in message.values("Subject"):
        assert re.sub(rb"\r\n(?=[ \t])", b"", value).strip() in re.sub(rb"\r\n(?=[ \t])", b"", head)
    assert b"HP-Outer" not in head and b"hp=" not in head and b"[...]" not in head


MAIL = pathlib.Path(__file__).resolve().parents[1] / "data" / "mail"


def fields(octets):
    """Header fields, folds included."""
    return re.split(rb"\n(?![ \t])", split(octets)[0])


def test_what_repeats_the_subject_or_the_text_is_inside_only(filled):
    """Fields of Outlook and of spam filters: nothing of them is outside, and all of them come back."""
    note = (MAIL / "subject-and-body-copies.eml").read_bytes().replace(b"\r\n", b"\n")
    sealed = filled.run("encrypt", "--to", BOB, input=note).out
    names = [field.partition(b":")[0] for field in fields(sealed)]
    assert names == [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version", b"Content-Type"]
    assert b"alary" not in sealed and b"4,200,000" not in sealed
    opened = filled.run("decrypt", input=sealed)
    assert opened.status == 0 and "warning" not in opened.err, opened
    assert sorted(fields(opened.out)) == sorted(fields(note))
    assert split(opened.out)[1] == split(note)[1]


def test_white_space_before_the_colon(filled):
    """RFC 5322 §4.5."""
    note = NOTE.replace(b"Subject:", b"Subject :").replace(b"To:", b"To\t:")
    sealed = filled.run("encrypt", "--to", BOB, input=note).out
    assert b"Subject: [...]" in fields(sealed) and b"lunch" not in sealed
    assert b"Subject: lunch" in fields(filled.run("decrypt", input=sealed).out)


def test_outer_field_adds_to_what_stays_outside(filled):
    config = filled.file("lockbox.conf", "outer-field = thread-topic\n")
    note = (MAIL / "subject-and-body-copies.eml").read_bytes().replace(b"\r\n", b"\n")
    sealed = filled.run("encrypt", "--config", config, "--to", BOB, input=note)
    assert sealed.status == 0, sealed
    assert b"Thread-Topic: Salary review for Erin" in fields(sealed.out)
    assert b"4,200,000" not in sealed.out and b"X-Spam" not in sealed.out
    opened = filled.run("decrypt", input=sealed.out).out
    assert sorted(fields(opened)) == sorted(fields(note))


def test_what_exchange_made_of_pgp_mime_is_sealed_already(filled):
    result = filled.run("encrypt", "--to", BOB, input=(MAIL / "exchange-mixed-up.eml").read_bytes())
    assert result.status == 65 and "sealed already" in result.err, result


def test_line_ends_stay_as_they_came(filled):
    with_lf = filled.run("encrypt", "--to", BOB, input=NOTE).out
    assert b"\r" not in with_lf
    assert filled.run("decrypt", input=with_lf).out.replace(b"\n\n", b"\n\n", 1).endswith(b"\n\nNoodles?\n")
    assert b"\r" not in filled.run("decrypt", input=with_lf).out
    with_crlf = filled.run("encrypt", "--to", BOB, input=NOTE.replace(b"\n", b"\r\n")).out
    assert re.search(rb"(?<!\r)\n", with_crlf) is None
    assert filled.run("decrypt", input=with_crlf).out.endswith(b"\r\n\r\nNoodles?\r\n")


@pytest.mark.parametrize("text", [b"password: hunter2\n", b"password: hunter2\n\nand more\n", b"Subject line without colon\n",
                                  b"To: do\nbuy milk\n\nrest\n", b" continued\nFrom: x\n\ny\n", b"hunter2", b"\n\nlines\n"])
def test_text_is_sealed_whole(filled, bob_home, text):
    result = filled.run("encrypt", "--to", BOB, input=text)
    assert result.status == 0, result
    names = {line.split(b":")[0] for line in split(result.out)[0].split(b"\n") if not line.startswith(b" ")}
    assert names == {b"MIME-Version", b"Content-Type"}
    payload = bob_home.decrypt(result.out)
    assert payload.partition(b"\r\n\r\n")[2] == text.replace(b"\n", b"\r\n")


def test_text_that_looks_like_a_message(filled, bob_home):
    result = filled.run("encrypt", "--to", BOB, "--text", input=NOTE)
    assert b"alice@example.com" not in result.out
    assert bob_home.decrypt(result.out).partition(b"\r\n\r\n")[2] == NOTE.replace(b"\n", b"\r\n")


def test_session_keys_never_repeat(filled, bob_home):
    sealed = [filled.run("encrypt", "--to", BOB, input=NOTE).out for _ in range(5)]
    keys = {bob_home.session_key(octets) for octets in sealed}
    assert len(keys) == 5
    assert all(key.startswith("9:") and len(set(key[2:])) > 4 for key in keys)  # AES-256 (RFC 9580 §9.3)


def test_output_file_is_private_and_whole(filled):
    target = filled.folder / "sealed.eml"
    result = filled.run("encrypt", "--to", BOB, "--output", target, filled.file("note.eml", NOTE))
    assert (result.status, result.out) == (0, b"")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert filled.run("decrypt", target).status == 0


def test_everybody_without_certificate_is_named(filled):
    target = filled.folder / "sealed.eml"
    result = filled.run("encrypt", "--to", BOB, "--to", "dave@example.org", "--to", "eve@example.org", "-o", target,
                        input=NOTE)
    assert (result.status, result.out) == (67, b"")
    assert "dave@example.org" in result.err and "eve@example.org" in result.err and BOB not in result.err
    assert not target.exists()


def test_sealed_already(filled):
    sealed = filled.run("encrypt", "--to", BOB, input=NOTE).out
    result = filled.run("encrypt", "--to", BOB, input=sealed)
    assert (result.status, result.out) == (65, b"")
    assert "sealed already" in result.err and "lockbox: hint:" in result.err


# --- Opening ---

def test_opens_pgp_mime_of_gpg(lockbox, bob_home):
    entity = b"Content-Type: text/plain; charset=utf-8\r\n\r\nfrom gpg \xc3\xa9\r\n"
    result = lockbox.run("decrypt", input=pgp_mime(bob_home.encrypt(entity, BOB)))
    assert result.status == 0, result
    head, body = split(result.out)
    assert body == b"from gpg \xc3\xa9\n"
    assert b"Subject: ..." in head and b"Content-Type: text/plain; charset=utf-8" in head
    assert b"multipart/encrypted" not in head
    assert "PGP/MIME" in result.err


def test_opens_what_sq_encrypted(lockbox, bob_home):
    certificate = lockbox.file("bob.asc", bob_home.export(BOB))
    entity = lockbox.file("entity", b"Content-Type: text/plain\r\n\r\nfrom sq\r\n")
    old = subprocess.run(["sq", "--version"], capture_output=True, check=False).returncode == 0
    command = ["sq", "encrypt", "--recipient-cert", str(certificate), str(entity)] if old else \
        ["sq", "--home", str(lockbox.folder / "sq"), "encrypt", "--without-signature", "--for-file", str(certificate), str(entity)]
    armor = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    result = lockbox.run("decrypt", input=pgp_mime(armor))
    assert result.status == 0, result
    assert split(result.out)[1] == b"from sq\n"


def test_opens_inline(lockbox, bob_home):
    message = b"From: alice@example.com\nSubject: inline\n\n" + bob_home.encrypt(b"inside\n", BOB)
    result = lockbox.run("decrypt", input=message)
    assert result.status == 0, result
    assert result.out == b"From: alice@example.com\nSubject: inline\n\ninside\n"


@pytest.mark.parametrize("armor", [True, False])
def test_opens_data_without_a_message_to_the_byte(lockbox, bob_home, armor):
    plaintext = bytes(range(256)) + b"\r\n\n\r"
    result = lockbox.run("decrypt", lockbox.file("data.pgp", bob_home.encrypt(plaintext, BOB, armor=armor)))
    assert result.status == 0, result
    assert result.out == plaintext


def test_reads_a_mail_folder_of_one_message(lockbox, bob_home):
    entity = b"Content-Type: text/plain\r\n\r\nboxed\r\n"
    message = b"From alice@example.com Mon Jun  1 00:00:00 2026\n" + pgp_mime(bob_home.encrypt(entity, BOB))
    result = lockbox.run("decrypt", input=message)
    assert result.status == 0, result
    assert result.out.startswith(b"From alice@example.com Mon Jun  1 00:00:00 2026\nFrom: ")  # still an mbox
    assert result.out.endswith(b"\n\nboxed\n")


def test_protected_header_fields_come_back(filled):
    note = NOTE.replace(b"Subject: lunch", "Subject: Mittagessen für zwei".encode())
    result = filled.run("decrypt", input=filled.run("encrypt", "--to", BOB, input=note).out)
    assert "Subject: Mittagessen für zwei\n".encode() in result.out
    assert b"[...]" not in result.out
    assert "sealed in" in result.err


def test_a_signature_inside_is_reported(lockbox, bob_home):
    with GnuPgHome() as alice:
        fingerprint = alice.generate("Alice <alice@example.com>")
        alice.import_key(bob_home.export(BOB))
        entity = b"Content-Type: text/plain\r\n\r\nsigned\r\n"
        message = pgp_mime(alice.encrypt(entity, BOB, sign_with=fingerprint))
    result = lockbox.run("decrypt", input=message)
    assert result.status == 0, result
    assert split(result.out)[1] == b"signed\n"
    assert "signature by" in result.err and fingerprint in result.err
    assert "good signature" not in result.err  # Bob has no certificate to check it with


def test_wrong_key(lockbox, carol_home, bob_home, tmp_path):
    entity = b"Content-Type: text/plain\r\n\r\nnot for you\r\n"
    message = pgp_mime(carol_home.encrypt(entity, CAROL))
    target = lockbox.folder / "opened"
    result = lockbox.run("decrypt", "--output", target, input=message)
    assert (result.status, result.out) == (77, b"")
    assert "no secret key" in result.err
    assert not target.exists()


@pytest.mark.parametrize("octets", [b"", NOTE, b"\x00\xff"])
def test_not_sealed(lockbox, octets):
    result = lockbox.run("decrypt", input=octets)
    assert (result.status, result.out) == (1, b"")
    assert "not sealed" in result.err


def tampered(packets, change):
    """One octet of the encrypted data changed. The container is the last packet."""
    octets = bytearray(packets)
    octets[change if change < 0 else len(octets) // 2 + change] ^= 1
    return bytes(octets)


@pytest.mark.parametrize("size", [100, 500_000])
@pytest.mark.parametrize("change", [-1, -10, -21, 0, 30])
def test_tampered_data_gives_nothing(lockbox, bob_home, size, change):
    plaintext = b"Content-Type: text/plain\r\n\r\n" + os.urandom(size // 2).hex().encode() + b"\r\n"
    packets = tampered(bob_home.encrypt(plaintext, BOB, armor=False), change)
    armor = b"-----BEGIN PGP MESSAGE-----\n\n" + base64.encodebytes(packets) + b"-----END PGP MESSAGE-----\n"
    target = lockbox.folder / "opened"
    for arguments, octets in (([], pgp_mime(armor)), ([], packets), (["--output", target], pgp_mime(armor))):
        result = lockbox.run("decrypt", *arguments, input=octets)
        assert (result.status, result.out) == (65, b""), result
        assert result.err.startswith("lockbox: error: ")
    assert not target.exists()


def test_data_without_integrity_protection_gives_nothing(lockbox):
    """A symmetrically encrypted packet (tag 9), as attackers make it of a SEIPD packet by changing its tag."""
    folder = pathlib.Path(__file__).resolve().parents[1] / "data" / "openpgp"
    for name in ("sed.bin", "no-mdc.bin"):
        with GnuPgHome() as home:
            for key in ("alice", "bob"):
                home.import_key((folder / f"{key}.secret.asc").read_bytes())
            result = Command(lockbox.folder, home).run("decrypt", folder / name)
        assert (result.status, result.out) == (65, b""), (name, result)


def test_cut_off_data_gives_nothing(lockbox, bob_home):
    packets = bob_home.encrypt(b"x" * 100_000, BOB, armor=False)
    for length in (len(packets) - 1, len(packets) - 22, len(packets) // 2, 150):
        result = lockbox.run("decrypt", lockbox.file("cut.pgp", packets[:length]))
        assert result.status in (1, 65), (length, result)
        assert result.out == b""


def test_an_existing_output_file_survives_failure(lockbox, bob_home):
    target = lockbox.file("opened", b"precious")
    packets = tampered(bob_home.encrypt(b"x" * 1000, BOB, armor=False), -1)
    assert lockbox.run("decrypt", "-o", target, input=packets).status == 65
    assert target.read_bytes() == b"precious"
    good = bob_home.encrypt(b"new", BOB, armor=False)
    assert lockbox.run("decrypt", "-o", target, input=good).status == 0
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in lockbox.folder.iterdir() if path.name.startswith("opened")] == ["opened"]


def test_decompression_bomb(lockbox, bob_home):
    bomb = bob_home.run("--compress-algo", "zlib", "-z", "9", "--recipient", BOB, "--encrypt", input=bytes(300 << 20))
    assert len(bomb) < 2 << 20
    result = lockbox.run("decrypt", lockbox.file("bomb.pgp", bomb))
    assert (result.status, result.out) == (65, b""), result
    assert "bomb" in result.err


def test_missing_file(lockbox):
    result = lockbox.run("decrypt", lockbox.folder / "missing.eml")
    assert (result.status, result.out) == (66, b"")


def test_no_core_file_is_allowed(lockbox):
    """Plaintext in memory stays there: the command forbids core files to itself and its children."""
    process = subprocess.Popen([lockbox.program, "decrypt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=lockbox.environment())
    try:
        wait_for(lambda: resource.prlimit(process.pid, resource.RLIMIT_CORE) == (0, 0), "a limit of no core file")
    finally:
        process.communicate(timeout=30)


def test_terminal_gets_no_control_characters(lockbox, bob_home):
    """Opened at a terminal, which script(1) plays."""
    entity = b"Content-Type: text/plain\r\n\r\nred \x1b[31m bell \x07 tab \t end\r\n"
    path = lockbox.file("message.eml", pgp_mime(bob_home.encrypt(entity, BOB)))
    done = subprocess.run(["script", "--quiet", "--return", "--command", f"{lockbox.program} decrypt {path}", "/dev/null"],
                          capture_output=True, check=False, timeout=60, env=lockbox.environment(), stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done
    assert b"red ?[31m bell ? tab \t end" in done.stdout
    assert b"\x1b" not in done.stdout and b"\x07" not in done.stdout


# --- Looking ---

def test_inspect_names_recipients_from_the_keyring(filled, bob_home):
    sealed = filled.run("encrypt", "--to", BOB, "--to", CAROL, input=NOTE).out
    result = filled.run("inspect", input=sealed)
    assert result.status == 0, result
    assert result.text.startswith("Sealed       yes: ")
    assert "SEIPDv1" in result.text
    assert BOB in result.text and CAROL in result.text and bob_home.fingerprint(BOB) in result.text
    assert "Readable     Subject: [...]" in result.text and "lunch" not in result.text
    found = filled.run("inspect", "--json", filled.file("sealed.eml", sealed)).json
    assert (found["sealed"], found["layer"], found["container"]) == (True, "openpgp-mime", "SEIPDv1")
    assert sorted(recipient["addresses"][0] for recipient in found["recipients"]) == [BOB, CAROL]


def test_inspect_needs_neither_keys_nor_a_keyring(lockbox, carol_home):
    result = lockbox.run("inspect", input=pgp_mime(carol_home.encrypt(b"x", CAROL)))
    assert (result.status, result.err) == (0, ""), result
    assert "Sealed to" in result.text and CAROL not in result.text
    assert not lockbox.keyring.exists()
    hidden = carol_home.encrypt(b"x", CAROL, options=["--throw-keyids"])
    assert "hidden" in lockbox.run("inspect", input=hidden).text


def test_inspect_plain_mail(lockbox):
    result = lockbox.run("inspect", input=NOTE)
    assert result.status == 0
    assert result.text.startswith("Sealed       no\n")
    assert "Readable     Subject: lunch" in result.text

"""Mail as other programs seal it and as servers leave it: what comes out is what was given to the program that sealed."""

import base64
import subprocess

import pytest

from support import cms
from support.gnupg import GnuPgHome
from support.mime import HEADER, detached, multipart, pgp_mime, smime, text

ALICE = "alice@example.com"
BOB = "bob@example.org"
BODY = "Grüße,\n\nAttack at dawn.\n-- \nAlice\n".encode()
ENTITY = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + BODY.replace(b"\n", b"\r\n")


@pytest.fixture
def with_authority(key_options, smime_keys):
    return [*key_options, "--smime-ca", smime_keys.authority]


def run(*command, input):
    return subprocess.run([*map(str, command)], input=input, capture_output=True, check=True, timeout=120).stdout


def by_gpg(bob_home, tmp_path, content):
    del tmp_path
    return bob_home.encrypt(content, BOB)


def by_gpg_compressed(bob_home, tmp_path, content):
    del tmp_path
    return bob_home.run("--compress-algo", "zlib", "--armor", "--recipient", BOB, "--encrypt", input=content)


def by_gpg_hidden(bob_home, tmp_path, content):
    del tmp_path
    return bob_home.run("--armor", "--hidden-recipient", BOB, "--encrypt", input=content)


def by_sq(bob_home, tmp_path, content):
    certificate = tmp_path / "bob.pgp"
    certificate.write_bytes(bob_home.export(BOB))
    old = subprocess.run(["sq", "--version"], capture_output=True, check=False).returncode == 0
    if old:
        return run("sq", "encrypt", "--recipient-cert", certificate, input=content)
    return run("sq", "--home", tmp_path / "sq", "encrypt", "--for-file", certificate, "--without-signature", input=content)


def by_rnp(bob_home, tmp_path, content):
    certificate = tmp_path / "bob.pgp"
    certificate.write_bytes(bob_home.export(BOB, armor=False))
    plain, sealed = tmp_path / "plain", tmp_path / "sealed.asc"
    plain.write_bytes(content)
    run("rnp", "--keyfile", certificate, "--recipient", BOB, "--encrypt", "--armor", "--output", sealed, plain, input=b"")
    return sealed.read_bytes().replace(b"\r\n", b"\n")


OPENPGP = [by_gpg, by_gpg_compressed, by_gpg_hidden, by_sq, by_rnp]


def body_of(octets):
    return octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2]


@pytest.mark.parametrize("seal", OPENPGP, ids=lambda seal: seal.__name__)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_pgp_mime(lockbox, bob_home, tmp_path, seal, line_end):
    message = (HEADER + pgp_mime(seal(bob_home, tmp_path, ENTITY))).replace(b"\n", line_end)
    result = lockbox.run("decrypt", input=message)
    assert result.status == 0, result
    assert body_of(result.out) == BODY
    assert result.out.count(b"\r\n") == (result.out.count(b"\n") if line_end == b"\r\n" else 0)


@pytest.mark.parametrize("seal", OPENPGP, ids=lambda seal: seal.__name__)
def test_inline(lockbox, bob_home, tmp_path, seal):
    armor = seal(bob_home, tmp_path, BODY)
    result = lockbox.run("decrypt", input=HEADER + b"\n" + armor)
    assert result.status == 0 and body_of(result.out) == BODY, result
    quoted = HEADER + b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(armor)
    assert body_of(lockbox.run("decrypt", input=quoted).out) == BODY


@pytest.mark.parametrize("options", [["-aes256"], ["-aes128"], ["-des3"], ["-aes-256-gcm"], ["-aes-128-gcm"], ["-aes256", "-stream"],
                                     ["-aes256", "-keyid"], ["-aes256", "-keyopt", "rsa_padding_mode:oaep"]],
                         ids=lambda options: "".join(options))
def test_openssl(lockbox, smime_keys, key_options, options):
    where = ["-recip", smime_keys.certificate_of(BOB)]
    octets = cms.openssl("cms", "-encrypt", "-binary", "-outform", "DER", *options[:1 if "-keyopt" in options else None], *where,
                         *(options[1:] if "-keyopt" in options else []), input=ENTITY)
    result = lockbox.run("decrypt", *key_options, input=HEADER + smime(octets))
    assert result.status == 0 and body_of(result.out) == BODY, result


def test_openssl_smime_message(lockbox, smime_keys, key_options):
    """As `openssl smime` writes a whole message."""
    message = run("openssl", "smime", "-encrypt", "-aes256", "-from", ALICE, "-to", BOB, "-subject", "x",
                  smime_keys.certificate_of(BOB), input=ENTITY)
    result = lockbox.run("decrypt", *key_options, input=message)
    assert result.status == 0 and body_of(result.out) == BODY, result


def test_lost_label(lockbox, bob_home, smime_keys, key_options):
    """A gateway made application/octet-stream of it; only the name is left."""
    armor = bob_home.encrypt(ENTITY, BOB)
    result = lockbox.run("decrypt", input=HEADER + b"Content-Type: application/octet-stream; name=encrypted.asc\n\n" + armor)
    assert result.status == 0 and body_of(result.out) == BODY, result
    octets = cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB), input=ENTITY)
    named = smime(octets).replace(b"application/pkcs7-mime; smime-type=enveloped-data", b"application/octet-stream")
    result = lockbox.run("decrypt", *key_options, input=HEADER + named)
    assert result.status == 0 and body_of(result.out) == BODY, result


def test_mixed_up_by_exchange(lockbox, bob_home):
    armor = bob_home.encrypt(ENTITY, BOB)
    mixed = multipart(b"mixed", text(b"\n"), b"Content-Type: application/pgp-encrypted\n\nVersion: 1\n",
                      b"Content-Type: application/octet-stream; name=encrypted.asc\n\n" + armor)
    result = lockbox.run("decrypt", input=HEADER + mixed)
    assert result.status == 0 and body_of(result.out) == BODY, result
    assert "mixed up" in result.err


def test_footer_of_a_mailing_list(lockbox, bob_home):
    footer = text(b"-- \nlist@example.org\n")
    message = HEADER + multipart(b"mixed", pgp_mime(bob_home.encrypt(ENTITY, BOB)), footer)
    result = lockbox.run("decrypt", input=message)
    assert result.status == 2, result
    assert result.out.replace(b"\r\n", b"\n") == HEADER + multipart(b"mixed", ENTITY.replace(b"\r\n", b"\n"), footer)


def test_encrypted_attachments(lockbox, bob_home, tmp_path):
    """Files that somebody encrypted by hand, binary and armored, beside a readable text."""
    pdf = bytes(range(256)) * 20
    parts = [text(b"See the files.\n")]
    for name, armor in (("a.pdf.gpg", False), ("b.pdf.asc", True)):
        octets = bob_home.encrypt(pdf, BOB, armor=armor)
        parts.append(b"Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=" + name.encode() +
                     b"\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(octets))
    message = HEADER + multipart(b"mixed", *parts)
    result = lockbox.run("read", "--save-attachments", tmp_path, input=message)
    assert result.status == 2, result
    assert (tmp_path / "a.pdf").read_bytes() == pdf and (tmp_path / "b.pdf").read_bytes() == pdf
    opened = lockbox.run("decrypt", input=message)
    assert opened.status == 2 and b"PGP MESSAGE" not in opened.out and b"a.pdf" in opened.out


def test_forwarded(lockbox, bob_home):
    inner = b"From: Carol <carol@example.net>\nSubject: inner\nMIME-Version: 1.0\n"
    forwarded = b"Content-Type: message/rfc822\n\n" + inner + pgp_mime(bob_home.encrypt(ENTITY, BOB))
    result = lockbox.run("decrypt", input=HEADER + multipart(b"mixed", text(b"see below\n"), forwarded))
    assert result.status == 2, result
    assert b"\n\nFrom: Carol <carol@example.net>\nSubject: inner\nContent-Type: text/plain" in result.out
    assert BODY in result.out
    shown = lockbox.run("read", input=HEADER + multipart(b"mixed", text(b"see below\n"), forwarded))
    part = shown.text[shown.text.index("\nPart 2"):]
    assert "From:       Carol <carol@example.net>" in part and "Attack at dawn." in part


# --- Signed and sealed ---

@pytest.fixture(scope="module")
def alice_home(bob_home):
    with GnuPgHome() as home:
        home.generate(f"Alice <{ALICE}>")
        home.import_key(bob_home.export(BOB))
        bob_home.import_key(home.export(ALICE))
        yield home


def signatures_in(lockbox, message, *options):
    result = lockbox.run("read", "--json", *options, input=message)
    assert result.status == 0, result
    return [(signature["protocol"], signature["is_of_sender"], signature["state"] in ("good", "unvouched"))
            for signature in result.json["signatures"]]


def test_signed_and_sealed_in_one(lockbox, alice_home):
    """RFC 3156 §6.2."""
    message = HEADER + pgp_mime(alice_home.encrypt(ENTITY, BOB, sign_with=ALICE))
    assert signatures_in(lockbox, message) == [("openpgp", True, True)]
    assert body_of(lockbox.run("decrypt", input=message).out) == BODY


def test_signed_inside_sealed(lockbox, bob_home, alice_home):
    """RFC 3156 §6.1: multipart/signed inside of multipart/encrypted. It stays in its signature, for others to verify."""
    signature = alice_home.run("--armor", "--detach-sign", "--local-user", ALICE, input=ENTITY)
    inside = detached(ENTITY, signature).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    message = HEADER + pgp_mime(bob_home.encrypt(inside, BOB))
    assert signatures_in(lockbox, message) == [("openpgp", True, True)]
    opened = lockbox.run("decrypt", input=message).out
    assert b"multipart/signed" in opened and BODY in opened


def test_smime_signed_inside_sealed(lockbox, smime_keys, with_authority):
    sign = ["cms", "-sign", "-binary", "-signer", smime_keys.certificate_of(ALICE), "-inkey", smime_keys.key_of(ALICE)]
    opaque = smime(cms.openssl(*sign, "-nodetach", "-outform", "DER", input=ENTITY), b"signed-data")
    clear = detached(ENTITY, base64.encodebytes(cms.openssl(*sign, "-outform", "DER", input=ENTITY)),
                     b"application/pkcs7-signature").replace(b"pkcs7-signature\n\n",
                                                             b"pkcs7-signature\nContent-Transfer-Encoding: base64\n\n", 2)
    for inside in (opaque, clear):
        payload = inside.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        octets = cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB),
                             input=payload)
        message = HEADER + smime(octets)
        assert signatures_in(lockbox, message, *with_authority) == [("smime", True, True)]
        assert BODY in lockbox.run("decrypt", *with_authority, input=message).out.replace(b"\r\n", b"\n")


def test_triple_wrap(lockbox, smime_keys, with_authority):
    """Signed, sealed, signed again (RFC 2634 §1.1): the outer signature is about the envelope only."""
    sign = ["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", smime_keys.certificate_of(ALICE), "-inkey",
            smime_keys.key_of(ALICE)]
    crlf = lambda octets: octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")  # noqa: E731
    inner = crlf(smime(cms.openssl(*sign, input=ENTITY), b"signed-data"))
    sealed = crlf(smime(cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB),
                                    input=inner)))
    message = HEADER + smime(cms.openssl(*sign, input=sealed), b"signed-data")
    result = lockbox.run("read", "--json", *with_authority, input=message)
    assert [(s["is_around_encryption"], s["proves_sender"]) for s in result.json["signatures"]] == [(True, False), (False, True)]
    assert body_of(lockbox.run("decrypt", *with_authority, input=message).out) == BODY


def test_openpgp_inside_smime(lockbox, bob_home, smime_keys, key_options):
    payload = pgp_mime(bob_home.encrypt(ENTITY, BOB)).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    octets = cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB), input=payload)
    result = lockbox.run("decrypt", *key_options, input=HEADER + smime(octets))
    assert result.status == 0 and body_of(result.out) == BODY, result


def test_clear_signed_text(lockbox, alice_home):
    """RFC 9580 §7: only what GnuPG says was signed is shown as signed."""
    block = alice_home.run("--armor", "--clear-sign", "--local-user", ALICE, input=b"- signed\nFrom here\n")
    result = lockbox.run("read", "--json", input=HEADER + b"\nnot signed\n\n" + block + b"\nnot signed either\n")
    assert result.status == 0, result
    assert result.json["signatures"] == []
    part, = result.json["parts"]
    assert part["number"] == "1#1" and part["signatures"][0]["is_of_sender"]
    assert part["texts"][0]["text"].strip() == "- signed\nFrom here"

"""Mail as other programs seal it and as servers leave it: what comes out is what was given to the program that sealed."""

import base64
import email
import shutil
import subprocess

import pytest

from support import cms
from support.gnupg import GnuPgHome
from support.mime import HEADER, detached, multipart, pgp_mime, smime, text
from support.mutt import sent_by
from support.smime import SmimeKeys

ALICE = "alice@example.com"
BOB = "bob@example.org"
BODY = "Grüße,\n\nAttack at dawn.\n-- \nAlice\n".encode()
ENTITY = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + BODY.replace(b"\n", b"\r\n")


@pytest.fixture(scope="module")
def smime_keys():
    with SmimeKeys() as keys:
        keys.make(BOB, "rsa2048")
        keys.make(ALICE, "rsa2048")
        yield keys


@pytest.fixture
def key_options(smime_keys, tmp_path):
    key = tmp_path / "bob.key.pem"
    key.write_bytes(smime_keys.key_of(BOB).read_bytes() + smime_keys.certificate_of(BOB).read_bytes())
    key.chmod(0o600)
    return ["--key", key, "--smime-ca", smime_keys.authority]


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
    part = shown.text[shown.text.index("\n▐ Part 2"):]
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


def test_smime_signed_inside_sealed(lockbox, smime_keys, key_options):
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
        assert signatures_in(lockbox, message, *key_options) == [("smime", True, True)]
        assert BODY in lockbox.run("decrypt", *key_options, input=message).out.replace(b"\r\n", b"\n")


def test_triple_wrap(lockbox, smime_keys, key_options):
    """Signed, sealed, signed again (RFC 2634 §1.1): the outer signature is about the envelope only."""
    sign = ["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", smime_keys.certificate_of(ALICE), "-inkey",
            smime_keys.key_of(ALICE)]
    crlf = lambda octets: octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")  # noqa: E731
    inner = crlf(smime(cms.openssl(*sign, input=ENTITY), b"signed-data"))
    sealed = crlf(smime(cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB),
                                    input=inner)))
    message = HEADER + smime(cms.openssl(*sign, input=sealed), b"signed-data")
    result = lockbox.run("read", "--json", *key_options, input=message)
    assert [(s["is_around_encryption"], s["proves_sender"]) for s in result.json["signatures"]] == [(True, False), (False, True)]
    assert body_of(lockbox.run("decrypt", *key_options, input=message).out) == BODY


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


# --- RFC 3156's own examples, byte for byte but for the armor ---

def rfc_3156_example(armor):
    """§4."""
    return (b"From: Michael Elkins <elkins@aero.org>\nTo: Michael Elkins <elkins@aero.org>\nMime-Version: 1.0\n"
            b'Content-Type: multipart/encrypted; boundary=foo;\n   protocol="application/pgp-encrypted"\n\n'
            b"--foo\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n--foo\nContent-Type: application/octet-stream\n\n" +
            armor + b"\n--foo--\n")


def test_rfc_3156_section_4(lockbox, bob_home):
    """With the quoted-printable text of §5's example inside."""
    inside = (b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
              b"=A1Hola!\r\n\r\nDid you know that talking to yourself is a sign of senility?\r\n\r\n"
              b"It's generally a good idea to encode lines that begin with\r\nFrom=20because some mail transport agents will\r\n"
              b"insert a greater-than (>) sign, thus invalidating the\r\nsignature.\r\n")
    result = lockbox.run("decrypt", input=rfc_3156_example(bob_home.encrypt(inside, BOB)))
    assert result.status == 0 and body_of(result.out) == body_of(inside), result
    assert "¡Hola!" in lockbox.run("read", input=rfc_3156_example(bob_home.encrypt(inside, BOB))).text


def test_rfc_3156_section_6_1(lockbox, bob_home, alice_home):
    """The example of a signed message inside, whose lines begin with "& " there."""
    entity = (b"Content-Type: text/plain; charset=us-ascii\r\n\r\nThis message was originally encrypted and then signed.\r\n"
              b"The Content-Type on this is text/plain\r\n")
    signature = alice_home.run("--armor", "--detach-sign", "--local-user", ALICE, input=entity)
    inside = (b'Content-Type: multipart/signed; micalg=pgp-md5;\n'
              b'     protocol="application/pgp-signature"; boundary=bar\n\n--bar\n' +
              entity + b"\n--bar\nContent-Type: application/pgp-signature\n\n" + signature + b"\n--bar--\n")
    message = rfc_3156_example(bob_home.encrypt(inside.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), BOB))
    result = lockbox.run("read", "--json", input=message.replace(b"elkins@aero.org", ALICE.encode()))
    assert result.status == 0, result
    assert [(s["is_of_sender"], s["is_around_encryption"]) for s in result.json["signatures"]] == [(True, False)]
    assert result.json["texts"][0]["text"].startswith("This message was originally encrypted and then signed.\nThe")


# --- Whole programs ---

def test_lockbox(lockbox, bob_home, carol_home):
    """What Lockbox seals, to two readers, with all header fields that it hides."""
    lockbox.import_from(bob_home, BOB)
    lockbox.import_from(carol_home, "carol@example.org")
    plain = (b"From: Alice <alice@example.com>\nTo: bob@example.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nKeywords: dawn\n"
             b"Message-ID: <1@example.com>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
             b"Content-Transfer-Encoding: 8bit\n\n" + BODY)
    sealed = lockbox.run("encrypt", "--to", BOB, "--to", "carol@example.org", input=plain).out.replace(b"\r\n", b"\n")
    assert b"dawn" not in sealed and b"=C3=BC" not in sealed
    result = lockbox.run("decrypt", input=sealed)
    assert result.status == 0 and body_of(result.out) == BODY, result
    for line in (b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", b"Keywords: dawn", b"Message-ID: <1@example.com>"):
        assert line + b"\n" in result.out, result


@pytest.fixture(scope="module")
def mutt_home(bob_home):
    """Alice's, as mutt wants it: it asks about every certificate that is not trusted."""
    with GnuPgHome() as home:
        home._write("gpg.conf", "batch", "no-tty", "no-auto-key-locate", "pinentry-mode loopback")
        home.generate(f"Alice <{ALICE}>")
        home.import_key(bob_home.export(BOB))
        home.run("--import-ownertrust", input=f"{home.fingerprint(BOB)}:6:\n".encode())
        bob_home.import_key(home.export(ALICE))
        yield home


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt(lockbox, mutt_home, tmp_path, program):
    """The real program, signing and sealing in one, with the Subject inside."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    message = sent_by(program, mutt_home, tmp_path, ALICE, BOB, "the plan", BODY)
    assert b"multipart/encrypted" in message and b"the plan" not in message
    result = lockbox.run("decrypt", input=message)
    assert result.status == 0, result
    opened = email.message_from_bytes(result.out)
    assert opened.get_payload(decode=True) == BODY and opened["Subject"] == "the plan", result
    assert signatures_in(lockbox, message) == [("openpgp", True, True)]
    assert "Subject:    the plan" in lockbox.run("read", input=message).text


def test_gpgsm(lockbox, smime_keys, key_options):
    """gpgsm seals, in DER, base64 and PEM; Lockbox opens with the key in a file."""
    with GnuPgHome() as home:
        home._write("trustlist.txt", f"{smime_keys.fingerprint(smime_keys.authority, 'sha1')} S relax")
        for certificate in (smime_keys.authority, smime_keys.certificate_of(BOB)):
            subprocess.run(["gpgsm", "--homedir", home.path, "--batch", "--import", certificate], check=True, capture_output=True,
                           timeout=60)
        for form in ([], ["--base64"], ["--armor"]):
            octets = subprocess.run(["gpgsm", "--homedir", home.path, "--batch", "--disable-crl-checks",
                                     "--disable-policy-checks", *form, "--recipient", BOB, "--encrypt"], input=ENTITY,
                                    check=True, capture_output=True, timeout=60).stdout
            if form == ["--armor"]:
                result = lockbox.run("decrypt", *key_options, input=octets)
                assert result.status == 0 and result.out == ENTITY, result
                continue
            message = smime(base64.b64decode(octets) if form else octets)
            result = lockbox.run("decrypt", *key_options, input=HEADER + message)
            assert result.status == 0 and body_of(result.out) == BODY, result


# --- What stands around, and what it is called ---

@pytest.mark.parametrize("fields", [b"Content-Type: application/octet-stream; name=msg.asc",
                                    b"Content-Type: application/octet-stream; name=MSG.PGP",
                                    b"Content-Type: application/octet-stream; name=msg.gpg",
                                    b"Content-Type: application/pgp-encrypted; name=msg.asc",
                                    b"Content-Type: application/octet-stream\nContent-Disposition: inline; filename=msg.asc",
                                    b"Content-Type: application/octet-stream\nContent-Disposition: attachment;\n"
                                    b" filename*=utf-8''msg.asc",
                                    b"Content-Type: text/plain; name=msg.txt\nContent-Disposition: attachment; filename=msg.txt",
                                    b"Content-Type: text/plain; charset=utf-8; format=flowed\nContent-Disposition: inline"])
@pytest.mark.parametrize("encoding", [b"7bit", b"base64", b"quoted-printable"])
def test_sealed_part_under_any_name(lockbox, bob_home, fields, encoding):
    armor = bob_home.encrypt(BODY, BOB)
    content = {b"7bit": lambda: armor, b"base64": lambda: base64.encodebytes(armor),
               b"quoted-printable": lambda: armor.replace(b"=", b"=3D")}[encoding]()
    part = fields + b"\nContent-Transfer-Encoding: " + encoding + b"\n\n" + content
    message = HEADER + multipart(b"mixed", text(b"See below.\n"), part)
    result = lockbox.run("decrypt", input=message)
    assert result.status == 2 and "part 2" in result.err, result
    assert BODY in lockbox.run("decrypt", "--part", "2", input=message).out or \
        base64.b64encode(BODY)[:20] in lockbox.run("decrypt", "--part", "2", input=message).out


@pytest.mark.parametrize("fields", [b"application/x-pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
                                    b"application/pkcs7-mime", b'application/octet-stream; name="smime.p7m"',
                                    b"application/pkcs7-mime; smime-type=signed-data; name=wrong.p7s",
                                    b'Application/PKCS7-MIME;\n\tname="smime.p7m";\n\tsmime-type=Enveloped-Data'])
def test_smime_under_any_name(lockbox, smime_keys, key_options, fields):
    """Older mail programs and gateways; what it is, the CMS itself says."""
    octets = cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB), input=ENTITY)
    message = HEADER + smime(octets).replace(b"application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", fields)
    result = lockbox.run("decrypt", *key_options, input=message)
    assert result.status == 0 and body_of(result.out) == BODY, result


def test_smime_to_an_elliptic_curve(lockbox, smime_keys):
    erin = "erin@example.org"
    smime_keys.make(erin, "p256")
    octets = cms.openssl("cms", "-encrypt", "-aes128", "-binary", "-outform", "DER", smime_keys.certificate_of(erin),
                         input=ENTITY)
    result = lockbox.run("decrypt", "--key", smime_keys.key_of(erin), "--certificate", smime_keys.certificate_of(erin),
                         input=HEADER + smime(octets))
    assert result.status == 0 and body_of(result.out) == BODY, result


def test_mailing_lists(lockbox, bob_home):
    """Header, footer, both, and a list within a list. The sealed part opens where it stands, and nothing else changes."""
    inside = ENTITY.replace(b"\r\n", b"\n")
    header, footer = text(b"[list]\n"), text(b"-- \nlist\n", fields=b"Content-Disposition: inline\n")

    def variants(part):
        yield multipart(b"mixed", header, part)
        yield multipart(b"mixed", header, part, footer)
        yield multipart(b"mixed", multipart(b"mixed", part, footer, boundary=b"inner"), footer)
        yield multipart(b"mixed", part, footer, preamble=b"This is a message of a list.\n", epilogue=b"\n")
    for received, expected in zip(variants(pgp_mime(bob_home.encrypt(ENTITY, BOB))), variants(inside)):
        result = lockbox.run("decrypt", input=HEADER + received)
        assert result.status == 2 and result.out == HEADER + expected, result


def test_footer_in_html(lockbox, bob_home):
    """A list that adds HTML: the sealed part is not written beside it, but it can be read and had."""
    message = HEADER + multipart(b"mixed", pgp_mime(bob_home.encrypt(ENTITY, BOB)), text(b"<hr>list", b"html"))
    result = lockbox.run("decrypt", input=message)
    assert (result.status, result.out) == (2, b"") and "markup" in result.err, result
    assert "Attack at dawn." in lockbox.run("read", input=message).text
    assert body_of(lockbox.run("decrypt", "--part", "1", input=message).out) == BODY


def test_forwarded_as_the_whole(lockbox, bob_home):
    """A message of which all is another message, sealed: digests and archives do that."""
    inner = b"From: Carol <carol@example.net>\nSubject: inner\nMIME-Version: 1.0\n" + pgp_mime(bob_home.encrypt(ENTITY, BOB))
    result = lockbox.run("decrypt", input=HEADER + b"Content-Type: message/rfc822\n\n" + inner)
    assert result.status == 2 and BODY in result.out and b"Subject: inner" in result.out, result


def test_sealed_inside_of_signed(lockbox, bob_home, alice_home):
    """multipart/signed around multipart/encrypted (RFC 3156 §6 allows it): opened, and the signature said to be around."""
    inner = pgp_mime(bob_home.encrypt(ENTITY, BOB))
    signature = alice_home.run("--armor", "--detach-sign", "--local-user", ALICE, input=inner.replace(b"\n", b"\r\n"))
    result = lockbox.run("decrypt", input=HEADER + detached(inner, signature))
    assert result.status == 0 and body_of(result.out) == BODY, result
    assert "around the sealed message" in result.err


def test_alternatives_of_which_one_is_sealed(lockbox, bob_home):
    message = HEADER + multipart(b"alternative", text(b"Your program cannot show this.\n"),
                                 pgp_mime(bob_home.encrypt(ENTITY, BOB)))
    result = lockbox.run("decrypt", input=message)
    assert result.status == 2 and BODY in result.out, result


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_line_ends_stay(lockbox, bob_home, smime_keys, key_options, line_end):
    """A file with CRLF is written with CRLF, one with LF with LF; of inline text and S/MIME too."""
    cbc = cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB), input=ENTITY)
    for entity in (smime(cbc), b"\n" + bob_home.encrypt(BODY, BOB), b"\n" + bob_home.encrypt(BODY.replace(b"\n", b"\r\n"), BOB),
                   multipart(b"mixed", pgp_mime(bob_home.encrypt(ENTITY, BOB)), text(b"footer"))):
        result = lockbox.run("decrypt", *key_options, input=(HEADER + entity).replace(b"\n", line_end))
        assert BODY in result.out.replace(b"\r\n", b"\n"), result
        assert result.out.count(b"\r\n") == (result.out.count(b"\n") if line_end == b"\r\n" else 0), result
        assert b"\r\r" not in result.out

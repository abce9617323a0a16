"""Messages of every shape that mail servers meet. Each carries a marker: a word that must not be seen on the wire."""

import base64
import re
import secrets
import subprocess


class Message:
    """A message as its sender made it, with CRLF line ends.

    `fields` are the header fields as (name, body) in bytes, folded or not, without the line end. `kind` is what should
    become of it: "sealed", "signed" (sealed, and its Subject stays outside), or "untouched" (it is sealed already).
    """

    def __init__(self, fields, body, marker, parameters="", kind="sealed"):
        self.fields = fields
        self.body = body
        self.marker = marker
        self.parameters = parameters
        self.kind = kind

    @property
    def octets(self):
        return b"".join(name + b":" + value + b"\r\n" for name, value in self.fields) + b"\r\n" + self.body

    @property
    def delivered_body(self):
        """As mail servers hand it on: SMTP knows no message whose last line is open."""
        return self.body if not self.body or self.body.endswith(b"\r\n") else self.body + b"\r\n"

    def local(self):
        """As sendmail(1) wants it: with the line ends of Unix."""
        return self.octets.replace(b"\r\n", b"\n")

    def values(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower().encode()]


def new_marker():
    return "marker" + secrets.token_hex(12)


def _common(sender, recipients, subject):
    return [(b"From", b" Alice Example <" + sender.encode() + b">"),
            (b"To", b" " + b", ".join(recipient.encode() for recipient in recipients)),
            (b"Subject", b" " + subject),
            (b"Date", b" Mon, 05 Jan 2026 10:11:12 +0100"),
            (b"Message-ID", b" <" + secrets.token_hex(8).encode() + b"@example.org>")]


def _lines(marker, count=5):
    return b"".join(b"Line %d of a text that mentions %s among other things.\r\n" % (number, marker)
                    for number in range(count))


def plain(sender, recipients, marker=None):
    """The ordinary message."""
    marker = (marker or new_marker()).encode()
    return Message(_common(sender, recipients, b"Plans: " + marker) + [
        (b"MIME-Version", b" 1.0"), (b"Content-Type", b" text/plain; charset=us-ascii"),
        (b"Content-Transfer-Encoding", b" 7bit")], _lines(marker), marker.decode())


def no_mime_headers(sender, recipients):
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"Plain " + marker), _lines(marker), marker.decode())


def no_header_at_all(sender, recipients):
    marker = new_marker().encode()
    return Message([], _lines(marker), marker.decode())


def latin_1(sender, recipients):
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"Gr\xfc\xdfe " + marker) + [
        (b"MIME-Version", b" 1.0"), (b"Content-Type", b" text/plain; charset=iso-8859-1"),
        (b"Content-Transfer-Encoding", b" 8bit")],
        _lines(marker) + b"\xe4\xf6\xfc\xdf \xa0 caf\xe9\r\n", marker.decode(), " BODY=8BITMIME")


def utf_8_without_mime(sender, recipients):
    """8-bit text that nothing announces."""
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"x " + marker),
                   _lines(marker) + "größer, žluťoučký, 語\r\n".encode(), marker.decode())


def raw_utf_8_header(sender, recipients):
    marker = new_marker().encode()
    fields = _common(sender, recipients, "Größe žluťoučký 語 ".encode() + marker)
    return Message(fields + [(b"MIME-Version", b" 1.0"), (b"Content-Type", b" text/plain; charset=utf-8"),
                             (b"Content-Transfer-Encoding", b" 8bit")],
                   _lines(marker) + "größer\r\n".encode(), marker.decode(), " SMTPUTF8 BODY=8BITMIME")


def encoded_words(sender, recipients):
    marker = new_marker().encode()
    word = base64.b64encode("Größe ".encode() + marker)
    return Message(_common(sender, recipients, b"=?utf-8?B?" + word + b"?=") + [
        (b"MIME-Version", b" 1.0"), (b"Content-Type", b" text/plain; charset=utf-8"),
        (b"Content-Transfer-Encoding", b" quoted-printable")],
        _lines(marker) + b"gr=C3=B6=C3=9Fer=\r\n und weiter\r\n", marker.decode())


def folded_fields(sender, recipients):
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"a folded\r\n\tsubject with\r\n  " + marker + b"\r\n and more") + [
        (b"References", b" " + b"\r\n\t".join(b"<%d.%s@example.org>" % (n, secrets.token_hex(12).encode())
                                              for n in range(200))),
        (b"Keywords", b" one, two,\r\n " + marker),
        (b"Content-Type", b" text/plain;\r\n\tcharset=\"us-ascii\";\r\n format=flowed"), (b"MIME-Version", b" 1.0")],
        _lines(marker), marker.decode())


def very_long_field(sender, recipients):
    """A Subject of 950 octets in one line, and an unfolded field of unknown name beyond what a line may hold."""
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"long " * 180 + marker) + [
        (b"X-Note", b" " + b"n" * 1500), (b"MIME-Version", b" 1.0"), (b"Content-Type", b" text/plain")],
        _lines(marker), marker.decode())


def duplicate_fields(sender, recipients):
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"first " + marker) + [
        (b"Subject", b" second " + marker), (b"MIME-Version", b" 1.0"), (b"Mime-Version", b" 1.0"),
        (b"Content-Type", b" text/plain"), (b"Content-Transfer-Encoding", b" 7bit"),
        (b"Content-Type", b" text/plain; charset=utf-8"), (b"content-transfer-encoding", b" 8bit"),
        (b"Comments", b" one " + marker), (b"Comments", b" two " + marker)], _lines(marker), marker.decode())


def all_content_fields(sender, recipients):
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"report " + marker) + [
        (b"MIME-Version", b" 1.0 (made by hand)"), (b"Content-Type", b" text/plain; name=\"" + marker + b".txt\""),
        (b"Content-Transfer-Encoding", b" 7bit"), (b"Content-Disposition", b" attachment; filename=\"" + marker + b".txt\""),
        (b"Content-Description", b" " + marker), (b"Content-Language", b" en"), (b"Content-ID", b" <1@example.org>"),
        (b"Content-Location", b" http://example.org/" + marker), (b"Content-MD5", b" Q2hlY2sgSW50ZWdyaXR5IQ=="),
        (b"Content-Features", b" (color=grey)")], _lines(marker), marker.decode())


def empty_body(sender, recipients):
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"nothing " + marker), b"", marker.decode())


def without_final_line_end(sender, recipients):
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"open " + marker) + [
        (b"MIME-Version", b" 1.0"), (b"Content-Type", b" text/plain")], _lines(marker) + b"the last line " + marker,
        marker.decode())


def dots_and_froms(sender, recipients):
    """Lines that mail software likes to change: dots, "From ", blanks at the end."""
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"dots " + marker),
                   b".\r\n..\r\n.. " + marker + b"\r\nFrom the start\r\nblanks  \t \r\n\r\n\r\n-- \r\n--=_x\r\n" +
                   _lines(marker) + b".\r\n", marker.decode())


def nul_bytes(sender, recipients):
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"zeros " + marker), b"before\0after\0\0\r\n\0\r\n" + _lines(marker),
                   marker.decode())


def attachment(sender, recipients, octets=3000):
    """multipart/mixed with a binary attachment; `octets` of it."""
    marker = new_marker().encode()
    head = marker + b" attached "
    data = head + secrets.token_bytes(min(octets, 1 << 20)) * (octets // (1 << 20) + 1)
    encoded = base64.encodebytes(data[:octets]).replace(b"\n", b"\r\n")
    body = (b"A preamble.\r\n--=_outer\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + _lines(marker) +
            b"\r\n--=_outer\r\nContent-Type: application/octet-stream; name=\"" + marker + b".bin\"\r\n"
            b"Content-Disposition: attachment; filename=\"" + marker + b".bin\"\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded + b"--=_outer--\r\n")
    return Message(_common(sender, recipients, b"with a file " + marker) + [
        (b"MIME-Version", b" 1.0"), (b"Content-Type", b" multipart/mixed; boundary=\"=_outer\"")], body, marker.decode())


def signed(sender, recipients, home):
    """multipart/signed (RFC 3156 §5) by the sender's key in the GnuPG home."""
    marker = new_marker().encode()
    entity = (b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
              _lines(marker))
    signature = home.run("--armor", "--local-user", sender, "--digest-algo", "SHA256", "--detach-sign", input=entity)
    body = (b"--=_signed\r\n" + entity + b"\r\n--=_signed\r\nContent-Type: application/pgp-signature\r\n\r\n" +
            signature.replace(b"\n", b"\r\n") + b"\r\n--=_signed--\r\n")
    fields = _common(sender, recipients, b"a signed message") + [
        (b"MIME-Version", b" 1.0"),
        (b"Content-Type", b" multipart/signed; micalg=pgp-sha256;\r\n protocol=\"application/pgp-signature\";\r\n"
                          b" boundary=\"=_signed\"")]
    return Message(fields, body, marker.decode(), kind="signed")


def openpgp_mime(sender, recipients, home):
    """Sealed by the sender, as a mail program does it."""
    marker = new_marker().encode()
    armor = home.encrypt(b"Content-Type: text/plain\r\n\r\n" + _lines(marker), *recipients).replace(b"\n", b"\r\n")
    body = (b"--=_mua\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--=_mua\r\n"
            b"Content-Type: application/octet-stream\r\n\r\n" + armor + b"\r\n--=_mua--\r\n")
    return Message(_common(sender, recipients, b"...") + [
        (b"MIME-Version", b" 1.0"),
        (b"Content-Type", b" multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"=_mua\"")],
        body, marker.decode(), kind="untouched")


def with_wrong_checksum(sender, recipients, home):
    """PGP/MIME whose CRC-24 is wrong, which is no reason to reject it (RFC 9580 §6.1)."""
    message = openpgp_mime(sender, recipients, home)
    message.body = re.sub(rb"\r\n=[A-Za-z0-9+/]{4}\r\n-----END", b"\r\n=AAAA\r\n-----END", message.body)
    assert b"=AAAA" in message.body
    return message


def _mixed_up(sender, recipients, home, marker, text):
    armor = home.encrypt(b"Content-Type: text/plain\r\n\r\n" + _lines(marker), *recipients).replace(b"\n", b"\r\n")
    body = (b"--b\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n\r\n" + text +
            b"\r\n--b\r\nContent-Type: application/pgp-encrypted; name=\"PGPMIME version\"\r\n\r\nVersion: 1\r\n"
            b"\r\n--b\r\nContent-Type: application/octet-stream; name=\"message.asc\"\r\n\r\n" + armor + b"\r\n--b--\r\n")
    return _common(sender, recipients, b"...") + [
        (b"MIME-Version", b" 1.0"), (b"Content-Type", b" multipart/mixed; boundary=\"b\"")], body


def mixed_up_by_exchange(sender, recipients, home):
    """What Exchange makes of PGP/MIME: an empty text, the control part, the data."""
    marker = new_marker().encode()
    return Message(*_mixed_up(sender, recipients, home, marker, b""), marker.decode(), kind="untouched")


def text_beside_mixed_up(sender, recipients, home):
    """The same with a text that can be read."""
    marker = new_marker().encode()
    return Message(*_mixed_up(sender, recipients, home, b"inside", _lines(marker)), marker.decode())


def openpgp_file(sender, recipients, home):
    """A sealed message whose type a gateway replaced; only the name is left."""
    marker = new_marker().encode()
    armor = home.encrypt(b"Content-Type: text/plain\r\n\r\n" + _lines(marker), *recipients).replace(b"\n", b"\r\n")
    return Message(_common(sender, recipients, b"...") + [
        (b"MIME-Version", b" 1.0"), (b"Content-Type", b" application/octet-stream; name=\"encrypted.asc\"")],
        armor, marker.decode(), kind="untouched")


def openpgp_inline(sender, recipients, home):
    marker = new_marker().encode()
    armor = home.encrypt(_lines(marker), *recipients).replace(b"\n", b"\r\n")
    return Message(_common(sender, recipients, b"inline") + [(b"MIME-Version", b" 1.0"), (b"Content-Type", b" text/plain")],
                   armor, marker.decode(), kind="untouched")


def smime_enveloped(sender, recipients, tls_certificate):
    """CMS EnvelopedData by OpenSSL; that the certificate is a server's does not matter here."""
    marker = new_marker().encode()
    der = subprocess.run(["openssl", "cms", "-encrypt", "-aes256", "-outform", "DER", "-binary", str(tls_certificate)],
                         input=_lines(marker), capture_output=True, check=True).stdout
    return Message(_common(sender, recipients, b"smime") + [
        (b"MIME-Version", b" 1.0"),
        (b"Content-Type", b" application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"),
        (b"Content-Transfer-Encoding", b" base64")],
        base64.encodebytes(der).replace(b"\n", b"\r\n"), marker.decode(), kind="untouched")


def claims_openpgp_mime(sender, recipients):
    """The label of PGP/MIME on readable text."""
    marker = new_marker().encode()
    body = (b"--=_liar\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--=_liar\r\n"
            b"Content-Type: application/octet-stream\r\n\r\n" + _lines(marker) + b"\r\n--=_liar--\r\n")
    return Message(_common(sender, recipients, b"trust me " + marker) + [
        (b"MIME-Version", b" 1.0"),
        (b"Content-Type", b" multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"=_liar\"")],
        body, marker.decode())


def claims_armor(sender, recipients):
    """Armor lines around base64 that is readable text."""
    marker = new_marker().encode()
    body = (b"-----BEGIN PGP MESSAGE-----\r\n\r\n" + base64.encodebytes(_lines(marker)).replace(b"\n", b"\r\n") +
            b"-----END PGP MESSAGE-----\r\n")
    return Message(_common(sender, recipients, b"armor " + marker) + [
        (b"MIME-Version", b" 1.0"), (b"Content-Type", b" text/plain")], body, marker.decode())


def claims_smime(sender, recipients):
    marker = new_marker().encode()
    return Message(_common(sender, recipients, b"p7m " + marker) + [
        (b"MIME-Version", b" 1.0"),
        (b"Content-Type", b" application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"),
        (b"Content-Transfer-Encoding", b" base64")],
        base64.encodebytes(_lines(marker)).replace(b"\n", b"\r\n"), marker.decode())


def text_beside_armor(sender, recipients, home):
    """A real OpenPGP message with readable text above it."""
    marker = new_marker().encode()
    armor = home.encrypt(b"inside\r\n", *recipients).replace(b"\n", b"\r\n")
    return Message(_common(sender, recipients, b"quoted " + marker) + [
        (b"MIME-Version", b" 1.0"), (b"Content-Type", b" text/plain")], _lines(marker) + b"\r\n" + armor, marker.decode())


SHAPES = [plain, no_mime_headers, no_header_at_all, latin_1, utf_8_without_mime, raw_utf_8_header, encoded_words,
          folded_fields, very_long_field, duplicate_fields, all_content_fields, empty_body, without_final_line_end,
          dots_and_froms, nul_bytes, attachment, claims_openpgp_mime, claims_armor, claims_smime]
SHAPES_WITH_HOME = [signed, openpgp_mime, openpgp_inline, text_beside_armor, with_wrong_checksum, mixed_up_by_exchange,
                    text_beside_mixed_up, openpgp_file]

#!/usr/bin/python3
"""Writes the seeds of the fuzzers: corpus/NAME/seed-NN, from the texts below and from tests/data."""

import base64
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "mail"
SMIME = HERE.parent / "data" / "smime"
OPENPGP = HERE.parent / "data" / "openpgp"


def data(name: str) -> bytes:
    return (DATA / name).read_bytes()


def armor(name: str) -> bytes:
    return data(name).replace(b"\n", b"\r\n")


def certificate(name: str) -> bytes:
    lines = (OPENPGP / f"{name}.asc").read_bytes().split(b"\n\n", 1)[1].splitlines()
    return base64.b64decode(b"".join(line for line in lines if line[:1] not in b"=-"))


def pgp_mime(part: bytes, encoding: bytes = b"") -> bytes:
    return (
        b"Subject: x\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n"
        b"preamble\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n"
        b"Content-Type: application/octet-stream\r\n" + encoding + b"\r\n" + part + b"\r\n--b--\r\n"
    )


def smime(name: str) -> bytes:
    return (
        b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(data(name))
    )


ADDRESSES = [
    "alice@example.org",
    '"a b\\"c"@[IPv6:2001:db8::1]',
    "grüße@bücher.example",
    "<@a.example,@b.example:alice@example.org>",
    'Joe Q. Public <john@x.test>, "a@b" <c@d.test>, e@[192.0.2.1] (a (nested) comment)',
    "A Group:Ed Jones <c@a.test>,joe@where.test;, \"john\" . doe @ one . test",
    "=?utf-8?q?a=40b?= <evil@example.net>\r\n ,<f@g",
    '<"bob%remote.test"@localhost.>',
    "<remote.test!bob+tag@[IPv6:::1]>",
    "<REN\u00c9.rene\u0301.\u1f88@remote\u3002uucp>",
    "<root>",
]

CONTENT_TYPES = [
    " text/plain; charset=us-ascii (comment)",
    " multipart/mixed;\r\n\tboundary=\"=_1\"; hp=\"cipher\"; protected-headers=\"v1\"",
    "text/plain; hp*0=a; HP*1=b; x=\"\\\";\" ;",
    "(a(b))text(c)/(d)plain(e);(f)x(g)=(h)y(i)",
    "multipart/mixed; boundary=----=_Part",
    "multipart/mixed; boundary*0*=us-ascii''%3D_7e; boundary*1=x; boundary*3=y; Boundary=z; b*=''%0A; b*00=1",
    "text",
]

SIGNED = (
    "From: a@example.org\r\nSubject: x\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
    "Subject: y\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\ntext\r\n--b\r\n"
    "Content-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
)

SIGNED_BY_SERVERS = (
    "ARC-Seal: i=1; b=a\r\nDKIM-Signature: v=1; z=Subject:x;\r\n bh=b\r\nDKIM-Signature:v=1\r\nSubject: x\r\n"
    "MIME-Version: 1.0 (by hand)\r\nContent-Type: text/plain; hp=clear; charset=x ; \r\n\r\nbody"
)

MESSAGES = [
    "Received: a\r\nFrom: Alice <a@example.org>\r\nTo: b@example.net,\r\n c@example.net\r\nSubject: x\r\nSubject: y\r\n"
    "Comments: z\r\nKeywords: k\r\nBcc: d@example.com\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; hp=clear\r\n"
    "content-type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\nbody\r\n",
    "Subject: x\r\nContent-Type: text\r\nContent-Language: de\r\n\r\nbody",
    "Subject : ü\n folded\n\nü\n",
    "From alice Mon Nov 23\nTo: b@example.org\n\n",
    "\r\nbody",
    SIGNED,
    "Subject: x\r\n\r\nFrom: b@example.org\r\nSubject: y\r\nHP-Outer: Subject: [...]\r\nReceived: forged\r\n"
    "Content-Type: text/plain; hp=\"cipher\"\r\n\r\n",
]

SMTP_REPLIES = [
    b"220 mail.example ESMTP\r\n250-mail.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n"
    b"250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n"
    b"250 XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
    b"354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok: queued as 4Zk3Qv1yTgz\r\n221 2.0.0 Bye\r\n",
    b"250-auth=LOGIN\n250-\n250\n554 5.7.1 <bob@example.org>: Recipient address rejected: \xc3\xbc\xff\x1b[0m\r\n",
    b"421 4.3.2 shutting down\r\n250-one\r\n550 two\r\n",
    b"250-" + b"x" * 2050 + b"\r\n",
]

MBOXES = [
    b"From a@example.org Thu Jan  1 00:00:00 2026\nSubject: 1\nContent-Length: 3\n\n>From x\n>>From y\n\n"
    b"From b@example.org Thu Jan  1 00:00:01 2026\nSubject: 2\n\nno end",
    b"From a\r\nSubject: 1\r\n\r\nFrom the start\r\n\r\nFrom b\r\n\r\n\r\nFrom \n\n",
    b"From \n\r\n\nFrom \n\n\n\n>From \rFrom \n",
    b"Subject: no mbox\nLines: 1\n\tfolded\n\nFrom here\n>From there",
]

def stub_packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def stub_sealed(payload: bytes) -> bytes:
    """What tests/support/stub_engine.hpp opens: the framing of RFC 9580 around plaintext, armored."""
    packets = stub_packet(1, bytes.fromhex("030123456789abcdef01000880")) + stub_packet(18, b"\x01" + b"." * 40 + payload)
    return (b"-----BEGIN PGP MESSAGE-----\r\n\r\n" + base64.encodebytes(packets).replace(b"\n", b"\r\n") +
            b"-----END PGP MESSAGE-----\r\n")


def stub_cms(oid: str, payload: bytes) -> bytes:
    def element(tag: int, contents: bytes) -> bytes:
        return bytes([tag, 0x84]) + len(contents).to_bytes(4, "big") + contents

    octets = element(0x30, element(6, bytes.fromhex(oid)) + element(0xA0, element(0x30, element(2, b"\0") + element(4, payload))))
    return (b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(octets))


CBC, GCM, SIGNED_DATA = "2a864886f70d010703", "2a864886f70d010910010117", "2a864886f70d010702"
TEXT = b"Content-Type: text/plain\r\n\r\nAttack at dawn.\r\n"
LEGACY = (b"Subject: Dawn\r\nContent-Type: multipart/alternative; hp=\"cipher\"; boundary=a\r\n\r\n--a\r\n"
          b"Content-Type: text/plain; hp-legacy-display=1\r\n\r\nSubject: Dawn\r\n\r\nAttack.\r\n--a\r\n"
          b"Content-Type: text/html; hp-legacy-display=1\r\n\r\n<body><div class=\"header-protection-legacy-display\">"
          b"<pre>Subject: Dawn</pre></div>x</body>\r\n--a--\r\n")


def mixed(*parts: bytes) -> bytes:
    return (b"From: alice@example.org\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n" +
            b"".join(b"--m\r\n" + part + b"\r\n" for part in parts) + b"--m--\r\n")


OPEN = [
    pgp_mime(stub_sealed(TEXT)),
    pgp_mime(stub_sealed(pgp_mime(stub_sealed(LEGACY)))),
    pgp_mime(stub_sealed(b"!no-key")),
    b"Subject: x\r\n\r\nbefore\r\n" + stub_sealed(b"one") + b"between\r\n" + stub_sealed(b"two"),
    stub_cms(CBC, TEXT),
    stub_cms(GCM, stub_cms(SIGNED_DATA, TEXT)),
    mixed(pgp_mime(stub_sealed(TEXT)), b"\r\nfooter"),
    mixed(b"Content-Type: text/html\r\n\r\n<img src='", stub_cms(GCM, TEXT)),
    mixed(b"\r\n\r\n", b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n",
          b"Content-Type: application/octet-stream\r\n\r\n" + stub_sealed(TEXT)),
    mixed(b"Content-Type: application/octet-stream; name=a.pdf.asc\r\n\r\n" + stub_sealed(b"%PDF"),
          b"Content-Type: message/rfc822\r\n\r\n" + pgp_mime(stub_sealed(LEGACY))),
    b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n" + pgp_mime(stub_sealed(TEXT)) +
    b"\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\ngood alice@example.org\r\n--s--\r\n",
    b"\r\n-----BEGIN PGP SIGNED MESSAGE-----\n\ntext\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n",
    b"Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b--\r\n",
]

RENDERING = [
    b"<p>one</p><ul><li>two</ul><a href=\"https://evil.example/\">https://bank.example/</a><img alt=x>&auml;&#x1b;<!-- c -->",
    b"<div style=\"display:none\">x</div><script>y</script><pre> z</pre><table><tr><td>a<td>b</table>",
    b"<title>t<body><table><tr><td style='font-size:0'><ol start=3 type=i><li>a<li>b<blockquote>c<p>d</table><!-->x<noscript>y<q>&notin",
    b"BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nDTSTART;TZID=x:20261203T100000\nDURATION:P1D\nRRULE:FREQ=DAILY;UNTIL=20270101\n"
    b"SUMMARY:a\\nb\nATTENDEE;CN=\"b\";PARTSTAT=DECLINED:mailto:b@x\nEND:VEVENT\nEND:VCALENDAR\n",
    b"BEGIN:VCARD\nN;ENCODING=QUOTED-PRINTABLE;CHARSET=gb2312:=D6=D0;x=\n=CE\nitem1.TEL:1\\,2\nEND:VCARD\n",
    b"flowed \n> quoted \n> text\n-- \nsignature",
    "\x1b]0;t\x07\u202e\u2066\u200b\u061c ü漢字 a\u0308".encode() + b"\xff\xc2\x9b",
    b"=?utf-8?q?=1B=5B2J?= =?iso-2022-jp?b?GyRCJCIbKEI=?= \"a@b\" <c@d.example>, e: f@g;",
    b"../../etc/passwd", b".bashrc", b"-rf", b"\x1b$B$\"\x1b(B \x82\xa0",
]

MAILBOXES = [
    b"Alice <alice@example.org>", b"\"Alice: Sales\" <alice@example.org>", b"alice@example.org (Alice (Sales))",
    b"bob@victim.example@x <eve@evil.test>", b"A Group:Ed Jones <c@a.test>,joe@where.test;, d@e.test",
    b"=?utf-8?q?Doe,_John?= <@a.test,@b.test:j@example.org>", b"\"a\\\" <b@x.test>, \\\"c\" <d@x.test>",
    b"J.R.R.\r\n\tTolkien <\"j r\" . r @ [192.0.2.1]>,, J\xf6rg <j@b\xc3\xbccher.example>",
]

SEEDS = {
    "mailboxes": MAILBOXES,
    "open": OPEN,
    "rendering": RENDERING,
    "mbox": MBOXES,
    "address": [text.encode() for text in ADDRESSES],
    "content_type": [text.encode() for text in CONTENT_TYPES],
    "header": [text.encode() for text in MESSAGES],
    "protection": [text.encode() for text in MESSAGES] + [smime("signed.der"), SIGNED_BY_SERVERS.encode(), data("subject-and-body-copies.eml")],
    "smtp_reply": SMTP_REPLIES,
    "armor": [
        armor("two-recipients.asc"),
        data("clear-signed.asc"),
        data("one-octet.asc"),
        b"-----BEGIN PGP MESSAGE-----\n\nincomplete\n" + data("passphrase.asc"),
    ],
    "packets": [
        base64.b64decode(b"".join(data("passphrase.asc").split(b"\n\n")[1].splitlines()[:-2])),
        data("two-certificates.gpg"),
        data("bob-secret.gpg"),
        b"\xcb\xe1ab\xe0c\x01d\xa7rest",
    ],
    "openpgp_recipient": [certificate(name) for name in ("alice", "bob", "p256", "p521", "brainpool", "elgamal")],
    "layer": [
        pgp_mime(armor("passphrase.asc")),
        pgp_mime(base64.encodebytes(armor("passphrase.asc")), b"Content-Transfer-Encoding: base64\r\n"),
        pgp_mime(b"-----BEGIN PGP MESSAGE-----\r\n\r\ntext"),
        b"\r\n" + armor("passphrase.asc"),
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + armor("passphrase.asc").replace(b"=", b"=3D"),
        smime("enveloped.der"),
        smime("auth-enveloped.der"),
        smime("signed-streamed.ber"),
        SIGNED.encode(),
        data("exchange-mixed-up.eml"),
        b"Content-Type: application/octet-stream; name=notes.asc\r\n\r\n" + armor("passphrase.asc"),
    ],
    "x509_import": [
        (SMIME / name).read_bytes()
        for name in ("alice.der", "p256.pem", "utf8.pem", "expired.pem", "bundle.p7b", "bundle.pem", "open-certificates.p12",
                     "empty-passphrase.p12", "signed.eml", "signed-opaque.eml", "ed25519.pem", "subject-address.pem")
    ] + [
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",  # nothing in it, and once taken for something
    ],
    "cms_open": [
        (SMIME / name).read_bytes()
        for name in ("sealed-cbc.der", "sealed-gcm.der", "sealed-streamed.ber", "sealed-to-p256.der")
    ],
}

for name, seeds in SEEDS.items():
    directory = HERE / "corpus" / name
    directory.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds, 1):
        (directory / f"seed-{number:02}").write_bytes(seed)

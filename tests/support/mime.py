"""Messages put together by hand, so that a test says every octet of them. Line ends are LF."""

import base64

HEADER = b"From: Alice <alice@example.com>\nTo: bob@example.org\nSubject: outside\nMIME-Version: 1.0\n"


def multipart(subtype, *parts, boundary=b"bb", preamble=b"", epilogue=b""):
    """A Content-Type field and the parts, each an entity."""
    delimited = b"".join(b"--" + boundary + b"\n" + part + b"\n" for part in parts)
    return (b'Content-Type: multipart/' + subtype + b'; boundary="' + boundary + b'"\n\n' + preamble + delimited +
            b"--" + boundary + b"--\n" + epilogue)


def text(content, subtype=b"plain", fields=b""):
    return b"Content-Type: text/" + subtype + b"\n" + fields + b"\n" + content


def pgp_mime(armor, boundary=b"b1"):
    """RFC 3156 §4."""
    return multipart(b'encrypted; protocol="application/pgp-encrypted"',
                     b"Content-Type: application/pgp-encrypted\n\nVersion: 1\n",
                     b"Content-Type: application/octet-stream; name=encrypted.asc\n\n" + armor, boundary=boundary)


def smime(cms, kind=b"enveloped-data"):
    """RFC 8551 §3.2."""
    return (b"Content-Type: application/pkcs7-mime; smime-type=" + kind + b"; name=smime.p7m\n"
            b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(cms))


def detached(entity, signature, protocol=b"application/pgp-signature", boundary=b"ss"):
    """RFC 1847 §2.1; what is signed has CRLF in it, whoever stores it."""
    return multipart(b'signed; micalg=pgp-sha256; protocol="' + protocol + b'"', entity,
                     b"Content-Type: " + protocol + b"\n\n" + signature, boundary=boundary)


def armored(packets, label=b"PGP MESSAGE"):
    return b"-----BEGIN " + label + b"-----\n\n" + base64.encodebytes(packets) + b"-----END " + label + b"-----\n"

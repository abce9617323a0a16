"""What a sealed message must look like, and how others open it."""

import re
import subprocess


class Delivered:
    """A message as it was on the wire, cut into header fields and body; line ends must be CRLF."""

    def __init__(self, octets):
        self.octets = octets
        assert re.search(rb"(?<!\r)\n|\r(?!\n)", octets) is None, "a bare CR or LF on the wire"
        head, separator, self.body = octets.partition(b"\r\n\r\n")
        assert separator, "no empty line after the header section"
        self.fields = [_split(line) for line in re.split(rb"\r\n(?![ \t])", head)]

    def values(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower().encode()]

    def names(self):
        return [field.lower().decode() for field, _ in self.fields]


def _split(line):
    name, _, value = line.partition(b":")
    return name, value


def unfolded(value):
    """A field body on one line (RFC 5322 §2.2.3), without the blanks at its ends."""
    return re.sub(rb"\r?\n(?=[ \t])", b"", value).strip()


# Lines that every sealed message has, so that one inside says nothing.
FIXED_LINES = {b"Content-Type: application/pgp-encrypted", b"Content-Type: application/octet-stream",
               b"-----BEGIN PGP MESSAGE-----", b"-----END PGP MESSAGE-----"}


def check_nothing_leaks(octets, message):
    """No word and no line of the message can be read."""
    assert message.marker.encode() not in octets, "the marker can be read"
    lines = {line for line in message.body.split(b"\r\n") if len(line) >= 16} - FIXED_LINES
    seen = lines & set(octets.split(b"\r\n"))
    assert not seen, f"readable on the wire: {sorted(seen)[:3]}"


def check_form(delivered, message):
    """RFC 3156 §4 and hcp_baseline of RFC 9788 §3.2.1: returns the armor."""
    outer = [name for name in delivered.names() if name.startswith(("content-", "mime-"))]
    assert sorted(outer) == ["content-type", "mime-version"], f"structural fields outside: {outer}"
    content_type = unfolded(delivered.values("Content-Type")[0])
    assert content_type.lower().startswith(b"multipart/encrypted"), content_type
    assert b'protocol="application/pgp-encrypted"' in content_type
    boundary = re.search(rb'boundary="([^"]+)"', content_type).group(1)
    assert b"=_" in boundary
    if message.kind == "signed":
        assert [unfolded(value) for value in delivered.values("Subject")] == \
               [unfolded(value) for value in message.values("Subject")]
    elif message.values("Subject"):
        assert delivered.values("Subject") == [b" [...]"]
    for name in ("Comments", "Keywords", "Bcc"):
        assert not delivered.values(name)

    preamble, first, second, epilogue = (b"\r\n" + delivered.body).split(b"\r\n--" + boundary)
    assert epilogue.strip() == b"--"
    head, _, control = first.partition(b"\r\n\r\n")
    assert b"content-type: application/pgp-encrypted" in head.lower()
    assert control.strip() == b"Version: 1"
    head, _, armor = second.partition(b"\r\n\r\n")
    assert b"content-type: application/octet-stream" in head.lower()
    lines = armor.rstrip(b"\r\n").split(b"\r\n")
    assert lines[0] == b"-----BEGIN PGP MESSAGE-----" and lines[1] == b"", "armor with header lines"
    assert lines[-1] == b"-----END PGP MESSAGE-----"
    assert max(map(len, delivered.octets.split(b"\r\n"))) <= 998 or message.kind != "sealed" or \
        any(len(value) > 900 for _, value in message.fields)
    assert preamble is not None
    return armor


def check_payload(payload, message, delivered):
    """The entity that was sealed is the sender's, byte for byte, with its header fields protected."""
    head, _, body = payload.partition(b"\r\n\r\n")
    assert body == message.delivered_body, "the body inside is not the sender's"
    fields = [_split(line) for line in re.split(rb"\r\n(?![ \t])", head)]
    inside = {}
    for name, value in fields:
        inside.setdefault(name.lower().decode(), []).append(unfolded(value))
    assert "bcc" not in inside and "received" not in inside
    original_types = [unfolded(value) for value in message.values("Content-Type")]
    if message.kind == "signed":
        assert inside["content-type"] == original_types, "a signed entity was changed"
        return
    root = inside["content-type"][0]
    assert b'hp="cipher"' in root and b'protected-headers="v1"' in root
    if original_types:
        assert any(root.startswith(original.split(b";")[0]) for original in original_types)
    if message.values("Subject"):
        assert inside["subject"] == [unfolded(value) for value in message.values("Subject")]
        assert b"Subject: [...]" in inside["hp-outer"]
    # RFC 9788 §2.2: every field that stays outside is listed with its outer value.
    for name in ("From", "To", "Message-ID"):
        for value in message.values(name):
            assert unfolded(value) in inside[name.lower()]
            if all(octet < 128 for octet in value):
                assert name.encode() + b": " + unfolded(value) in inside["hp-outer"]


def open_with_sq(armor, secret_key_file, folder):
    """Sequoia's sq: 0.x and 1.x have different options for the same thing."""
    sealed = folder / "sealed.asc"
    sealed.write_bytes(armor)
    old = subprocess.run(["sq", "--version"], capture_output=True, check=False).returncode == 0
    if old:
        command = ["sq", "decrypt", "--recipient-key", str(secret_key_file), str(sealed)]
    else:
        command = ["sq", "--home", str(folder / "sq"), "decrypt", "--recipient-file", str(secret_key_file), str(sealed)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


def open_with_rnp(armor, secret_key_file, folder):
    sealed, home = folder / "sealed-for-rnp.asc", folder / "rnp"
    sealed.write_bytes(armor)
    home.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(["rnp", "--homedir", str(home), "--keyfile", str(secret_key_file), "--password", "", "--decrypt",
                           "--output", "-", str(sealed)], capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout

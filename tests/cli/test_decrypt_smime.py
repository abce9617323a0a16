"""lockbox decrypt against openssl cms: what that seals and signs, it opens and verifies."""

import base64
import os
import pty

import pytest

from support.command import Command
from support.smime import openssl, revocation_list

ENTITY = b"Content-Type: text/plain; charset=utf-8\r\n\r\nfrom openssl\r\n"
KINDS = {"rsa2048": ["rsa:2048"], "rsa4096": ["rsa:4096"],
         "p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]}
NO_INTEGRITY = "carries no integrity"
CBC_OID = bytes.fromhex("060960864801650304012a")
GCM_OID = bytes.fromhex("060960864801650304012e")


def validity(expired):
    """Options of `openssl x509`. Since OpenSSL 3.4 it refuses to count backwards, and before it knew no other way."""
    if not expired:
        return ["-days", 30]
    numbers = openssl("version").split()[1].split(b".")
    return ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"] if (int(numbers[0]), int(numbers[1])) >= (3, 4) else ["-days", -1]


class Identity:
    """A key with its certificate, self-signed or by `authority`."""

    def __init__(self, folder, name, kind="rsa2048", authority=None, address=None, options=(), expired=False):
        self.key, self.certificate, self.pem = (folder / f"{name}.{end}" for end in ("key", "crt", "pem"))
        self.name = name
        arguments = ["req", "-newkey", *KINDS[kind], "-nodes", "-keyout", self.key, "-subj", f"/CN={name}"]
        extensions = [f"subjectAltName=email:{address or name + '@example.org'}", *options]
        if authority is None:
            openssl(*arguments, "-x509", "-days", 30, "-out", self.certificate,
                    *[word for extension in extensions for word in ("-addext", extension)])
        else:
            request = openssl(*arguments)
            file = folder / f"{name}.ext"
            file.write_text("basicConstraints=critical,CA:FALSE\n" + "\n".join(extensions) + "\n")
            openssl("x509", "-req", "-CA", authority.certificate, "-CAkey", authority.key, *validity(expired), "-extfile", file,
                    "-out", self.certificate, "-set_serial", 7, input=request)
        self.pem.write_bytes(self.key.read_bytes() + self.certificate.read_bytes())
        os.chmod(self.pem, 0o600)


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    made = {kind: Identity(folder, kind, kind) for kind in KINDS}
    made["ca"] = Identity(folder, "ca")
    made["alice"] = Identity(folder, "alice", authority=made["ca"])
    made["server"] = Identity(folder, "server", authority=made["ca"], address="alice@example.org",
                              options=["extendedKeyUsage=serverAuth"])
    made["expired"] = Identity(folder, "expired", authority=made["ca"], address="alice@example.org", expired=True)
    return made


def seal(entity, *recipients, cipher="aes-256-cbc", form="DER", options=()):
    return openssl("cms", "-encrypt", "-binary", f"-{cipher}", "-outform", form, *options,
                   *[recipient.certificate for recipient in recipients], input=entity)


def as_message(cms, smime_type="enveloped-data"):
    return (b"From: Alice <alice@example.org>\nTo: bob@example.org\nSubject: ...\nMIME-Version: 1.0\n"
            b"Content-Type: application/pkcs7-mime; smime-type=" + smime_type.encode() + b"; name=smime.p7m\n"
            b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(cms))


@pytest.fixture
def command(tmp_path):
    return Command(tmp_path)


# --- Opening ---

@pytest.mark.parametrize("options", [(), ("-stream",), ("-keyid",)])
@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc", "aes-128-gcm", "aes-256-gcm"])
@pytest.mark.parametrize("kind", KINDS)
def test_opens_what_openssl_seals(command, people, kind, cipher, options):
    cms = seal(ENTITY, people[kind], cipher=cipher, options=options)
    result = command.run("decrypt", "--key", people[kind].pem, input=as_message(cms))
    assert result.status == 0, result
    assert result.out.endswith(b"\n\nfrom openssl\n") and b"pkcs7-mime" not in result.out
    assert cipher.upper() in result.err
    assert (NO_INTEGRITY in result.err) == cipher.endswith("cbc")


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
def test_each_of_several_recipients_opens(command, people, cipher):
    everybody = [people[kind] for kind in KINDS]
    message = as_message(seal(ENTITY, *everybody, cipher=cipher))
    for one in everybody:
        assert command.run("decrypt", "--key", one.pem, input=message).out.endswith(b"\nfrom openssl\n")


def test_rsa_oaep(command, people):
    cms = openssl("cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER", "-recip", people["rsa2048"].certificate,
                  "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", input=ENTITY)
    assert command.run("decrypt", "--key", people["rsa2048"].pem, input=as_message(cms)).status == 0


@pytest.mark.parametrize("form", ["DER", "PEM", "base64"])
def test_data_without_a_message_gives_its_bytes(command, people, form):
    octets = bytes(range(256)) * 3 + b"\r\n\n\r"
    cms = seal(octets, people["p256"], form="DER" if form == "base64" else form)
    result = command.run("decrypt", "--key", people["p256"].pem, input=base64.encodebytes(cms) if form == "base64" else cms)
    assert (result.status, result.out) == (0, octets), result


# --- Key files ---

@pytest.mark.parametrize("form", ["p12", "old p12", "pem"])
def test_passphrases(command, people, tmp_path, form):
    one = people["rsa2048"]
    if form == "pem":
        octets = openssl("pkcs8", "-topk8", "-in", one.key, "-passout", "pass:secret") + one.certificate.read_bytes()
    else:
        octets = openssl("pkcs12", "-export", *(["-legacy"] if form == "old p12" else []), "-inkey", one.key, "-in",
                         one.certificate, "-passout", "pass:secret")
    key = command.file("key", octets)
    message = command.file("message.eml", as_message(seal(ENTITY, one)))
    for passphrase, status in ((b"secret\n", 0), (b"secret", 0), (b"wrong\n", 77), (b"", 77)):
        result = command.run("decrypt", "--key", key, "--passphrase-fd", 0, message, input=passphrase)
        assert result.status == status, result
        assert status == 0 or (result.out == b"" and "passphrase does not open" in result.err)
    # Nobody to ask: no terminal.
    result = command.run("decrypt", "--key", key, message, start_new_session=True)
    assert (result.status, result.out) == (77, b""), result
    assert "--passphrase-fd" in result.err


def test_the_passphrase_is_asked_for_at_the_terminal(command, people):
    one = people["rsa2048"]
    key = command.file("key.p12", openssl("pkcs12", "-export", "-inkey", one.key, "-in", one.certificate, "-passout", "pass:hush"))
    message = command.file("message.eml", as_message(seal(ENTITY, one)))
    child, terminal = pty.fork()
    if child == 0:
        os.execve(command.program, ["lockbox", "decrypt", "--key", str(key), str(message)], command.environment())
    said = b""
    try:
        while b"Passphrase of" not in said or not said.endswith(b": "):
            said += os.read(terminal, 1000)
        os.write(terminal, b"hush\n")
        while piece := read_until_hang_up(terminal):
            said += piece
    finally:
        os.close(terminal)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, said
    assert b"from openssl" in said and b"hush" not in said


def read_until_hang_up(terminal):
    try:
        return os.read(terminal, 1000)
    except OSError:  # how Linux says that nobody has it open any more
        return b""


def test_key_files_that_do_not_do(command, people):
    one, other = people["rsa2048"], people["p256"]
    message = as_message(seal(ENTITY, one))
    for arguments, status, words in ((["--key", other.pem], 77, "is not the key for this message"),
                                     (["--key", one.key], 65, "no certificate"),
                                     (["--key", one.certificate], 65, "no secret key"),
                                     (["--key", one.key, "--certificate", other.certificate], 65, "belongs to"),
                                     (["--key", command.folder / "missing"], 66, "cannot read"),
                                     (["--certificate", one.certificate], 64, "go with --key"),
                                     (["--key", one.pem, "--passphrase-fd", 0], 64, "standard input"),
                                     (["--key", one.pem, "--passphrase-fd", "x"], 64, "descriptor")):
        result = command.run("decrypt", *arguments, input=message)
        assert (result.status, result.out) == (status, b""), (arguments, result)
        assert words in result.err
    result = command.run("decrypt", "--key", one.key, "--certificate", one.certificate, input=message)
    assert result.status == 0, result
    open_to_all = command.file("open.pem", one.pem.read_bytes())
    os.chmod(open_to_all, 0o644)
    assert "everybody" in command.run("decrypt", "--key", open_to_all, input=message).err


# --- Attacks ---

def changed(octets, at):
    result = bytearray(octets)
    result[at] ^= 1
    return bytes(result)


def elements(der):
    """DER as a list of (tag, contents), the contents of constructed elements lists themselves."""
    result = []
    while der:
        length, begin = der[1], 2
        if length >= 0x80:
            begin += length & 0x7f
            length = int.from_bytes(der[2:begin], "big")
        contents = der[begin:begin + length]
        result.append((der[0], elements(contents) if der[0] & 0x20 else contents))
        der = der[begin + length:]
    return result


def encoded(items):
    result = b""
    for tag, contents in items:
        octets = encoded(contents) if isinstance(contents, list) else contents
        size = len(octets)
        length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
        result += bytes([tag]) + length + octets
    return result


def refused(command, key, cms, target):
    for octets in (cms, as_message(cms)):
        result = command.run("decrypt", "--key", key, "--output", target, input=octets)
        assert result.status in (1, 65), result
        assert result.out == b"" and not target.exists()


def test_changed_cbc_opens_with_a_warning(command, people):
    """EFAIL: one changed bit garbles a block and changes the next, and nothing in CBC notices."""
    cms = seal(ENTITY + b"x" * 200 + b"\r\n", people["p256"])
    result = command.run("decrypt", "--key", people["p256"].pem, input=changed(cms, len(cms) - 100))
    assert result.status == 0, result
    assert NO_INTEGRITY in result.err


def test_forged_gcm_gives_nothing(command, people):
    key, target = people["p256"].pem, command.folder / "opened"
    cms = seal(ENTITY, people["p256"], cipher="aes-256-gcm")
    assert cms[-18:-16] == b"\x04\x10"  # the tag ends it
    refused(command, key, changed(cms, -1), target)   # the tag
    refused(command, key, changed(cms, -20), target)  # the content
    refused(command, key, cms[:-1], target)           # cut off
    refused(command, key, cms + b"\0", target)        # something behind it
    refused(command, key, cms.replace(GCM_OID, CBC_OID), target)  # CBC in AuthEnvelopedData


def test_short_tags_are_refused(command, people):
    """A tag of 4 octets can be guessed: cut to that, lengths put right, and announced in the parameters."""
    key, target = people["p256"].pem, command.folder / "opened"
    content_info = elements(seal(ENTITY, people["p256"], cipher="aes-256-gcm"))
    data = content_info[0][1][1][1][0][1]
    tag, octets = data[-1]
    parameters = data[2][1][1][1][1][1]
    assert (tag, len(octets), parameters[-1]) == (0x04, 16, (0x02, b"\x10"))
    assert command.run("decrypt", "--key", key, input=encoded(content_info)).status == 0  # put together again
    for length in (4, 8, 11):
        data[-1] = (0x04, octets[:length])
        parameters[-1] = (0x02, bytes([length]))
        refused(command, key, encoded(content_info), target)
    data[-1] = (0x04, octets[:4])  # and where the parameters promise a long one
    parameters[-1] = (0x02, b"\x10")
    refused(command, key, encoded(content_info), target)


def test_aead_in_enveloped_data_is_refused(command, people):
    """GCM without a place for its tag would be counter mode, changed at will."""
    cms = seal(ENTITY, people["p256"]).replace(CBC_OID, GCM_OID)
    refused(command, people["p256"].pem, cms, command.folder / "opened")


def test_content_that_is_no_mail_is_refused(command, people):
    cms = seal(ENTITY, people["p256"])
    data = bytes.fromhex("06092a864886f70d010701")
    assert cms.count(data) == 1
    refused(command, people["p256"].pem, cms.replace(data, data[:-1] + b"\x02"), command.folder / "opened")


# --- Signatures inside ---

def sign(entity, who, opaque, digest="sha256"):
    return openssl("cms", "-sign", "-binary", "-md", digest, *(["-nodetach"] if opaque else []), "-signer", who.certificate,
                   "-inkey", who.key, input=entity).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.mark.parametrize("opaque", [True, False])
def test_signatures_inside(command, people, opaque):
    bob, alice, ca = people["rsa2048"], people["alice"], people["ca"]

    def opened(payload, *arguments, sender=b"alice@example.org"):
        message = as_message(seal(payload, bob)).replace(b"alice@example.org", sender)
        result = command.run("decrypt", "--key", bob.pem, *arguments, input=message)
        assert result.status == 0, result
        assert b"from openssl" in result.out
        assert (b"pkcs7-mime" in result.out, b"multipart/signed" in result.out) == (False, not opaque)
        return result.err

    payload = sign(ENTITY, alice, opaque)
    said = opened(payload, "--smime-ca", ca.certificate)
    assert "CN=alice: good signature; its chain is good" in said and "alice@example.org" in said
    assert "warning" not in said
    digest = openssl("x509", "-in", alice.certificate, "-noout", "-fingerprint", "-sha256").decode().partition("=")[2]
    assert digest.strip().replace(":", "") in said
    said = opened(payload)
    assert "warning: signature by CN=alice: good signature; the chain of its certificate is not checked" in said
    assert NO_INTEGRITY in said
    assert "not among yours" in opened(payload, "--smime-ca", people["p256"].certificate)
    assert "not for the address in the From" in opened(payload, "--smime-ca", ca.certificate, sender=b"mallory@example.org")
    assert "not for signing" in opened(sign(ENTITY, people["server"], opaque), "--smime-ca", ca.certificate)
    assert "expired on" in opened(sign(ENTITY, people["expired"], opaque), "--smime-ca", ca.certificate)
    assert "broken" in opened(sign(ENTITY, alice, opaque, digest="sha1"), "--smime-ca", ca.certificate)


def test_a_signer_both_expired_and_revoked_is_revoked(command, people, tmp_path):
    """Whoever has stolen the key may go on to use it after that."""
    ca, expired = people["ca"], people["expired"]
    crl = tmp_path / "list.crl"
    message = as_message(seal(sign(ENTITY, expired, opaque=True), people["rsa2048"]))
    for serial, words in (("07", "was revoked on 2026-01-01"), ("08", "expired on")):
        crl.write_bytes(revocation_list(tmp_path, ca.certificate, ca.key, serial))
        result = command.run("decrypt", "--key", people["rsa2048"].pem, "--smime-ca", ca.certificate, "--smime-crl", crl,
                             input=message)
        assert result.status == 0 and words in result.err, result


def test_a_bad_signature_is_reported_as_bad(command, people):
    """Alice's signature, beside a text that she did not sign."""
    bob, alice, ca = people["rsa2048"], people["alice"], people["ca"]
    payload = sign(ENTITY, alice, False).replace(b"from openssl", b"from mallory")
    result = command.run("decrypt", "--key", bob.pem, "--smime-ca", ca.certificate, input=as_message(seal(payload, bob)))
    assert result.status == 0, result
    assert b"from mallory" in result.out
    assert "BAD signature" in result.err and "good" not in result.err and NO_INTEGRITY in result.err

"""lockbox import of S/MIME certificates: what they come in, what is wrong with them, and what the other commands say then."""

import shutil
import subprocess

import pytest

from support import cms, places
from support.command import Command

DATA = places.SOURCE / "tests" / "data" / "smime"
ROOT = DATA / "root.pem"
ALICE = "alice@example.org"
PAYLOAD = b"Content-Type: text/plain\r\n\r\nSigned text.\r\n"


@pytest.fixture
def lockbox(tmp_path):
    return Command(tmp_path)


def fingerprint(file):
    """As openssl-x509(1) prints it, without colons."""
    text = cms.openssl("x509", "-in", file, "-noout", "-fingerprint", "-sha256").decode()
    return text.partition("=")[2].strip().replace(":", "")


def lines(result):
    """The first two words of each result: what became of which certificate."""
    return [tuple(line.split()[:2]) for line in result.text.splitlines() if not line.startswith(" ")]


def outcomes(result):
    return [outcome for outcome, _ in lines(result)]


def configured(lockbox, **keys):
    text = "".join(f"{name.replace('_', '-')} = {value}\n" for name, values in keys.items()
                   for value in (values if isinstance(values, list) else [values]))
    return ["--config", lockbox.file("lockbox.conf", text)]


def with_issuer(lockbox, *names, issuer="issuing.pem"):
    return lockbox.file("with-issuer.pem", b"".join((DATA / name).read_bytes() for name in (issuer, *names)))


def explain(lockbox, recipient, *arguments, rule="require"):
    config = lockbox.file("explain.conf", f"rule = to=* {rule}\n" + "".join(f"smime-crl = {path}\n" for path in arguments))
    return lockbox.run("explain", "--config", config, "--from", "sender@example.com", "--to", recipient)


# --- What certificates come in ---

@pytest.mark.parametrize("name", ["alice-chain.pem", "bundle.pem", "bundle.p7b", "empty-passphrase.p12",
                                  "open-certificates.p12", "no-passphrase.p12", "signed.eml", "signed-opaque.eml"])
def test_every_wrapping(lockbox, name):
    result = lockbox.run("import", "--smime-ca", ROOT, DATA / name)
    assert result.status == 0, result
    assert ("new", fingerprint(DATA / "alice.pem")) in lines(result)
    assert set(outcomes(result)) <= {"new", "authority"} and result.err == ""
    listed = lockbox.run("list", ALICE)
    assert listed.status == 0 and fingerprint(DATA / "alice.pem")[-16:] in listed.text, listed
    assert explain(lockbox, ALICE).status == 0
    shown = lockbox.run("show", ALICE)
    assert fingerprint(DATA / "alice.pem") in shown.text and "verified" in shown.text


def test_der_and_the_issuers_that_came_earlier(lockbox):
    alone = lockbox.run("import", "--smime-ca", ROOT, DATA / "alice.der")
    assert (alone.status, outcomes(alone)) == (65, ["refused"])
    assert "intermediate missing: 'CN=Example Issuing CA,O=Example' has issued" in alone.text
    # What an imported certificate's chain has is kept, and helps the next one.
    assert lockbox.run("import", "--smime-ca", ROOT, with_issuer(lockbox, "p256.pem")).status == 0
    result = lockbox.run("import", "--smime-ca", ROOT, "-", input=(DATA / "alice.der").read_bytes())
    assert (result.status, lines(result)) == (0, [("new", fingerprint(DATA / "alice.pem"))]), result


def test_the_authority_of_the_configuration(lockbox):
    config = configured(lockbox, smime_ca=str(ROOT))
    assert lockbox.run("import", *config, DATA / "bundle.p7b").status == 0
    folder = lockbox.folder / "authorities"
    folder.mkdir()
    shutil.copy(ROOT, folder)
    result = lockbox.run("import", *configured(lockbox, smime_ca=str(folder)), DATA / "bundle.p7b")
    assert (result.status, sorted(outcomes(result))) == (0, ["authority", "unchanged", "unchanged"])


def test_a_passphrase_is_not_asked_for(lockbox):
    result = lockbox.run("import", "--smime-ca", ROOT, DATA / "locked.p12", start_new_session=True)
    assert (result.status, lines(result)) == (65, [("refused", "-")]), result
    assert "encrypted under a passphrase" in result.text and "openssl pkcs12" in result.text
    # What the hint says works.
    certificates = lockbox.folder / "certs.pem"
    cms.openssl("pkcs12", "-in", DATA / "locked.p12", "-nokeys", "-passin", "pass:secret", "-out", certificates)
    assert lockbox.run("import", "--smime-ca", ROOT, certificates).status == 0


def test_secret_keys_are_refused_and_do_not_hide_the_certificate(lockbox):
    both = lockbox.file("both.pem", (DATA / "alice.key").read_bytes() + (DATA / "alice-chain.pem").read_bytes())
    result = lockbox.run("import", "--smime-ca", ROOT, both)
    assert result.status == 65, result
    assert sorted(outcomes(result)) == ["authority", "authority", "new", "refused"]
    assert "secret key" in result.text


def test_a_changed_signed_message_gives_nothing(lockbox):
    for arguments in ((), ("--trust-fingerprint", fingerprint(DATA / "alice.pem"))):
        result = lockbox.run("import", "--smime-ca", ROOT, *arguments, DATA / "signed-changed.eml")
        assert result.status == 65, result
        assert "the S/MIME signature is wrong, or the message was changed" in result.text
        assert "S/MIME signature: " in result.text  # where in the message
        assert lockbox.run("list").out == b""


def test_an_opaque_signature_is_named_as_what_it_is(lockbox):
    octets = bytearray(cms.signed_data(PAYLOAD, DATA / "alice.pem", DATA / "alice.key"))
    octets[octets.index(b"Signed text")] ^= 1
    message = lockbox.file("opaque.eml", cms.as_signed_message(bytes(octets), ALICE))
    result = lockbox.run("import", "--smime-ca", ROOT, "--json", message)
    assert result.status == 65, result
    assert [entry["where"] for entry in result.json["certificates"]] == ["S/MIME signature"]
    assert "was changed" in result.json["certificates"][0]["reason"]


def test_a_signer_who_cannot_be_encrypted_to(lockbox):
    result = lockbox.run("import", "--smime-ca", ROOT, DATA / "signed-by-signer.eml")
    assert (result.status, lines(result)) == (65, [("refused", fingerprint(DATA / "sign-only.pem"))]), result
    assert "key usage does not allow encryption" in result.text


# --- What is wrong with them ---

FAULTS = [("expired", "old@example.org", "certificate expired on 2021-01-01"),
          ("future", "later@example.org", "certificate not valid before 2080-01-01"),
          ("sign-only", "signer@example.org", "key usage does not allow encryption"),
          ("server", "s@example.org", "extended key usage does not allow mail"),
          ("for-servers", "wrong@example.org", "has issued"),
          ("no-address", "just@example.org", "no address"),
          ("subject-address", "subject@example.org", "no address"),
          ("unknown", "unknown@example.org", "'CN=Stranger Root,O=Stranger' has issued 'CN=Unknown'"),
          ("self-signed", "self@example.org", "self-signed"),
          ("weak", "weak@example.org", "weak: its RSA key has 1024 bit, fewer than 2048"),
          ("sha1", "sha@example.org", "weak: the signature on"),
          ("ed25519", "ed@example.org", "unsupported key: Ed25519 signs, nothing can be encrypted to it"),
          ("x25519", "ex@example.org", "unsupported key: X25519"),
          ("dsa", "dsa@example.org", "unsupported key: DSA"),
          ("secp256k1", "coin@example.org", "unsupported key: the curve secp256k1"),
          ("critical", "c@example.org", "critical extension")]


@pytest.mark.parametrize("name, address, reason", FAULTS)
def test_faults(lockbox, name, address, reason):
    result = lockbox.run("import", "--smime-ca", ROOT, with_issuer(lockbox, f"{name}.pem"))
    assert result.status == 65, result
    assert ("refused", fingerprint(DATA / f"{name}.pem")) in lines(result)
    assert reason in result.text and str(lockbox.folder / "with-issuer.pem") in result.text
    entry = [one for one in lockbox.run("import", "--json", "--smime-ca", ROOT, with_issuer(lockbox, f"{name}.pem")
                                        ).json["certificates"] if one["outcome"] == "refused"]
    assert len(entry) == 1 and reason in entry[0]["reason"] and entry[0]["usable_until"] is None
    # Nothing is stored, and everybody says so.
    assert lockbox.run("list").out == b""
    assert lockbox.run("show", address).status == lockbox.run("list", address).status == 67
    assert explain(lockbox, address).status == 67


@pytest.mark.parametrize("arguments", [(), ("--smime-ca", DATA / "stranger.pem")])
def test_without_the_right_authority(lockbox, arguments):
    result = lockbox.run("import", *arguments, DATA / "alice-chain.pem")
    assert result.status == 65, result
    assert ("refused", fingerprint(DATA / "alice.pem")) in lines(result)
    assert "unknown CA: nothing says that the authority 'CN=Example Root,O=Example' is trusted" in result.text
    assert "--smime-ca" in result.text and "--trust-fingerprint" in result.text


@pytest.mark.parametrize("name", ["alice", "unknown", "self-signed"])
def test_a_fingerprint_that_a_person_compared(lockbox, name):
    colons = cms.openssl("x509", "-in", DATA / f"{name}.pem", "-noout", "-fingerprint", "-sha256").decode()
    result = lockbox.run("import", "--trust-fingerprint", colons.partition("=")[2].strip(), DATA / f"{name}.pem")
    assert (result.status, lines(result)) == (0, [("new", fingerprint(DATA / f"{name}.pem"))]), result
    assert "manual" in lockbox.run("show", fingerprint(DATA / f"{name}.pem")).text


def test_a_fingerprint_that_nothing_has(lockbox):
    other = "AB" * 32
    result = lockbox.run("import", "--smime-ca", ROOT, "--trust-fingerprint", other, DATA / "alice-chain.pem")
    assert result.status == 0 and f"nothing that was read has the fingerprint {other}" in result.err, result
    assert lockbox.run("import", "--trust-fingerprint", "AB", DATA / "alice.pem").status == 64


def test_the_address_in_the_subject(lockbox):
    file = with_issuer(lockbox, "subject-address.pem")
    assert "--subject-address takes it" in lockbox.run("import", "--smime-ca", ROOT, file).text
    assert lockbox.run("import", "--smime-ca", ROOT, "--subject-address", file).status == 0
    assert explain(lockbox, "subject@example.org").status == 0


def test_one_bad_certificate_does_not_hide_the_good_ones(lockbox):
    garbage = b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
    file = lockbox.file("company.pem", b"".join((DATA / f"{name}.pem").read_bytes() + garbage for name in (
        "weak", "alice", "ed25519", "issuing", "expired", "p256", "sign-only", "p384")))
    result = lockbox.run("import", "--smime-ca", ROOT, file)
    assert result.status == 65, result
    assert sorted(one for outcome, one in lines(result) if outcome == "new") == \
        sorted(fingerprint(DATA / f"{name}.pem") for name in ("alice", "p256", "p384"))
    assert outcomes(result).count("refused") == 4 + 8 and outcomes(result).count("authority") == 1
    assert len(lockbox.run("list", "--json").json["certificates"]) == 3


# --- Revoked ---

def test_revoked_certificates_are_not_taken_in(lockbox):
    crl = [f"{DATA}/both.crl"]
    config = configured(lockbox, smime_ca=str(ROOT), smime_crl=crl)
    result = lockbox.run("import", *config, with_issuer(lockbox, "revoked.pem", "alice.pem"))
    assert result.status == 65, result
    assert ("refused", fingerprint(DATA / "revoked.pem")) in lines(result)
    assert ("new", fingerprint(DATA / "alice.pem")) in lines(result)
    # The day is in the list: `openssl crl -text` prints "Revocation Date".
    text = cms.openssl("crl", "-in", DATA / "issuing.crl", "-noout", "-text").decode()
    serial = cms.openssl("x509", "-in", DATA / "revoked.pem", "-noout", "-serial").decode().partition("=")[2].strip()
    month, day, _, year = text.partition(f"Serial Number: {serial}")[2].partition("Revocation Date: ")[2].split()[:4]
    number = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split().index(month) + 1
    assert f"certificate revoked on {year}-{number:02}-{int(day):02}, says a list of its authority" in result.text
    assert lockbox.run("list", "gone@example.org").status == 67


@pytest.mark.parametrize("name, address, issuer, crl", [
    ("revoked", "gone@example.org", "issuing.pem", "issuing.crl"), ("held", "held@example.org", "issuing.pem", "issuing.crl"),
    ("revoked-by-root", "gone2@example.org", "issuing.pem", "root.der.crl"),
    ("under-withdrawn", "under@example.org", "withdrawn.pem", "both.crl"),
    ("revoked", "gone@example.org", "issuing.pem", "stale.crl")])
def test_revoked_after_the_import(lockbox, name, address, issuer, crl):
    assert lockbox.run("import", "--smime-ca", ROOT, with_issuer(lockbox, f"{name}.pem", issuer=issuer)).status == 0
    assert explain(lockbox, address).status == 0
    config = configured(lockbox, smime_crl=str(DATA / crl))
    for arguments in (["list", *config, address], ["show", *config, address]):
        result = lockbox.run(*arguments)
        assert result.status == 0 and "certificate revoked" in result.text, result
    result = explain(lockbox, address, DATA / crl, rule="prefer")
    assert result.status == 67 and "certificate revoked" in result.text, result
    result = lockbox.run("encrypt", *config, "--to", address, input=b"Subject: x\n\nx\n")
    assert (result.status, result.out) == (67, b"") and "certificate revoked" in result.err, result
    # Imported once more it stays, since a list may take back what it said, and that is said.
    again = lockbox.run("import", *configured(lockbox, smime_ca=str(ROOT), smime_crl=str(DATA / crl)),
                        with_issuer(lockbox, f"{name}.pem", issuer=issuer))
    assert again.status == 0 and "nothing is sealed to it any more: certificate revoked" in again.text, again
    assert any(line.endswith("  certificate revoked") for line in again.text.splitlines()) and "until" not in again.text, again
    assert explain(lockbox, address).status == 0  # without the list


def test_an_overdue_list_is_said_to_be_so(lockbox):
    crl = DATA / "stale.crl"
    config = configured(lockbox, smime_ca=str(ROOT), smime_crl=str(crl))
    # `openssl crl -nextupdate` prints Apr  1 00:00:00 2026 GMT.
    assert b"Apr  1 00:00:00 2026" in cms.openssl("crl", "-in", crl, "-noout", "-nextupdate")
    warning = (f"lockbox: warning: {crl}: the list of 'CN=Example Issuing CA,O=Example' was due for renewal on 2026-04-01, so what "
               "it has revoked since is not known\n")
    result = lockbox.run("import", *config, with_issuer(lockbox, "alice.pem"))
    assert (result.status, result.err) == (0, warning), result
    for arguments in (["list"], ["show", ALICE], ["encrypt", "--to", ALICE], ["explain", "--from", "a@example.com", "--to", ALICE]):
        result = lockbox.run(*arguments, *config, input=b"Subject: x\n\nx\n")
        assert (result.status, result.err) == (0, warning), result
        if arguments[0] != "encrypt":
            found = lockbox.run(arguments[0], "--json", *arguments[1:], *config).json
            assert [f"lockbox: warning: {text}\n" for text in found["warnings"]] == [warning], found
    # A newer list of the same authority makes up for it.
    both = configured(lockbox, smime_crl=[str(crl), str(DATA / "issuing.crl")])
    assert lockbox.run("list", *both).err == ""
    assert lockbox.run("list", "--json", *both).json["warnings"] == []


@pytest.mark.parametrize("what", ["missing", "garbage"])
def test_a_list_that_cannot_be_read(lockbox, what):
    crl = lockbox.folder / "list.crl"
    if what == "garbage":
        crl.write_bytes(b"garbage\n")
    config = configured(lockbox, smime_ca=str(ROOT), smime_crl=[str(crl), f"{DATA}/issuing.crl"])
    result = lockbox.run("import", *config, with_issuer(lockbox, "alice.pem", "revoked.pem"))
    assert str(crl) in result.err and "warning" in result.err, result
    assert sorted(outcomes(result)) == ["authority", "new", "refused"]  # the other list counts all the same
    for arguments in (["list"], ["show", ALICE], ["explain", "--from", "a@example.com", "--to", ALICE]):
        result = lockbox.run(*arguments, *config)
        assert result.status == 0 and str(crl) in result.err and "nothing is known of what it has revoked" in result.err, result
    # Sealing is another matter: that cannot be taken back.
    result = lockbox.run("encrypt", *config, "--to", ALICE, input=b"Subject: x\n\nx\n")
    assert result.status == (66 if what == "missing" else 78) and result.out == b"" and str(crl) in result.err, result


def test_the_milter_says_before_mail_comes_that_a_list_is_overdue(lockbox):
    assert lockbox.run("import", "--smime-ca", ROOT, with_issuer(lockbox, "alice.pem")).status == 0
    for crl, warned in (("stale.crl", True), ("issuing.crl", False)):
        config = lockbox.file("milter.conf", f"socket = unix:{lockbox.folder}/s\nkeyring = {lockbox.keyring}\n"
                                             f"journal = {lockbox.folder}/journal\nsmime-crl = {DATA / crl}\n")
        done = subprocess.run([places.program("lockbox-milter"), "--config", config, "--check"], capture_output=True, text=True,
                              check=False, timeout=120)
        assert done.returncode == 0 and "no faults found" in done.stdout, done
        assert (f"lockbox-milter: warning: {DATA / crl}: the list of 'CN=Example Issuing CA,O=Example' was due for renewal on "
                "2026-04-01" in done.stderr) == warned, done


# --- What the reader reads ---

def content_encryption(lockbox, address=ALICE):
    return [entry["content_encryption"] for entry in lockbox.run("show", "--json", address).json["certificates"]]


@pytest.mark.parametrize("algorithms, expected", [
    ((cms.AES_256_CBC, cms.AES_256_GCM), "gcm"), ((cms.AES_256_GCM,), "gcm"), ((cms.AES_256_CBC, cms.AES_128_CBC), "cbc"),
    ((cms.AES_128_GCM,), "cbc"),  # Lockbox seals with 256 bit
    ((), "cbc")])
def test_capabilities_of_a_signed_message(lockbox, algorithms, expected):
    octets = cms.signed_data(PAYLOAD, DATA / "alice.pem", DATA / "alice.key", cms.capabilities(*algorithms),
                             certificates=[DATA / "issuing.pem"])
    # Others take it for a good signature, too.
    assert cms.openssl("cms", "-verify", "-inform", "DER", "-binary", "-CAfile", ROOT, input=octets) == PAYLOAD
    result = lockbox.run("import", "--smime-ca", ROOT, lockbox.file("signed.eml", cms.as_signed_message(octets, ALICE)))
    assert (result.status, lines(result)) == (0, [("new", fingerprint(DATA / "alice.pem"))]), result
    assert content_encryption(lockbox) == [expected]
    assert (f"AES-256-{expected.upper()}" in explain(lockbox, ALICE).text)


def test_openssl_announces_no_gcm(lockbox):
    """What `openssl cms -sign` writes is CBC only, whatever it reads itself."""
    assert lockbox.run("import", "--smime-ca", ROOT, DATA / "signed.eml").status == 0
    assert content_encryption(lockbox) == ["cbc"]


def test_what_a_person_says_counts_more(lockbox):
    octets = cms.signed_data(PAYLOAD, DATA / "alice.pem", DATA / "alice.key", cms.capabilities(cms.AES_256_GCM),
                             certificates=[DATA / "issuing.pem"])
    message = lockbox.file("signed.eml", cms.as_signed_message(octets, ALICE))
    assert lockbox.run("import", "--smime-ca", ROOT, "--content-encryption", "cbc", message).status == 0
    assert content_encryption(lockbox) == ["cbc"]
    # Neither a later signed message nor the certificate alone takes that back.
    assert lockbox.run("import", "--smime-ca", ROOT, message).status == 0
    assert content_encryption(lockbox) == ["cbc"]
    assert lockbox.run("import", "--smime-ca", ROOT, DATA / "alice-chain.pem").status == 0
    assert content_encryption(lockbox) == ["cbc"]
    # Another word of a person does.
    assert lockbox.run("set", "--content-encryption", "gcm", ALICE).status == 0
    assert content_encryption(lockbox) == ["gcm"]


def test_an_older_message_does_not_overrule_a_newer_one(lockbox):
    def say(algorithm, *time):
        octets = cms.signed_data(PAYLOAD, DATA / "alice.pem", DATA / "alice.key", cms.capabilities(algorithm), *time,
                                 certificates=[DATA / "issuing.pem"])
        message = lockbox.file("signed.eml", cms.as_signed_message(octets, ALICE))
        assert lockbox.run("import", "--smime-ca", ROOT, message).status == 0
        return content_encryption(lockbox)

    assert say(cms.AES_256_GCM, cms.signing_time("260301120000Z")) == ["gcm"]
    assert say(cms.AES_256_CBC, cms.signing_time("260301115959Z")) == ["gcm"]
    assert say(cms.AES_256_CBC) == ["gcm"]  # it does not say when
    assert say(cms.AES_256_CBC, cms.signing_time("260301120001Z")) == ["cbc"]


@pytest.mark.parametrize("authority, address, believed", [
    ("ca", "pat@example.org", True), ("ca", "mallory@example.org", False), ("other", "pat@example.org", False)])
def test_who_may_say_what_the_reader_reads(lockbox, two_certificates, authority, address, believed):
    """Somebody signs that the answer goes to Pat's certificate, and what its reader reads."""
    folder = lockbox.folder / "signer"
    folder.mkdir()
    encrypt, ca = two_certificates / "encrypt.pem", two_certificates / "ca.pem"
    issuer = two_certificates / "ca"
    if authority == "other":
        issuer = folder / "other"
        cms.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{issuer}.key", "-out", f"{issuer}.pem",
                    "-days", 30, "-subj", "/CN=Other CA", "-addext", "keyUsage=critical,keyCertSign")
    request = cms.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key", "-subj", "/CN=Somebody")
    (folder / "ext").write_text(f"basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nsubjectAltName=email:{address}\n")
    cms.openssl("x509", "-req", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-days", 30, "-set_serial", 77,
                "-extfile", folder / "ext", "-out", folder / "pem", input=request)
    octets = cms.signed_data(PAYLOAD, folder / "pem", folder / "key", cms.encryption_key_preference(encrypt),
                             cms.capabilities(cms.AES_256_GCM), certificates=[encrypt])
    message = lockbox.file("signed.eml", cms.as_signed_message(octets, "pat@example.org"))
    result = lockbox.run("import", "--smime-ca", ca, message)
    assert (result.status, lines(result)) == (0, [("new", fingerprint(encrypt))]), result
    assert content_encryption(lockbox, "pat@example.org") == ["gcm" if believed else "cbc"]


def test_changed_capabilities_are_not_believed(lockbox):
    octets = cms.signed_data(PAYLOAD, DATA / "alice.pem", DATA / "alice.key", cms.capabilities(cms.AES_256_CBC),
                             certificates=[DATA / "issuing.pem"])
    forged = octets.replace(bytes.fromhex(cms.AES_256_CBC), bytes.fromhex(cms.AES_256_GCM))
    assert forged != octets
    result = lockbox.run("import", "--smime-ca", ROOT, lockbox.file("signed.eml", cms.as_signed_message(forged, ALICE)))
    assert result.status == 65 and "was changed" in result.text, result
    assert lockbox.run("list").out == b""


@pytest.fixture(scope="module")
def two_certificates(tmp_path_factory):
    """An authority, and somebody with one certificate for signing and one for encryption."""
    folder = tmp_path_factory.mktemp("pair")
    cms.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-days", 30,
                "-subj", "/CN=Pair CA", "-addext", "keyUsage=critical,keyCertSign")
    for number, (name, usage) in enumerate((("sign", "digitalSignature"), ("encrypt", "keyEncipherment")), 1):
        request = cms.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / f"{name}.key", "-subj", "/CN=Pat")
        (folder / "ext").write_text(f"basicConstraints=CA:FALSE\nkeyUsage={usage}\nsubjectAltName=email:pat@example.org\n")
        cms.openssl("x509", "-req", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-days", 30, "-set_serial", number,
                    "-extfile", folder / "ext", "-out", folder / f"{name}.pem", input=request)
    return folder


def test_the_certificate_that_the_signer_wants_for_encryption(lockbox, two_certificates):
    sign, encrypt, ca = (two_certificates / f"{name}.pem" for name in ("sign", "encrypt", "ca"))
    octets = cms.signed_data(PAYLOAD, sign, two_certificates / "sign.key", cms.encryption_key_preference(encrypt),
                             cms.capabilities(cms.AES_256_GCM), certificates=[encrypt])
    assert cms.openssl("cms", "-verify", "-inform", "DER", "-binary", "-CAfile", ca, input=octets) == PAYLOAD
    message = lockbox.file("signed.eml", cms.as_signed_message(octets, "pat@example.org"))
    result = lockbox.run("import", "--smime-ca", ca, message)
    assert (result.status, lines(result)) == (0, [("new", fingerprint(encrypt))]), result
    assert content_encryption(lockbox, "pat@example.org") == ["gcm"]


def test_without_a_preference_the_certificate_beside_it_is_meant_that_can_be_encrypted_to(lockbox, two_certificates):
    """RFC 8551 section 2.5.3.1."""
    sign, encrypt, ca = (two_certificates / f"{name}.pem" for name in ("sign", "encrypt", "ca"))
    octets = cms.signed_data(PAYLOAD, sign, two_certificates / "sign.key", certificates=[encrypt])
    message = lockbox.file("signed.eml", cms.as_signed_message(octets, "pat@example.org"))
    result = lockbox.run("import", "--smime-ca", ca, message)
    assert (result.status, lines(result)) == (0, [("new", fingerprint(encrypt))]), result


def test_a_preference_for_what_did_not_come_along(lockbox, two_certificates):
    sign, encrypt, ca = (two_certificates / f"{name}.pem" for name in ("sign", "encrypt", "ca"))
    octets = cms.signed_data(PAYLOAD, sign, two_certificates / "sign.key", cms.encryption_key_preference(encrypt))
    message = lockbox.file("signed.eml", cms.as_signed_message(octets, "pat@example.org"))
    result = lockbox.run("import", "--smime-ca", ca, message)
    assert (result.status, lines(result)) == (65, [("refused", fingerprint(sign))]), result


# --- Floods ---

def test_too_many_authorities_at_once(lockbox):
    """Each would be looked at for each certificate: a browser's list beside a company's certificates."""
    key = lockbox.folder / "key"
    cms.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    authorities = [cms.openssl("req", "-x509", "-new", "-key", key, "-days", 30, "-subj", f"/CN=CA {number}") for number in range(101)]
    file = lockbox.file("many.pem", b"".join([(DATA / "alice-chain.pem").read_bytes(), *authorities]))
    result = lockbox.run("import", "--smime-ca", ROOT, file)
    assert (result.status, result.out) == (65, b""), result
    assert f"{file} has the certificates of 103 certification authorities, more than 100" in result.err
    # The same ones again and again are a company's export, each person with the chain.
    file.write_bytes((DATA / "alice-chain.pem").read_bytes() * 60 + b"".join(authorities[:98]))
    result = lockbox.run("import", "--smime-ca", ROOT, file)
    assert result.status == 0 and outcomes(result).count("new") == 1, result

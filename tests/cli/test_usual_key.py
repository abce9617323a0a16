"""The S/MIME key of a person who does not want to name it each time, and files that have several."""

import subprocess

import pytest

from support.attacks import NO_KEY, OPENED, PAYLOAD, SECRET
from support.command import Command, Result
from support.smime import SmimeKeys, openssl

ERIN, EVA, OTHER = "erin@example.org", "eva@example.org", "other@example.org"


@pytest.fixture(scope="module")
def people():
    with SmimeKeys() as keys:
        keys.make(ERIN, "rsa2048")
        keys.make(EVA, "p256")
        keys.make(OTHER, "rsa2048")
        yield keys


def pem(people, *addresses):
    return b"".join(people.key_of(address).read_bytes() + people.certificate_of(address).read_bytes() for address in addresses)


def sealed(people, address, *options):
    return openssl("cms", "-encrypt", "-binary", "-outform", "DER", *options, "-recip", people.certificate_of(address), input=PAYLOAD)


def decrypt(folder, octets, *options, **variables):
    command = Command(folder)
    environment = {**command.environment(), "XDG_CONFIG_HOME": str(folder / "config"), **{k: str(v) for k, v in variables.items()}}
    done = subprocess.run([command.program, "decrypt", *map(str, options), command.file("message", octets)], check=False,
                          capture_output=True, timeout=120, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    return Result(done.returncode, done.stdout, done.stderr)


def key_in(folder, octets):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "smime.pem"
    path.write_bytes(octets)
    path.chmod(0o600)
    return path


def test_option_before_variable_before_usual_place(tmp_path, people):
    usual = key_in(tmp_path / "config/lockbox", pem(people, ERIN))
    variable, option = key_in(tmp_path / "variable", pem(people, EVA)), key_in(tmp_path / "option", pem(people, OTHER))
    for address, options, variables in ((ERIN, [], {}), (EVA, [], {"LOCKBOX_KEY": variable}),
                                        (OTHER, ["--key", option], {"LOCKBOX_KEY": variable})):
        for other in (ERIN, EVA, OTHER):
            result = decrypt(tmp_path, sealed(people, other, "-aes-256-gcm"), *options, **variables)
            assert result.status == (OPENED if other == address else NO_KEY) and (SECRET in result.out) == (other == address), result
    usual.unlink()
    assert decrypt(tmp_path, sealed(people, ERIN)).status == NO_KEY
    (tmp_path / "config").rename(tmp_path / ".config")
    key_in(tmp_path / ".config/lockbox", pem(people, ERIN))
    assert decrypt(tmp_path, sealed(people, ERIN), XDG_CONFIG_HOME="", HOME=tmp_path).status == OPENED


def test_usual_key_that_everybody_can_read(tmp_path, people):
    key_in(tmp_path / "config/lockbox", pem(people, ERIN)).chmod(0o644)
    result = decrypt(tmp_path, sealed(people, ERIN))
    assert result.status == OPENED and "everybody on this machine can read" in result.err, result


def test_passphrase_of_the_usual_key_is_not_asked_for_without_need(tmp_path, people, bob_home):
    """A message in OpenPGP has nothing to do with it."""
    locked = openssl("pkcs8", "-topk8", "-in", people.key_of(ERIN), "-passout", "pass:secret")
    key_in(tmp_path / "config/lockbox", locked + people.certificate_of(ERIN).read_bytes())
    result = decrypt(tmp_path, bob_home.encrypt(PAYLOAD, "bob@example.org"), GNUPGHOME=bob_home.path)
    assert result.status == OPENED and SECRET in result.out, result
    assert decrypt(tmp_path, sealed(people, ERIN)).status == NO_KEY


MAKE = r"""
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
int main(int count, char** names) {
    STACK_OF(PKCS12_SAFEBAG)* keys = NULL;
    STACK_OF(PKCS12_SAFEBAG)* certificates = NULL;
    STACK_OF(PKCS7)* safes = NULL;
    for (int i = 1; i < count; ++i) {
        BIO* in = BIO_new_file(names[i], "r");
        EVP_PKEY* key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
        X509* certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
        PKCS12_add_cert(&certificates, certificate);
        PKCS12_add_key(&keys, key, 0, 2048, -1, "secret");
    }
    PKCS12_add_safe(&safes, certificates, -1, 0, NULL);
    PKCS12_add_safe(&safes, keys, -1, 0, NULL);
    PKCS12* file = PKCS12_add_safes(safes, 0);
    PKCS12_set_mac(file, "secret", -1, NULL, 0, 2048, NULL);
    return i2d_PKCS12_fp(stdout, file) == 1 ? 0 : 1;
}
"""


def pkcs12(folder, people, addresses):
    """openssl(1) writes one key into a file; other programs, NSS for one, write all that a person has."""
    source, program = folder / "make.c", folder / "make"
    source.write_text(MAKE, encoding="ascii")
    subprocess.run(["cc", "-o", program, source, "-lcrypto"], check=True, timeout=120)
    return subprocess.run([program, *(key_in(folder / address, pem(people, address)) for address in addresses)], check=True,
                          capture_output=True, timeout=120).stdout


@pytest.mark.parametrize("form", ["PEM", "PKCS#12"])
@pytest.mark.parametrize("options", [(), ("-keyid",)], ids=["issuer and serial number", "subject key identifier"])
@pytest.mark.parametrize("order", [(ERIN, EVA, OTHER), (OTHER, EVA, ERIN)])
def test_the_key_that_fits_is_taken(tmp_path, people, order, options, form):
    file = tmp_path / "keys"
    file.write_bytes(pem(people, *order) if form == "PEM" else pkcs12(tmp_path, people, order))
    for address in order:
        command = Command(tmp_path)
        message = command.file("message", sealed(people, address, *options))
        result = command.run("decrypt", "--key", file, "--passphrase-fd", 0, message, input=b"secret\n")
        assert result.status == OPENED and SECRET in result.out, result

"""Whose certificate it is: pending, approve, reject, pin, unpin, expiring, and what import, list, remove and explain say of
bindings. Nobody's mail changes hands without a person's word, or a proof that it is a renewal."""

import re

import pytest

from support.gnupg import GnuPgHome
from support.smime import SmimeKeys

BOB, MALLORY, ERIN = "bob@example.org", "mallory@example.net", "erin@example.org"
FINGERPRINT = re.compile(r"\b[0-9A-F]{40}(?:[0-9A-F]{24})?\b")

class Person:
    """Somebody with a certificate, and how it looks at several moments."""

    def __init__(self, gnupg, user_id, **options):
        self.fingerprint = gnupg.generate(user_id, **options)
        self.certificate = gnupg.run("--armor", "--export", self.fingerprint)


@pytest.fixture(scope="module")
def people():
    """Bob; Mallory, who writes Bob's address into hers later; and another certificate for Bob, newer than his."""
    with GnuPgHome() as gnupg:
        made = {"bob": Person(gnupg, f"Bob <{BOB}>", faked_time="2024-01-01"),
                "mallory": Person(gnupg, f"Mallory <{MALLORY}>", faked_time="2024-01-01")}
        mallory = made["mallory"].fingerprint
        gnupg.add_user_id(mallory, f"Bob <{BOB}>")
        gnupg.add_subkey(mallory)
        made["mallory"].with_bob = gnupg.run("--armor", "--export", mallory)
        with GnuPgHome() as other:
            made["impostor"] = Person(other, f"Bob <{BOB}>")
        yield type("People", (), made)


@pytest.fixture
def known(lockbox, people):
    """Bob's and Mallory's certificates are in the keyring."""
    for person in (people.bob, people.mallory):
        result = lockbox.run("import", "-", input=person.certificate)
        assert result.status == 0, result
    return lockbox


def sealed_to(lockbox, address, *options):
    """The fingerprint of the certificate that mail to the address is sealed to; None: it is not."""
    result = lockbox.run("explain", "--from", "alice@example.com", "--to", address, "--json", *options)
    return next(iter(FINGERPRINT.findall(certificate_line(result))), None)


def certificate_line(result):
    recipient = result.json["recipients"][0]
    return str(recipient.get("certificate") or "")


def states(lockbox, address):
    """What `list` says of each certificate for the address."""
    found = {}
    for certificate in lockbox.run("list", "--json", address).json["certificates"]:
        for binding in certificate["bindings"]:
            if binding["address"] == address:
                found[certificate["fingerprint"]] = binding["state"]
    return found


def offer(lockbox, certificate, *options):
    return lockbox.run("import", *options, "-", input=certificate)


# The takeover of the issue, with either way to do it.

@pytest.fixture(params=["a new address on a known certificate", "a new certificate for a known address"])
def rival(request, known, people):
    """Somebody else's certificate has been offered for Bob's address, and waits."""
    if request.param.startswith("a new address"):
        return people.mallory.fingerprint, people.mallory.with_bob
    return people.impostor.fingerprint, people.impostor.certificate


def test_an_import_takes_nobody_s_mail_over(known, people, rival):
    fingerprint, certificate = rival
    assert sealed_to(known, BOB) == people.bob.fingerprint
    result = offer(known, certificate)
    assert result.status == 2, result
    line = next(line for line in result.text.splitlines() if line.startswith("pending"))
    assert fingerprint in line and people.bob.fingerprint in line and BOB in line
    assert f"lockbox approve {BOB} {fingerprint}" in result.text
    assert sealed_to(known, BOB) == people.bob.fingerprint
    assert states(known, BOB) == {people.bob.fingerprint: "active", fingerprint: "pending"}
    assert offer(known, certificate).status == 2  # and it waits still


def test_the_same_import_as_json(known, people, rival):
    fingerprint, certificate = rival
    result = offer(known, certificate, "--json")
    assert result.status == 2, result
    waiting = [one for certificate in result.json["certificates"] for one in certificate["waiting"]]
    assert [(one["address"], one["state"], one["rival"]) for one in waiting] == \
        [(BOB, "pending", people.bob.fingerprint)]
    assert result.json["certificates"][0]["fingerprint"] == fingerprint


def test_pending_says_what_waits(known, people, rival):
    fingerprint, certificate = rival
    assert (known.run("pending").status, known.run("pending").text) == (0, "")
    assert known.run("pending", "--json").json["pending"] == []
    offer(known, certificate)
    result = known.run("pending")
    assert result.status == 1, result
    assert fingerprint in result.text and people.bob.fingerprint in result.text
    document = known.run("pending", "--json")
    assert document.status == 1
    (waiting,) = document.json["pending"]
    assert (waiting["address"], waiting["fingerprint"], waiting["used_meanwhile"], waiting["state"], waiting["protocol"]) == \
        (BOB, fingerprint, people.bob.fingerprint, "pending", "openpgp")


@pytest.mark.parametrize("named", [True, False])
def test_approve(known, people, rival, named):
    fingerprint, certificate = rival
    offer(known, certificate)
    result = known.run("approve", BOB, *([fingerprint[-8:]] if named else []), "--json")
    assert result.status == 0, result
    changed = {one["fingerprint"]: one["state"] for one in result.json["changed"]}
    assert changed == {fingerprint: "active", people.bob.fingerprint: "former"}
    assert sealed_to(known, BOB) == fingerprint
    assert known.run("pending").status == 0


def test_reject_is_not_asked_again(known, people, rival):
    fingerprint, certificate = rival
    offer(known, certificate)
    result = known.run("reject", BOB)
    assert result.status == 0, result
    assert result.text.split() == ["rejected", fingerprint, BOB]
    assert offer(known, certificate).status == 0
    assert states(known, BOB)[fingerprint] == "rejected"
    assert known.run("pending").status == 0
    assert sealed_to(known, BOB) == people.bob.fingerprint
    # A person may change their mind.
    assert known.run("approve", BOB, fingerprint).status == 0
    assert sealed_to(known, BOB) == fingerprint


def test_import_with_replace_is_a_persons_word(known, people, rival):
    fingerprint, certificate = rival
    result = offer(known, certificate, "--replace")
    assert result.status == 0, result
    assert sealed_to(known, BOB) == fingerprint
    assert states(known, BOB)[people.bob.fingerprint] == "former"


def test_what_is_pinned_is_not_replaced_by_an_import(known, people, rival):
    fingerprint, certificate = rival
    result = known.run("pin", BOB)
    assert result.status == 0, result
    assert result.text.split() == ["active,", "pinned", people.bob.fingerprint, BOB]
    assert offer(known, certificate, "--replace").status == 2
    assert sealed_to(known, BOB) == people.bob.fingerprint
    assert "pinned" in known.run("show", BOB).text
    assert known.run("unpin", BOB).status == 0
    assert offer(known, certificate, "--replace").status == 0
    assert sealed_to(known, BOB) == fingerprint


def test_a_pin_yields_to_approve(known, people, rival):
    fingerprint, certificate = rival
    known.run("pin", BOB)
    offer(known, certificate)
    assert known.run("approve", BOB).status == 0
    assert sealed_to(known, BOB) == fingerprint


@pytest.mark.parametrize("verb", ["approve", "reject", "pin", "unpin"])
def test_verbs_refuse_what_they_cannot_mean(known, people, verb):
    nothing = known.run(verb, "nobody@example.org")
    assert nothing.status == 67, nothing
    assert "nobody@example.org" in nothing.err
    assert known.run(verb, "no address").status == 64
    assert known.run(verb, BOB, "xyz").status == 64
    assert known.run(verb).status == 64
    if verb in ("approve", "reject"):
        assert known.run(verb, BOB).status == 67  # nothing waits


def test_approve_of_several_wants_a_fingerprint(known, people):
    offer(known, people.mallory.with_bob)
    offer(known, people.impostor.certificate)
    result = known.run("approve", BOB)
    assert result.status == 64, result
    assert sealed_to(known, BOB) == people.bob.fingerprint
    assert known.run("approve", BOB, people.impostor.fingerprint).status == 0


def test_approve_does_not_take_a_revoked_certificate(known, people):
    with GnuPgHome() as gnupg:
        fingerprint = gnupg.generate(f"Bob <{BOB}>")
        offer(known, gnupg.export(BOB))
        gnupg.revoke(fingerprint)
        offer(known, gnupg.export(BOB))
    assert known.run("approve", BOB, fingerprint).status == 64
    assert sealed_to(known, BOB) == people.bob.fingerprint


# First imports, addresses that a person names, lists.

def test_a_first_import_of_an_unknown_address_is_used(lockbox, people):
    assert offer(lockbox, people.bob.certificate).status == 0
    assert states(lockbox, BOB) == {people.bob.fingerprint: "active"}


def test_import_for_one_address_binds_that_one_alone(lockbox, people):
    result = offer(lockbox, people.mallory.with_bob, "--address", "company@example.org")
    assert result.status == 0, result
    assert sealed_to(lockbox, "company@example.org") == people.mallory.fingerprint
    for address in (BOB, MALLORY):
        assert sealed_to(lockbox, address) is None, address


def test_import_for_one_address_takes_a_certificate_without_any(lockbox):
    with GnuPgHome() as gnupg:
        fingerprint = gnupg.generate("The Company")
        certificate = gnupg.run("--armor", "--export", fingerprint)
    assert offer(lockbox, certificate).status == 65
    assert offer(lockbox, certificate, "--address", "info@example.org").status == 0
    assert sealed_to(lockbox, "info@example.org") == fingerprint
    assert offer(lockbox, certificate, "--address", "no address").status == 64


def test_list_by_state(known, people):
    offer(known, people.impostor.certificate)

    def listed(*words):
        return set(FINGERPRINT.findall(known.run("list", *words).text))

    head = known.run("list").text.splitlines()[0].split()
    assert {"ADDRESS", "STATE", "SOURCE"} <= set(head)
    assert listed("--state", "pending") == {people.impostor.fingerprint}
    assert listed("--state", "active") == {people.bob.fingerprint, people.mallory.fingerprint}
    assert listed("--state", "active", "--state", "pending") == \
        {people.bob.fingerprint, people.mallory.fingerprint, people.impostor.fingerprint}
    assert known.run("list", "--state", "unheard-of").status == 64
    assert known.run("list", "--sort", "colour").status == 64


# The end of a certificate.

def ending(user_id, expire):
    with GnuPgHome() as gnupg:
        return Person(gnupg, user_id, expire=expire)


def test_expiring_is_for_cron(lockbox, people):
    assert offer(lockbox, people.bob.certificate).status == 0  # without an end
    assert (lockbox.run("expiring").status, lockbox.run("expiring").text) == (0, "")
    soon = ending("Soon <soon@example.org>", "20d")
    imported = offer(lockbox, soon.certificate)
    assert imported.status == 0
    assert "warning: it can be used until" in imported.text  # import warns of what ends within 30 days
    result = lockbox.run("expiring")
    assert result.status == 1, result
    assert "soon@example.org" in result.text and BOB not in result.text
    assert lockbox.run("expiring", "--within", "10d").status == 0
    assert lockbox.run("expiring", "--within", "3w").status == 1
    (one,) = lockbox.run("expiring", "--json").json["expiring"]
    assert (one["address"], one["fingerprint"]) == ("soon@example.org", soon.fingerprint)
    for wrong in ("30", "1y", "-1d", "99999999d", ""):
        assert lockbox.run("expiring", "--within", wrong).status == 64, wrong


def test_expiring_passes_over_whom_another_certificate_takes_care_of(lockbox):
    soon, later = ending(f"Bob <{BOB}>", "20d"), ending(f"Bob <{BOB}>", "2y")
    offer(lockbox, soon.certificate)
    assert lockbox.run("expiring").status == 1
    offer(lockbox, later.certificate)
    assert lockbox.run("expiring").status == 1  # one that waits takes care of nobody
    lockbox.run("approve", BOB)
    assert lockbox.run("expiring").status == 0


def test_list_by_expiry(lockbox, people):
    later, soon = ending("Later <a@example.org>", "2y"), ending("Soon <z@example.org>", "20d")
    for person in (later, people.bob, soon):
        offer(lockbox, person.certificate)
    assert FINGERPRINT.findall(lockbox.run("list", "--sort", "expiry").text) == \
        [soon.fingerprint, later.fingerprint, people.bob.fingerprint]


def test_explain_at_a_date(lockbox):
    soon = ending(f"Bob <{BOB}>", "20d")
    offer(lockbox, soon.certificate)
    words = ["explain", "--from", "alice@example.com", "--to", BOB]
    assert lockbox.run(*words).status == 0
    assert sealed_to(lockbox, BOB) == soon.fingerprint
    later = lockbox.run(*words, "--at", "2099-01-01")
    assert later.status == 67, later
    assert "expired" in later.text
    assert lockbox.run(*words, "--at", "next month").status == 64


def test_explain_says_that_something_waits_and_that_it_is_pinned(known, people):
    offer(known, people.impostor.certificate)
    known.run("pin", BOB)
    text = known.run("explain", "--from", "alice@example.com", "--to", BOB).text
    assert "pinned" in text and "pending" in text, text


# Out of use.

def test_remove_remembers_the_address(known, people):
    result = known.run("remove", BOB)
    assert result.status == 0, result
    assert BOB in result.text + result.err
    assert states(known, BOB) == {people.bob.fingerprint: "former"}
    assert sealed_to(known, BOB) is None


def test_the_certificate_of_somebody_else_is_not_next_after_remove(known, people):
    offer(known, people.impostor.certificate)
    assert known.run("remove", people.bob.fingerprint).status == 0
    assert states(known, BOB)[people.impostor.fingerprint] == "pending"
    assert sealed_to(known, BOB) is None


def test_remove_asks_where_mail_becomes_clear(known, people):
    clear = ["--config", known.file("lockbox.conf", "rule = prefer\n")]
    refused = known.run(*clear, "remove", "--forget", BOB)
    assert refused.status == 64, refused
    assert "--yes" in refused.err
    assert sealed_to(known, BOB) == people.bob.fingerprint
    assert known.run(*clear, "remove", "--forget", "--yes", BOB).status == 0
    assert states(known, BOB) == {}


def test_a_removed_address_comes_back_where_nobody_else_has_it(known, people):
    known.run("remove", BOB)
    result = offer(known, people.bob.certificate)
    assert result.status == 0, result
    assert sealed_to(known, BOB) == people.bob.fingerprint


# Renewals are no takeovers.

def test_a_renewal_by_the_same_authority_is_used_and_said(lockbox):
    with SmimeKeys() as keys:
        authority = ["--smime-ca", keys.authority]
        keys.make(ERIN, "rsa2048")
        assert lockbox.run("import", *authority, keys.certificate_of(ERIN)).status == 0
        old = sealed_to(lockbox, ERIN)
        keys.make(ERIN, "p256")
        result = lockbox.run("import", *authority, keys.certificate_of(ERIN))
        assert result.status == 0, result
        # Which of the two is used, the dates of their keys say; both were made in the same second, perhaps.
        active = lockbox.run("list", "--state", "active", ERIN).text
        assert old in active and len(active.splitlines()) == 3, active
        assert lockbox.run("pending").status == 0
        assert f"{old}: the authority 'CN=Example CA,O=Example' vouches for both" in result.text, result


def test_an_smime_certificate_of_another_authority_waits(lockbox):
    with SmimeKeys() as keys, SmimeKeys() as strangers:
        keys.make(ERIN, "rsa2048")
        strangers.make(ERIN, "p256")
        both = ["--smime-ca", keys.authority, "--smime-ca", strangers.authority]
        assert lockbox.run("import", *both, keys.certificate_of(ERIN)).status == 0
        old = sealed_to(lockbox, ERIN)
        result = lockbox.run("import", *both, strangers.certificate_of(ERIN))
        assert result.status == 2, result
        assert sealed_to(lockbox, ERIN) == old
        (waiting,) = lockbox.run("pending", "--json").json["pending"]
        assert (waiting["protocol"], waiting["used_meanwhile"]) == ("smime", old)
        assert lockbox.run("approve", ERIN).status == 0
        assert sealed_to(lockbox, ERIN) == waiting["fingerprint"]


def test_a_renewal_certified_by_the_old_certificate_is_used_and_said(lockbox):
    with GnuPgHome() as gnupg:
        old = gnupg.generate(f"Bob <{BOB}>", faked_time="2024-01-01")
        before = gnupg.run("--armor", "--export", old)
        with GnuPgHome() as other:
            new = other.generate(f"Bob <{BOB}>")
            gnupg.run("--import", input=other.run("--export", new))
        gnupg.run("--yes", "--default-key", old, "--quick-sign-key", new)
        certified = gnupg.run("--armor", "--export", new)
    assert offer(lockbox, before).status == 0
    result = offer(lockbox, certified)
    assert result.status == 0, result
    assert sealed_to(lockbox, BOB) == new
    assert "certified" in result.text, result

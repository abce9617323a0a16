"""lockbox alias, and what aliases mean for explain, encrypt and remove."""

import sqlite3

import pytest

from support.gnupg import GnuPgHome

ALICE = "alice@example.com"
BOB = "bob@example.org"
CAROL = "carol@example.org"
DAVE = "dave@example.org"
TEAM = "team@example.org"


def explain(lockbox, *recipients, config=""):
    path = lockbox.file("lockbox.conf", config)
    options = [word for recipient in recipients for word in ("--to", recipient)]
    return lockbox.run("explain", "--config", path, "--from", ALICE, "--json", *options)


def decided(result):
    return {recipient["address"]: recipient for recipient in result.json["recipients"]}


def good(result):
    assert (result.status, result.err) == (0, ""), result
    return result.text


# ── add, list, remove ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_alias_for_addresses_is_made_grows_and_goes(filled):
    assert good(filled.run("alias", "add", "Team@Example.ORG", BOB, CAROL)) == \
        f"new        Team@example.org  {BOB}, {CAROL}\n"
    assert good(filled.run("alias", "add", TEAM, BOB)).startswith("unchanged  Team@example.org ")
    assert good(filled.run("alias", "add", TEAM, DAVE)) == f"updated    Team@example.org  {BOB}, {CAROL}, {DAVE}\n"
    head, *rows = good(filled.run("alias", "list")).splitlines()
    assert head.split("  ")[0] == "ALIAS"
    assert [row.split() for row in rows] == [["Team@example.org", member] for member in (BOB, CAROL, DAVE)]
    assert good(filled.run("alias", "remove", TEAM, CAROL, DAVE)) == f"updated    Team@example.org  {BOB}\n"
    assert good(filled.run("alias", "remove", TEAM)) == f"removed    Team@example.org  {BOB}\n"
    assert good(filled.run("alias", "list")) == ""


def test_an_alias_for_a_certificate_is_made_and_changed(filled, bob_home, carol_home):
    bob, carol = bob_home.fingerprint(BOB), carol_home.fingerprint(CAROL)
    assert good(filled.run("alias", "add", "role@example.org", bob[-16:])) == f"new        role@example.org  {bob}\n"
    assert good(filled.run("alias", "add", "role@example.org", bob)).startswith("unchanged")
    assert good(filled.run("alias", "add", "role@example.org", carol)) == \
        f"updated    role@example.org  {carol}\n           it stood for {bob}\n"
    good(filled.run("alias", "add", "@Partner.Example.", bob))
    listing = [row.split() for row in good(filled.run("alias", "list")).splitlines()[1:]]
    assert [row[:2] for row in listing] == [["@partner.example", bob], ["role@example.org", carol]]
    assert listing[0][2:] in (["no", "expiry"], ["until", listing[0][-1]])
    assert good(filled.run("alias", "list", "@partner.example")).count("\n") == 2


def test_json(filled, bob_home):
    good(filled.run("alias", "add", TEAM, BOB, CAROL))
    good(filled.run("alias", "add", "@partner.example", bob_home.fingerprint(BOB)))
    assert filled.run("alias", "list", "--json").json == {"version": 1, "aliases": [
        {"name": "@partner.example", "addresses": [], "certificate": bob_home.fingerprint(BOB), "why_unusable": None},
        {"name": TEAM, "addresses": [BOB, CAROL], "certificate": None, "why_unusable": None}]}
    assert len(filled.run("alias", "list", "--json", TEAM).json["aliases"]) == 1
    assert filled.run("alias", "remove", TEAM).status == filled.run("alias", "remove", "@partner.example").status == 0
    assert filled.run("alias", "list", "--json").json["aliases"] == []


@pytest.mark.parametrize("arguments, status, words", [
    (["add", TEAM, TEAM], 64, "leads back to itself"),
    (["add", BOB, "one@example.org"], 64, "leads back to itself"),
    (["add", "@example.org", BOB], 64, "is a domain, which can stand for a certificate only"),
    (["add", "role@example.org", BOB], 64, "stands for certificate"),
    (["add", "one@example.org", "FINGERPRINT"], 64, "stands for other addresses"),
    (["add", TEAM, "0123456789ABCDEF"], 67, "no certificate for 0123456789ABCDEF"),
    (["add", TEAM, BOB, "FINGERPRINT"], 64, "is no address"),
    (["add", TEAM, "bob"], 64, "'bob' is no address"),
    (["add", TEAM, "bob@exa mple.org"], 64, "is no address"),
    (["add", "team", BOB], 64, "'team' is neither an address nor @DOMAIN"),
    (["add", "@.example.org", "FINGERPRINT"], 64, "is neither an address nor @DOMAIN"),
    (["add", TEAM], 64, "what is team@example.org to stand for?"),
    (["add", "--json", TEAM, BOB], 64, "takes no --json"),
    (["add"], 64, "needs a NAME"),
    (["remove"], 64, "needs a NAME"),
    (["remove", TEAM], 67, "there is no alias team@example.org"),
    (["remove", TEAM, BOB], 67, "there is no alias team@example.org"),
    (["remove", "one@example.org", CAROL], 67, "is not among those"),
    (["remove", "one@example.org", BOB], 64, "would stand for nobody"),
    (["list", TEAM], 67, "there is no alias team@example.org"),
    (["list", TEAM, BOB], 64, "cannot 'list"),
    (["show", TEAM], 64, "cannot 'show"),
    ([], 64, "needs add, list or remove")])
def test_what_cannot_be(filled, bob_home, arguments, status, words):
    fingerprint = bob_home.fingerprint(BOB)
    good(filled.run("alias", "add", "one@example.org", BOB))
    good(filled.run("alias", "add", "role@example.org", fingerprint))
    before = filled.run("alias", "list").text
    result = filled.run("alias", *[fingerprint if word == "FINGERPRINT" else word for word in arguments])
    assert (result.status, result.out) == (status, b""), result
    assert words in result.err and "lockbox: hint:" in result.err
    assert filled.run("alias", "list").text == before


def test_no_keyring(lockbox):
    for arguments in (["list"], ["add", TEAM, BOB], ["remove", TEAM]):
        result = lockbox.run("alias", *arguments)
        assert (result.status, result.out) == (69, b""), result
        assert not lockbox.keyring.exists()


def test_a_certificate_with_an_alias_is_not_removed(filled, bob_home):
    good(filled.run("alias", "add", "@partner.example", bob_home.fingerprint(BOB)))
    refused = filled.run("remove", BOB)
    assert (refused.status, refused.out) == (64, b""), refused
    assert "the alias @partner.example stands for it" in refused.err
    assert "lockbox alias remove @partner.example" in refused.err
    good(filled.run("alias", "remove", "@partner.example"))
    good(filled.run("remove", BOB))


def test_an_import_keeps_the_aliases_of_a_certificate(filled, bob_home):
    with GnuPgHome() as other:
        fingerprint = other.generate("Eve <eve@example.org>")
        filled.import_from(other, fingerprint)
        good(filled.run("alias", "add", "role@example.org", fingerprint))
        other.add_user_id(fingerprint, "Eve <eve@work.example>")
        filled.import_from(other, fingerprint, status=2)  # the new address waits
        assert decided(explain(filled, "role@example.org"))["role@example.org"]["certificate"] == fingerprint
        # Revoked: no reason to send in clear, whatever else there is.
        good(filled.run("alias", "add", BOB, fingerprint))
        other.revoke(fingerprint)
        filled.import_from(other, fingerprint)
    for recipient in ("role@example.org", BOB):
        result = explain(filled, recipient, config="rule = prefer\n")
        assert result.status == 67, result
        assert f"certificate revoked (alias {recipient})" in result.json["reason"]
    warned = filled.run("alias", "add", "other@example.org", fingerprint)
    assert warned.status == 0
    assert "lockbox: warning: nothing can be sealed to other@example.org: certificate revoked" in warned.err


def test_show_of_an_alias_says_that_it_is_one(filled):
    good(filled.run("alias", "add", TEAM, BOB))
    result = filled.run("show", TEAM)
    assert result.status == 67
    assert f"lockbox alias list {TEAM}" in result.err


# ── what aliases do ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_alias_is_expanded_with_aliases_among_its_members(filled, bob_home, carol_home):
    good(filled.run("alias", "add", TEAM, BOB, CAROL))
    good(filled.run("alias", "add", "all@example.org", TEAM, DAVE, BOB))
    result = explain(filled, "All@Example.org", CAROL)
    people = decided(result)
    assert {address: person["handling"] for address, person in people.items()} == \
        {BOB: "sealed", CAROL: "sealed", DAVE: "clear"}
    assert people[BOB]["via"] == ["All@example.org", TEAM]
    assert people[CAROL]["via"] == []           # written to directly, so not once more through the alias
    assert people[DAVE]["via"] == ["All@example.org"]
    copies = result.json["copies"]
    assert [(copy["recipients"], copy["hidden"]) for copy in copies] == \
        [([CAROL], False), ([BOB], True), ([DAVE], False)]
    assert copies[0]["certificates"] == [carol_home.fingerprint(CAROL)]
    assert copies[1]["certificates"] == [bob_home.fingerprint(BOB)]


def test_what_an_alias_requires_its_members_need(filled):
    good(filled.run("alias", "add", TEAM, BOB, DAVE))
    result = explain(filled, TEAM, config=f"rule = to={TEAM} require\nrule = prefer\n")
    assert result.status == 67, result
    assert result.json["reason"] == f"<{DAVE}> (through <{TEAM}>): no certificate"
    # But its leniency is not theirs.
    result = explain(filled, TEAM, config=f"rule = to={TEAM} never\nrule = require\n")
    assert result.status == 67, result


def test_a_domain_with_one_certificate(filled, bob_home, carol_home):
    good(filled.run("alias", "add", "@example.org", carol_home.fingerprint(CAROL)))
    people = decided(explain(filled, BOB, DAVE, "eve@sub.example.org"))
    assert people[BOB]["certificate"] == bob_home.fingerprint(BOB)
    assert people[DAVE]["certificate"] == carol_home.fingerprint(CAROL)
    assert people[DAVE]["reason"] == "the certificate of the alias @example.org"
    assert people["eve@sub.example.org"]["handling"] == "clear"


def test_a_loop_that_is_there_anyway_harms_nobody(filled):
    good(filled.run("alias", "add", TEAM, BOB))
    with sqlite3.connect(filled.keyring) as database:
        database.execute("UPDATE alias_member SET folded = ?, address = ?", (TEAM, TEAM))
    result = explain(filled, TEAM, CAROL)
    assert result.status == 67, result
    assert result.json["outcome"] == "defer"
    assert result.json["reason"] == f"<{TEAM}>: the alias leads back to itself: {TEAM} > {TEAM}"


def test_encrypt_to_an_alias(filled, bob_home, carol_home):
    good(filled.run("alias", "add", TEAM, BOB, CAROL))
    sealed = filled.run("encrypt", "--to", TEAM, input=b"For the team.\n")
    assert sealed.status == 0, sealed
    for home in (bob_home, carol_home):
        message = filled.file("sealed.eml", sealed.out)
        filled.home = home
        assert b"For the team." in filled.run("decrypt", message).out
    good(filled.run("alias", "add", TEAM, DAVE))
    refused = filled.run("encrypt", "--to", TEAM, input=b"x")
    assert (refused.status, refused.out) == (67, b""), refused
    assert f"<{DAVE}> (through <{TEAM}>): no certificate" in refused.err

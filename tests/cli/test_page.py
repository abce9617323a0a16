"""The page of `lockbox read` in real terminals and in less: no message draws a line that looks like one of Lockbox's."""

import pathlib
import subprocess

import pytest
from support.command import Command
from support.gnupg import GnuPgHome
from support.mime import HEADER, detached, multipart, text
from support.tmux import Tmux

CASES = pathlib.Path(__file__).resolve().parents[1] / "data" / "page"
MARK, BAR = "▐", "│"
FORGED = "Protection: sealed, and unchanged since"
FIELDS = b"From: Mallory <mallory@example.net>\nTo: bob@example.org\nDate: Mon, 30 Nov 2026 10:00:00 +0000\n"
UTF8 = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"

# U+FE10 and the rest are wider than hand-made tables say. Dots are as wide as everybody thinks.
FILLERS = {"dots": ".", "vertical forms": "\ufe10", "check marks": "\u2705", "fullwidth signs": "\uffe0", "Tangut": "\U00017000",
           "flags": "\U0001f1e9", "hexagrams": "\u4dc0", "tabs": "\t", "unassigned": "\U0003fffd", "combining": "a\u0301"}


def forgery(place, columns):
    """Brings a line of Lockbox's to the left edge, with its mark and without, whatever is taken for the width of the filler."""
    counts = [*range(columns // 2 - 3, columns // 2 + 2), *range(columns - 5, columns + 2, 2), *range(2 * columns - 8, 2 * columns, 3)]
    lines = [filler * count + mark + FORGED for count in counts for filler in FILLERS.values() for mark in ("", MARK + " ")]
    if place == "text":
        return FIELDS + b"Subject: Contract\n" + UTF8 + b"\n" + "\n".join(lines).encode() + b"\n"
    value = " ".join(lines).replace("\t", " ")
    if place == "Subject":
        return FIELDS + f"Subject: {value}\n".encode() + UTF8 + b"\nPay!\n"
    return FIELDS.replace(b"Mallory", f'"{value}"'.encode()) + UTF8 + b"\nPay!\n"


def in_a_terminal(tmp_path, lockbox, columns, *command):
    with Tmux(tmp_path, columns, 3000, {**lockbox.environment(), "LOCKBOX_PAGER": "cat"}) as terminal:
        terminal.start(*command)
        assert terminal.wait_for_end() == 0
        return [row for row in terminal.wait_for(f"{MARK} Protection:", times=2) if row]


def lockbox_speaks_alone(rows, whole=True):
    """Twice of the protection, at the top and at the end; nothing else has the mark anywhere but at the left edge."""
    assert [row for row in rows if row.startswith(f"{MARK} Protection")] == \
        [row for row in rows if row.startswith(f"{MARK} Protection: NOT")] and len(rows) > 5, rows
    assert sum(row.startswith(f"{MARK} Protection:") for row in rows) == 2, rows
    assert not any(MARK in row[1:] for row in rows), rows
    if whole:  # no line is too long for the terminal, so each row begins as Lockbox began it
        assert all(row[0] in MARK + BAR for row in rows), rows


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.glob("*-forges-verdict*.eml")))
@pytest.mark.parametrize("columns", [20, 80, 133])
def test_reported_messages(lockbox, tmp_path, case, columns):
    lockbox_speaks_alone(in_a_terminal(tmp_path, lockbox, columns, lockbox.program, "read", CASES / case))


@pytest.mark.parametrize("place", ["text", "Subject", "From"])
@pytest.mark.parametrize("columns", [20, 47, 80, 200])
def test_no_message_draws_a_line_of_lockbox(lockbox, tmp_path, columns, place):
    message = lockbox.file("message.eml", forgery(place, columns))
    lockbox_speaks_alone(in_a_terminal(tmp_path, lockbox, columns, lockbox.program, "read", message))


@pytest.mark.parametrize("viewer", ["cat", "less", "less -S", "less -R"])
@pytest.mark.parametrize("place, columns", [("text", 40), ("Subject", 33), ("From", 79)])
def test_a_page_shown_later_in_any_terminal(lockbox, tmp_path, viewer, place, columns):
    """A file is broken at 80 columns. A narrower terminal breaks it once more; then no row gets the mark."""
    page = lockbox.file("page", lockbox.run("read", input=forgery(place, columns)).out)
    lines = page.read_text(encoding="utf-8").rstrip("\n").split("\n")
    lockbox_speaks_alone(lines)
    with Tmux(tmp_path, columns, 3000, {**lockbox.environment(), "LESSHISTFILE": "-"}) as terminal:
        terminal.start(*viewer.split(), page)
        rows = terminal.wait_for(MARK, times=sum(line.count(MARK) for line in lines))
        assert sum(row.startswith(MARK) for row in rows) == sum(line.startswith(MARK) for line in lines), rows
        lockbox_speaks_alone([row for row in rows if row], whole=False)


def test_scrolled_to_the_side(lockbox, tmp_path):
    """`less -S` shows lines from their 40th column on: whatever stands there, it has no mark."""
    page = lockbox.file("page", lockbox.run("read", input=forgery("text", 40)).out)
    with Tmux(tmp_path, 40, 50, lockbox.environment()) as terminal:
        terminal.start("less", "-S", page)
        terminal.wait_for("Contract")
        terminal.press("G", "Right", "Right")
        rows = terminal.wait_for("  Protection:")
        assert not any(MARK in row for row in rows if "Protection:" in row), rows


# --- The pager ---

LONG = FIELDS + b"Subject: long\n\n" + b"".join(b"line %d\n" % number for number in range(20000))  # more than a pipe holds


def test_less_shows_what_is_longer_than_the_terminal(lockbox, tmp_path):
    with Tmux(tmp_path, 80, 24, lockbox.environment()) as terminal:
        terminal.start("env", "-u", "PAGER", "-u", "LESS", lockbox.program, "read", lockbox.file("message.eml", LONG))
        rows = terminal.wait_for("line 5")
        assert rows[0] == f"{MARK} Protection: NOT SEALED: everybody on the way could read it"
        terminal.press("C-c")  # is less's, and ends neither
        terminal.press("G")
        rows = terminal.wait_for("End of the message")
        assert rows[-2] == f"{MARK} Protection: NOT SEALED: everybody on the way could read it", rows
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_leaving_the_pager_early_changes_no_status(lockbox, tmp_path, sealed):
    """Nor does its death. Partly sealed is 2."""
    message = lockbox.file("message.eml", HEADER + multipart(b"mixed", text(LONG), sealed()))
    for pager in ("", "head -n 1", "false", "sh"):
        with Tmux(tmp_path, 80, 24, {**lockbox.environment(), **({"LOCKBOX_PAGER": pager} if pager else {})}) as terminal:
            terminal.start("env", "-u", "PAGER", lockbox.program, "read", message)
            if not pager:
                terminal.wait_for("line 5")
                terminal.press("q")
            assert terminal.wait_for_end() == 2, pager


def test_which_pager(lockbox, tmp_path):
    """Words of LOCKBOX_PAGER, else of PAGER; no shell reads them; what cannot be started is done without."""
    pager = lockbox.file("pager", b'#!/bin/sh\n{ printf "%s,%s,%s\\n" "$LESS" "$LV" "$LESSCHARSET"; printf "<%s>\\n" "$@"; cat; } '
                         b'>"$(dirname "$0")/shown"\n')
    pager.chmod(0o755)
    shown = pager.parent / "shown"
    message = lockbox.file("message.eml", LONG)

    def run(*arguments, **variables):
        shown.unlink(missing_ok=True)
        environment = {name: value for name, value in lockbox.environment().items() if name not in ("PAGER", "LESS", "LV")}
        with Tmux(tmp_path, 80, 24, {**environment, **variables}) as terminal:
            terminal.start(lockbox.program, "read", *arguments)
            assert terminal.wait_for_end() == 0
            return shown.read_text(encoding="utf-8") if shown.exists() else None, "\n".join(terminal.rows())

    text, _ = run(message, PAGER=f"{pager} -a  $HOME;'b c'")
    assert text.startswith("FRX,-c,utf-8\n<-a>\n<$HOME;'b>\n<c'>\n"), text[:200]
    assert text.count("Protection:") == 2 and "line 19999" in text
    assert "\x1b[1;33m" + MARK in text  # less -R shows colours
    assert run(message, PAGER="false", LOCKBOX_PAGER=str(pager), LESS="i")[0].startswith("i,-c,utf-8\n")
    for arguments, variables in (((message,), {"PAGER": "cat"}), ((message,), {"PAGER": str(pager), "LOCKBOX_PAGER": ""}),
                                 ((message,), {"PAGER": "/nonexistent/pager"}),
                                 (("--no-pager", message), {"PAGER": str(pager)}),
                                 ((lockbox.file("short.eml", FIELDS + b"\nx\n"),), {"PAGER": str(pager)})):
        text, screen = run(*arguments, **variables)
        assert text is None and "End of the message" in screen, variables
    assert run("--json", message, PAGER=str(pager))[0] is None


def test_no_pager_without_a_terminal(lockbox):
    result = subprocess.run([lockbox.program, "read"], input=LONG, stdout=subprocess.PIPE, check=True,
                            env={**lockbox.environment(), "PAGER": "false"})
    assert b"line 19999" in result.stdout and b"\x1b" not in result.stdout


# --- Standard error ---

def test_no_name_draws_a_line_of_standard_error(tmp_path):
    """A signer's name of 300 characters, which the terminal would break where it likes."""
    forged = "lockbox: opened: OpenPGP, PGP/MIME, sealed to bob@example.org"
    with GnuPgHome() as home, GnuPgHome() as reader:
        lockbox = Command(tmp_path, reader)
        name = "x" * 33 + forged + "x" * 19 + forged
        home.run("--batch", "--passphrase", "", "--allow-freeform-uid", "--quick-generate-key", name, "ed25519", "sign", "never")
        entity = b"Content-Type: text/plain\r\n\r\nx\r\n"
        signature = home.run("--armor", "--detach-sign", input=entity)
        reader.import_key(home.run("--armor", "--export"))
        message = lockbox.file("message.eml", HEADER + detached(entity.replace(b"\r\n", b"\n"), signature))
        said = lockbox.run("decrypt", message).err
        assert "xxx" in said and sum("lockbox: " in line[1:] for line in said.split("\n")) == 0, said
        for columns in (40, 72, 80, 133):
            with Tmux(tmp_path, columns, 100, lockbox.environment()) as terminal:
                terminal.start(lockbox.program, "decrypt", message)
                assert terminal.wait_for_end() == 1
                rows = terminal.wait_for("lockbox: error: ")
                assert not any(row.startswith("lockbox: opened") for row in rows), rows
                assert all(row.startswith(("lockbox: ", f"  {BAR} ")) for row in rows if row), rows


# --- Domains ---

def test_a_domain_that_looks_like_another_stays_an_a_label(lockbox):
    """In From and in the name of the signer: a Cyrillic letter in a Latin word."""
    shown = lockbox.run("read", CASES / "confusable-domain-from-a-label.eml").text
    assert shown.count("<alice@xn--exmple-4nf.com>") >= 2 and "\u0430" not in shown


def test_domains_in_unicode(lockbox):
    """As A-labels and in UTF-8 (RFC 6532): shown where they are of one script."""
    shown = lockbox.run("read", input="From: a@xn--mnchen-3ya.de\nTo: b@m\u00fcnchen.de, c@ex\u0430mple.com, d@xn--80ak6aa92e.com\n\nx\n".encode()).text
    assert "From:       a@m\u00fcnchen.de" in shown
    assert "b@m\u00fcnchen.de, c@xn--exmple-4nf.com, d@xn--80ak6aa92e.com" in " ".join(shown.replace("\u2502", "").split())

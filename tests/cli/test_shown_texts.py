"""Which texts of a message `lockbox read` shows, and what it saves."""

import base64
import json

from support.mime import HEADER, multipart, text

BOB = "bob@example.org"
CALENDAR = (b"BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Planning\nDTSTART;TZID=Europe/Prague:20261203T100000\n"
            b"ORGANIZER:mailto:alice@example.com\nEND:VEVENT\nEND:VCALENDAR\n")
NO_HTML = b"Your program shows no HTML.\n"
PAGE = b"<title>x</title><p>Pay 100 to <a href='https://evil.example'>bank.example</a>." + b"<p>More of it." * 100


def sent(*parts):
    return HEADER + multipart(b"mixed", *parts)


def alternatives():
    return HEADER + multipart(b"alternative", text(NO_HTML), text(PAGE, b"html"))


def words(result):
    """Without the bars, and lines that were broken at the width of the page put together."""
    return " ".join(line.lstrip("▐│ ") for line in result.text.splitlines())


def test_html_version_is_not_hidden_by_a_text_that_says_nothing(lockbox):
    shown = words(lockbox.run("read", input=alternatives()))
    assert "Your program shows no HTML." in shown and "Pay 100 to bank.example <https://evil.example>." in shown
    assert "there is an HTML version that says it in other words, part 2" in shown
    plain = words(lockbox.run("read", "--text", input=alternatives()))
    assert "shows no HTML." in plain and "Pay 100" not in plain and "part 2" in plain
    html = words(lockbox.run("read", "--html", input=alternatives()))
    assert "shows no HTML." not in html and "Pay 100" in html
    both = lockbox.run("read", "--html", "--text", input=alternatives())
    assert both.status == 64 and "exclude each other" in both.err


def test_any_text_is_shown_by_its_number(lockbox):
    message = sent(text(b"one\n"), b"Content-Type: text/csv; name=a.csv\nContent-Disposition: attachment\n\n1,2\n",
                   b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(b"\x89PNG\r\n\x1a\n\0"))
    shown = lockbox.run("read", "--part", "2", input=message)
    assert shown.status == 0 and "1,2" in shown.text and "one" not in shown.text
    assert "NOT SEALED" in shown.text
    binary = lockbox.run("read", "--part", "3", input=message)
    assert binary.status == 64 and "part 3 is image/png and no text" in binary.err and "--save-attachments" in binary.err
    assert not binary.out
    for number in ("4", "0", "", "x", "1.1.1"):
        missing = lockbox.run("read", "--part", number, input=message)
        assert missing.status == 64 and not missing.out, number
    document = json.loads(lockbox.run("read", "--json", "--part", "2", input=message).out)
    assert [entry["text"] for entry in document["texts"]] == ["1,2\n"]


def test_texts_are_saved(lockbox, tmp_path):
    message = sent(multipart(b"alternative", text(NO_HTML), text(PAGE, b"html"), boundary=b"aa"),
                   b"Content-Type: text/csv\nContent-Disposition: inline; filename=a.csv\n\n1,2\n",
                   text(CALENDAR, b"calendar; method=REQUEST"))
    result = lockbox.run("read", "--save-attachments", tmp_path, input=message)
    assert result.status == 0, result
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "part-1.2.html", "part-3.ics"]
    assert (tmp_path / "part-1.2.html").read_bytes().strip() == PAGE
    assert "When:       2026-12-03 10:00 (Europe/Prague)" in result.text and "an invitation" in words(result)


def test_encrypted_text_file_shows_its_text(lockbox, bob_home):
    octets = bob_home.encrypt(b"At ten.\n", BOB)
    message = sent(text(b"See the file.\n"), b"Content-Type: application/octet-stream\nContent-Disposition: attachment;"
                   b" filename=notes.txt.asc\n\n" + octets)
    result = lockbox.run("read", input=message)
    assert result.status == 2, result
    assert "│ At ten." in result.text[result.text.index("\n▐ Part 2"):]
    assert "notes.txt" in result.text
    assert "│ At ten." in lockbox.run("read", "--part", "2", input=message).text
    alone = HEADER + (b"Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=notes.txt.asc\n\n" + octets)
    assert "│ At ten." in lockbox.run("read", input=alone).text


def test_forwarded_as_an_attachment(lockbox):
    inner = b"From: Carol <carol@example.net>\nSubject: inner\n\nAttack at dawn.\n"
    message = sent(text(b"see below\n"), b"Content-Type: message/rfc822\nContent-Disposition: attachment; filename=x.eml\n\n" + inner)
    result = lockbox.run("read", input=message)
    assert "│ Attack at dawn." in result.text and "x.eml" in result.text and "Carol" in result.text


def test_bounce(lockbox):
    message = HEADER + multipart(
        b"report", text(b"It failed.\n"),
        b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nAction: failed\nDiagnostic-Code: smtp;\n 550 no\n")
    assert "│ Diagnostic-Code: smtp; 550 no" in lockbox.run("read", input=message).text

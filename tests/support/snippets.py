"""What contrib/ tells administrators to write, read from its pages."""

import re

from support.places import SOURCE

CONTRIB = SOURCE / "contrib"


def blocks(path, first_words):
    """The code blocks of a Markdown file whose first line begins with these words."""
    found = [block.split("\n", 1)[1] for block in re.findall(r"^```.*?^```", path.read_text(), re.MULTILINE | re.DOTALL)]
    return [block.removesuffix("```") for block in found if block.startswith(first_words)]


def postfix_settings(first_words="# main.cf"):
    """{name: value} of the postconf commands."""
    text = "".join(blocks(CONTRIB / "postfix/README.md", first_words))
    return dict(re.findall(r"^postconf -e '(\S+) = (.*)'$", text, re.MULTILINE))


def postfix_services(first_words="# master.cf"):
    return "".join(blocks(CONTRIB / "postfix/README.md", first_words))


def without_chroot(services):
    """Services of master.cf for a queue directory that has no libraries and no /etc in it."""
    return re.sub(r"^(\S+\s+(?:inet|unix)\s+\S+\s+\S+\s+)y ", r"\1n ", services, flags=re.MULTILINE)


def sendmail_macros():
    return blocks(CONTRIB / "sendmail/README.md", "dnl sendmail.mc")

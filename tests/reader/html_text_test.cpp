#include "reader/html_text.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox::reader;

TEST_CASE("HTML is read as text", "[reader]") {
    struct Case {
        std::string html, text;
    };
    const auto c = GENERATE(values<Case>({
        {"<p>one</p><p>two</p>", "one\n\ntwo\n"},
        {"one<br>two<br/>three", "one\ntwo\nthree\n"},
        {"<div>a</div><div>b</div>", "a\nb\n"},
        {"a  b\n c", "a b c\n"},
        {"<pre>a  b\n c</pre>", "a  b\n c\n"},
        {"<ul><li>one<li>two</ul>after", "* one\n* two\n\nafter\n"},
        {"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"},
        {"&lt;b&gt; &amp; &auml;&#228;&#xE4;&euro; &bogus; &", "<b> & \u00e4\u00e4\u00e4\u20ac &bogus; &\n"},
        {"&#0;&#x110000;&#xd800;", "\ufffd\ufffd\ufffd\n"},
        {"<a href=\"https://evil.example/\">https://bank.example/</a>",
         "https://bank.example/ <https://evil.example/>\n"},
        {"<a href='https://a.example/'>https://a.example/</a>", "https://a.example/\n"},
        {"<a href=mailto:a@b.example>a@b.example</a>", "a@b.example\n"},
        {"<img src=\"http://track.example/x.gif\" alt=\"a cat\">!", "[image: a cat] !\n"},
        {"<img src=\"http://track.example/x.gif\">", ""},
        {"<script>alert('<p>x</p>')</script>y<style>p{}</style>", "y\n"},
        {"<SCRIPT>x</SCRIPT >y", "y\n"},
        {"<head><title>t</title></head><body>b</body>", "b\n"},
        {"a<!-- <p>c</p> -->b", "ab\n"},
        {"a<!-- never closed", "a\n"},
        {"<!DOCTYPE html><?xml ?>x", "x\n"},
        {"a<span style=\"display : none\">b</span>c", "ac\n"},
        {"a<span style='font-size:0px'>b</span><i hidden>d</i>c", "ac\n"},
        {"<div style=\"visibility:hidden\">b<p>c</div>d", "d\n"},
        {"1 < 2 <3", "1 < 2 <3\n"},
        {"<p", ""},
        {"<a href=\"x", ""},
        {"</p></div>x", "x\n"},
        {"<b><i>x</b>y</i>", "xy\n"},
        {"", ""},
    }));
    CAPTURE(c.html);
    CHECK(html_to_text(c.html) == c.text);
}

TEST_CASE("HTML made to exhaust its reader is read in the time of its length", "[reader]") {
    const auto unit = GENERATE(as<std::string>{}, "<div>", "<", "</a>", "<a href=\"", "&", "<!--", "<script>",
                               "<p/", "<b x=", "<li>", "<script></");
    std::string html;
    while (html.size() < 1'000'000) {
        html += unit;
    }
    CHECK(html_to_text(html).size() <= 2 * html.size());
}

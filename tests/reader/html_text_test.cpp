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
        {"x<ul><li>one<ul><li>two</ul><li>three</ul>", "x\n\n* one\n  * two\n* three\n"},
        {"<ol><li>one<li>two</ol>", "1. one\n2. two\n"},
        {"<ol start=9 type=a><li>one<li>two<li value=28>three</ol>", "i. one\nj. two\nab. three\n"},
        {"<ol type=I start=3><li>one<ol type=i><li>two</ol><li>three</ol>",
         "III. one\n     i. two\nIV. three\n"},
        {"<ol><li><p>one<p>two<li>three</ol>", "1. one\n\n   two\n\n2. three\n"},
        {"Alice wrote:<blockquote>one<br>two<p>three<blockquote>four</blockquote></blockquote>five",
         "Alice wrote:\n\n> one\n> two\n>\n> three\n>\n> > four\n\nfive\n"},
        {"<dl><dt>a<dd>b<dd>c</dl>", "a\n  b\n  c\n"},
        {"<q>a</q>", "\u201ca\u201d\n"},
        {"<table><tr><td><p>a<p>b<td>c<tr><td>d</table>", "a\n\nb\n\nc\nd\n"},
        {"<table><tr><td><table><tr><td>a<td>b</table><td>c</table>", "a | b | c\n"},
        {"<td>a</td>b", "ab\n"},
        {"<p class=MsoNormal>a<p class=MsoNormal>b", "a\nb\n"},
        {"<div style='white-space: pre-wrap'>a  b\nc</div>", "a  b\nc\n"},
        {"a<br><br>b<br><br><br><br><br>c", "a\n\nb\n\n\nc\n"},
        {"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a | b\nc\n"},
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
        // What the standard lets out, and what browsers forgive.
        {"<html><head><meta charset=utf-8><title>t</title><body><p>b</p></body></html>", "b\n"},
        {"<title>t</title><p hidden>a<p>b", "b\n"},
        {"<ul><li hidden>a<li>b</ul>", "* b\n"},
        {"<table><tr hidden><td>a<tr><td>b</table>", "b\n"},
        {"a<!-->b<!--->c<!-- d --!>e", "abce\n"},
        {"<noscript>a</noscript>b", "ab\n"},
        {"<object data=x>a</object><video>b</video><iframe>c</iframe>", "ab\n"},
        {"<svg><title>a</title><style>b</style><text>c</text></svg>", "c\n"},
        {"<b style=display:none>a<p>b</b>c", "c\n"},
        {"<textarea><b>x</textarea>", "<b>x\n"},
        {"&CounterClockwiseContourIntegral;&notin;&NotEqualTilde;&amp;lt;", "\u2233\u2209\u2242\u0338&lt;\n"},
        {"&copy 1 &notit; &#x80;", "\u00a9 1 \u00acit; \u20ac\n"},
        {"<input type=submit value=Go><input value=x>", "[Go]\n"},
        {"a<!-- <p>c</p> -->b", "ab\n"},
        {"a<!-- never closed", "a\n"},
        {"<!DOCTYPE html><?xml ?>x", "x\n"},
        {"a<span style=\"display : none\">b</span>c", "ac\n"},
        {"a<span style='font-size:0px'>b</span><i hidden>d</i>c", "ac\n"},
        {"<div style=\"visibility:hidden\">b<p>c</div>d", "d\n"},
        // Hidden, and not.
        {"<i style='visibility:hidden'>a<b style='visibility:visible'>b</b></i>", "b\n"},
        {"<table><tr><td style='font-size:0px'>a<div style='font-size:14px'>b</div><i style='font-size:2em'>c"
         "</table>",
         "b\n"},
        {"<p style='font-size:0'><font size=2>a</font>", "a\n"},
        {"<i style='display:none;display:block'>a</i><i style='display:none!important;display:block'>b</i>",
         "a\n"},
        {"<i style='display/**/:/*x*/NONE'>a</i>b", "b\n"},
        {"<i style='mso-hide:all'>a</i><i style='opacity:0.0'>b</i><i style='opacity:0.5'>c</i>", "c\n"},
        {"<div style='max-height:0px;overflow:hidden'>a</div><div style='max-height:0'>b</div>", "b\n"},
        {"<i style='font-size:10px'>a</i><i style='font-size:0.9em'>b</i>", "ab\n"},
        {"Sale&zwnj;&nbsp;&#847;&zwnj;&nbsp;&#8199;&#65279;&shy;&#8203; now", "Sale now\n"},
        {"\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648\n"}, // Persian needs it
        {"\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469\n"},
        {"<img alt=Open width=1 height=1><img alt=o style='width:1px'><img alt='a  b' width=100>",
         "[image: a b]\n"},
        {"<a href='https://bank.example'>bank.example</a>", "bank.example\n"},
        {"<a href='https://bank.example'>http://bank.example</a>",
         "http://bank.example <https://bank.example>\n"},
        {"<a href='javascript:x()'>go</a>", "go <javascript:x()>\n"},
        {"<a href='#top'>up</a>", "up\n"},
        {"1 < 2 <3", "1 < 2 <3\n"},
        {"<p", ""},
        {"<a href=\"x", ""},
        {"</p></div>x", "x\n"},
        {"<b><i>x</b>y</i>", "xy\n"},
        {"", ""},
    }));
    CAPTURE(c.html);
    CHECK(html_to_text(c.html).text == c.text);
}

TEST_CASE("HTML made to exhaust its reader is read in the time of its length", "[reader]") {
    const auto unit = GENERATE(as<std::string>{}, "<div>", "<", "</a>", "<a href=\"", "&", "<!--", "<script>",
                               "<p/", "<b x=", "<li>", "<script></", "<table><tr><td>", "<blockquote>",
                               "<ol><li>x", "<p>x", "<td>x", "</p>", "<svg>");
    std::string html;
    while (html.size() < 40'000) {
        html += unit;
    }
    CHECK(html_to_text(html).text.size() <= 2 * html.size());
}

TEST_CASE("a page that costs more than it may is shown without its tags", "[reader]") {
    const auto is_deep = GENERATE(false, true);
    std::string html = "<body>At ten.";
    if (is_deep) { // each element is compared with all around it
        for (int i = 0; i < 500'000; ++i) {
            html += "<div>";
        }
    } else { // each paragraph opens all fonts again
        std::string fonts;
        for (int i = 0; i < 3'000; ++i) {
            fonts += "<font size=" + std::to_string(i) + ">";
        }
        html += "<p>" + fonts;
        for (int i = 0; i < 10'000; ++i) {
            html += "<p>x";
        }
    }
    const auto text = html_to_text(html);
    CHECK_FALSE(text.is_laid_out);
    CHECK(text.text.find("At ten.") != std::string::npos);
}

TEST_CASE("a link in each paragraph makes no more text than the limit", "[reader]") {
    std::string html = "<p><a href='" + std::string(3'000, 'x') + "'>";
    for (int i = 0; i < 5'000; ++i) {
        html += "<p>y";
    }
    const auto text = html_to_text(html);
    CHECK(text.text.size() <= html_text_octets_max + 1);
    CHECK_FALSE(text.is_complete);
}

TEST_CASE("it is said when text is left out because its markup hides it", "[reader]") {
    CHECK(html_to_text("a<p hidden>b").has_hidden_text);
    CHECK(html_to_text("a<p style='font-size:0'>b").has_hidden_text);
    CHECK_FALSE(html_to_text("a<p style='font-size:0'> <br>").has_hidden_text);
    CHECK_FALSE(html_to_text("<title>a</title><script>b</script>c").has_hidden_text);
    CHECK(html_to_text("a<p>b").is_complete);
    CHECK_FALSE(html_to_text(std::string(html_octets_max + 1, 'x')).is_complete);
}

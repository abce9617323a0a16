#include "base/error.hpp"
#include "base/file.hpp"
#include "reader/attachment.hpp"
#include "tests/support/catch.hpp"

#include <fstream>
#include <string>

using namespace lockbox;
using namespace lockbox::reader;

namespace {

std::string mixed(const std::vector<std::string>& parts) {
    std::string text = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (const auto& part : parts) {
        text += "--b\r\n" + part + "\r\n";
    }
    return text + "--b--\r\n";
}

std::string pdf(const std::string& name) {
    return "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"" + name +
           "\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==";
}

} // namespace

TEST_CASE("no name that a stranger chose does harm", "[reader]") {
    struct Case {
        std::string name, safe;
    };
    const auto c = GENERATE(values<Case>({
        {"report.pdf", "report.pdf"},
        {"../../etc/passwd", "passwd"},
        {"/etc/passwd", "passwd"},
        {"C:\\Windows\\x.exe", "x.exe"},
        {"..", "fallback"},
        {".", "fallback"},
        {"", "fallback"},
        {".bashrc", "bashrc"},
        {"-rf", "rf"},
        {"a\nb.txt", "a b.txt"},
        {"a\x1b[2J.txt", "a__2J.txt"},
        {"invoice\xe2\x80\xae"
         "fdp.exe",
         "invoice_fdp.exe"},
        {"a|b;c$(d)`e`.sh", "a_b_c_(d)_e_.sh"},
        {"Gr\xc3\xbc\xc3\x9f"
         "e.txt",
         "Gr\xc3\xbc\xc3\x9f"
         "e.txt"},
        {"x. ", "x"},
        {"a/", "fallback"},
    }));
    CAPTURE(c.name);
    CHECK(safe_file_name(c.name, "fallback") == c.safe);
}

TEST_CASE("a long name is cut between characters and keeps its suffix", "[reader]") {
    std::string umlauts;
    for (int i = 0; i < 300; ++i) {
        umlauts += "\xc3\xa4";
    }
    const auto name = safe_file_name(umlauts + ".pdf", "x");
    CHECK(name.size() == file_name_octets_max);
    CHECK(name.ends_with("\xc3\xa4.pdf"));
}

TEST_CASE("attachments are what is not read as text", "[reader]") {
    const auto message = mixed(
        {"\r\ntext", pdf("a.pdf"), "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nx",
         "Content-Type: image/png\r\n\r\nPNG", "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz"});
    const auto root = mail::parse_entity(message);
    const auto found = attachments_in(root);
    REQUIRE(found.size() == 4);
    CHECK(found[0].number == "2");
    CHECK(found[0].name == "a.pdf");
    CHECK(found[0].octets == 4);
    CHECK(found[1].name == "part-3.txt");
    CHECK(found[2].name == "part-4.bin");
    CHECK(found[3].name == "part-5.eml");
}

TEST_CASE("nothing is overwritten, and no link is followed", "[reader]") {
    const TemporaryDirectory directory;
    const auto message = mixed({pdf("a.pdf")});
    const auto root = mail::parse_entity(message);
    const auto found = attachments_in(root);
    REQUIRE(found.size() == 1);
    std::ofstream(directory.path() / "victim") << "kept";
    std::filesystem::create_symlink(directory.path() / "victim", directory.path() / "a.pdf");
    CHECK(save(found[0], directory.path()) == directory.path() / "a-2.pdf");
    CHECK(save(found[0], directory.path()) == directory.path() / "a-3.pdf");
    CHECK(read_file(directory.path() / "a-2.pdf", 100) == "%PDF");
    CHECK(read_file(directory.path() / "victim", 100) == "kept");
    const auto mode = std::filesystem::status(directory.path() / "a-2.pdf").permissions();
    CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    CHECK_THROWS_AS(save(found[0], directory.path() / "missing"), Error);
}

TEST_CASE("sizes are said in words", "[reader]") {
    CHECK(size_in_words(0) == "0 octets");
    CHECK(size_in_words(1023) == "1023 octets");
    CHECK(size_in_words(1536) == "1.5 KiB");
    CHECK(size_in_words(23U << 20U) == "23 MiB");
}

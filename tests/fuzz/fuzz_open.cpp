// The whole path of opening, with an engine that needs no keys: whatever is sealed in whatever.
#include "mail/line_ends.hpp"
#include "reader/open.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/stub_engine.hpp"

using namespace lockbox;
using namespace lockbox::reader;

namespace {

bool was_opened(Outcome outcome) noexcept {
    return outcome == Outcome::opened || outcome == Outcome::partly_sealed;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    test::StubEngine engine;
    const auto opened = open(text, engine);
    fuzz::require(engine.decryptions <= sealed_parts_max);
    fuzz::require(opened.layers.size() <= layers_max);
    // What is only partly sealed is never said to be protected as a whole.
    fuzz::require((opened.outcome == Outcome::opened) == (opened.protection != Protection::none));
    if (!was_opened(opened.outcome)) {
        bool is_signed = !opened.signatures.empty();
        fuzz::require(opened.message.size() == 0 || is_signed);
        for (const auto& part : opened.parts) {
            fuzz::require(part.outcome != Outcome::opened);
        }
    }
    for (const auto& part : opened.parts) {
        fuzz::require((part.outcome == Outcome::opened) == (part.protection != Protection::none));
        fuzz::require(part.outcome != Outcome::opened || part.entity.size() > 0);
        fuzz::require(!part.in_place || (part.outcome == Outcome::opened && opened.message.size() > 0));
        fuzz::require(part.outcome == Outcome::opened || part.outcome == Outcome::nothing_to_open ||
                      !part.reason.empty());
    }
    return 0;
}

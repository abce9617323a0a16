// Parameters cut out are gone, appended ones are there, and all others stay as they were.
#include "mail/content_type.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;
using namespace lockbox::mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    const auto type = ContentType::parse(text);
    const auto changed = with_parameters(text, {"hp"}, "; hp=\"cipher\"");
    fuzz::require(type.has_value() == changed.has_value());
    if (!type) {
        return 0;
    }
    fuzz::require(with_parameters(text, {}, "") == text);
    const auto again = ContentType::parse(*changed);
    fuzz::require(again && again->is(type->media_type()) && again->parameter("hp") == "cipher");
    auto kept = again->parameters().begin();
    for (const auto& parameter : type->parameters()) {
        fuzz::require(parameter.begin < parameter.end && parameter.end <= text.size() &&
                      text[parameter.begin] == ';');
        if (parameter.name.substr(0, parameter.name.find('*')) == "hp") {
            continue;
        }
        fuzz::require(kept != again->parameters().end() && kept->name == parameter.name &&
                      kept->value == parameter.value);
        ++kept;
    }
    fuzz::require(kept + 1 == again->parameters().end());
    return 0;
}

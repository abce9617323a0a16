// Parameters cut out are gone, appended ones are there, and all others stay as they were. What RFC 2231's
// pieces say does not depend on the order in which they stand.
#include "mail/content_type.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <set>
#include <string>

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
    fuzz::require(!again->is_ambiguous("hp"));

    std::set<std::string, std::less<>> names;
    for (const auto& parameter : type->parameters()) {
        names.insert(parameter.name.substr(0, parameter.name.find('*')));
    }
    for (const auto& name : names) {
        const auto readings = type->readings(name);
        fuzz::require(readings.values.size() < 2 || readings.is_ambiguous);
        fuzz::require(!readings.values.empty() || readings.is_ambiguous);
        const auto value = type->parameter(name);
        fuzz::require(value.has_value() == !readings.values.empty());
        fuzz::require(!value || value->find_first_of("\r\n") == std::string::npos);
        if (readings.is_ambiguous) {
            continue;
        }
        std::string backwards = type->media_type();
        for (auto written = type->parameters().rbegin(); written != type->parameters().rend(); ++written) {
            backwards += text.substr(written->begin, written->end - written->begin);
        }
        const auto reversed = ContentType::parse(backwards);
        fuzz::require(reversed && reversed->parameter(name) == value && !reversed->is_ambiguous(name));
    }
    return 0;
}

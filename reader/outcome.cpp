#include "reader/outcome.hpp"

namespace lockbox::reader {

std::string_view word(Outcome outcome) noexcept {
    switch (outcome) {
    case Outcome::opened:
        return "opened";
    case Outcome::partly_sealed:
        return "partly-sealed";
    case Outcome::nothing_to_open:
        return "nothing-to-open";
    case Outcome::no_key:
        return "no-key";
    case Outcome::damaged:
        return "damaged";
    case Outcome::unavailable:
        return "unavailable";
    }
    return "damaged";
}

std::string_view word(Protection protection) noexcept {
    switch (protection) {
    case Protection::none:
        return "none";
    case Protection::without_integrity:
        return "without-integrity";
    case Protection::authenticated:
        return "authenticated";
    }
    return "none";
}

} // namespace lockbox::reader

// Changes to a header section, as values: made once, applied by the milter on the wire and by the command in
// memory.
#pragma once

#include "mail/header.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::mail {

/// Changes or deletes one field that is there.
struct HeaderChange {
    std::string name;
    std::size_t occurrence = 1;      ///< 1 is the first field of that name, counted in the original section
    std::optional<std::string> body; ///< the new body with its leading space, folds as CRLF; nullopt deletes

    bool operator==(const HeaderChange&) const = default;
};

struct HeaderEdits {
    std::vector<HeaderChange> changes; ///< within a name from the highest occurrence to the lowest
    std::vector<HeaderField> appended; ///< new fields, at the end

    bool operator==(const HeaderEdits&) const = default;
};

/// The section after the edits. A change whose occurrence is not there is passed over.
[[nodiscard]] HeaderSection apply(const HeaderEdits& edits, const HeaderSection& original);

} // namespace lockbox::mail

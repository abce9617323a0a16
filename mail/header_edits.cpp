#include "mail/header_edits.hpp"

#include "base/ascii.hpp"

#include <unordered_map>

namespace lockbox::mail {

HeaderSection apply(const HeaderEdits& edits, const HeaderSection& original) {
    const auto& fields = original.fields();
    std::unordered_map<std::string, std::vector<std::size_t>> places;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        places[to_lower(fields[i].name)].push_back(i);
    }
    std::vector<const HeaderChange*> change_of(fields.size(), nullptr);
    for (const auto& change : edits.changes) {
        const auto found = places.find(to_lower(change.name));
        if (found != places.end() && change.occurrence >= 1 && change.occurrence <= found->second.size()) {
            change_of[found->second[change.occurrence - 1]] = &change;
        }
    }
    HeaderSection result;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto* change = change_of[i];
        if (change == nullptr) {
            result.add(fields[i].name, fields[i].body);
        } else if (change->body) {
            result.add(change->name, *change->body);
        }
    }
    for (const auto& field : edits.appended) {
        result.add(field.name, field.body);
    }
    return result;
}

} // namespace lockbox::mail

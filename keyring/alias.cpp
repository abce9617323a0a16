#include "keyring/alias.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace lockbox::keyring {
namespace {

/// Depth first, in the order of the members. Ends at the first problem.
class Walk {
public:
    explicit Walk(const AliasLookup& alias_of) : alias_of_(alias_of) {}

    void visit(const mail::Address& address) {
        const auto* alias = alias_of_(address);
        const bool is_group = alias != nullptr && !alias->members.empty();
        if (!is_group) {
            if (seen_.insert(address).second && fits()) {
                expansion_.members.push_back({address, way_});
            }
            return;
        }
        const auto& name = alias->name.folded();
        if (std::find(open_.begin(), open_.end(), name) != open_.end()) {
            expansion_.problem =
                fmt::format("the alias leads back to itself: {} > {}", way(), address.to_string());
            return;
        }
        if (!entered_.insert(name).second || !fits()) {
            return; // its members are there already
        }
        if (way_.size() == alias_depth_max) {
            expansion_.problem = fmt::format("aliases are nested more than {} deep: {} > {}", alias_depth_max,
                                             way(), address.to_string());
            return;
        }
        way_.push_back(address);
        open_.push_back(name);
        for (const auto& member : alias->members) {
            visit(member);
            if (!expansion_.problem.empty()) {
                return;
            }
        }
        way_.pop_back();
        open_.pop_back();
    }

    Expansion finish() {
        if (!expansion_.problem.empty()) {
            expansion_.members.clear();
        }
        return std::move(expansion_);
    }

private:
    [[nodiscard]] std::string way() const {
        std::vector<std::string> names;
        for (const auto& address : way_) {
            names.push_back(address.to_string());
        }
        return fmt::format("{}", fmt::join(names, " > "));
    }

    bool fits() {
        if (seen_.size() + entered_.size() > alias_expansion_max) {
            expansion_.problem =
                fmt::format("the alias stands for more than {} addresses", alias_expansion_max);
        }
        return expansion_.problem.empty();
    }

    const AliasLookup& alias_of_;
    Expansion expansion_;
    std::vector<mail::Address> way_; ///< as they were written
    std::vector<std::string> open_;  ///< the names of their aliases
    std::set<std::string> entered_;
    std::set<mail::Address> seen_;
};

} // namespace

std::optional<AliasName> AliasName::parse(std::string_view text) {
    if (text.substr(0, 1) == "@") {
        const auto domain = mail::normalised_domain(text.substr(1));
        return domain ? std::optional(AliasName("@" + *domain, "@" + *domain)) : std::nullopt;
    }
    const auto address = mail::Address::parse(text);
    return address ? std::optional(of(*address)) : std::nullopt;
}

AliasName AliasName::of(const mail::Address& address) {
    return {address.to_string(), address.folded()};
}

AliasName AliasName::of_domain(const mail::Address& address) {
    return {"@" + address.domain(), "@" + address.domain()};
}

Expansion expand(const mail::Address& address, const AliasLookup& alias_of) {
    Walk walk(alias_of);
    walk.visit(address);
    return walk.finish();
}

} // namespace lockbox::keyring

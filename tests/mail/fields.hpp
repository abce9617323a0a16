// Header sections for tests.
#pragma once

#include "mail/header.hpp"

#include <utility>
#include <vector>

namespace lockbox::tests {

/// HeaderSection({{"A", " b"}}) would be ambiguous: the inner braces could be a section of their own.
inline mail::HeaderSection section(std::vector<mail::HeaderField> fields) {
    return mail::HeaderSection(std::move(fields));
}

} // namespace lockbox::tests

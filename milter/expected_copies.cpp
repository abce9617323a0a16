#include "milter/expected_copies.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace lockbox::milter {
namespace {

constexpr std::size_t name_octets = 16;
/// RFC 2606 §2: nobody's host. Names in EHLO are compared without regard to case, and MTAs may fold them.
constexpr std::string_view name_domain = ".lockbox.invalid";

} // namespace

ExpectedCopies::Expectation::~Expectation() {
    if (!entry_) {
        return; // moved from
    }
    (void)withdraw();
    const std::scoped_lock lock(all_->mutex_);
    all_->entries_.erase(name_);
}

bool ExpectedCopies::Expectation::was_met() const {
    const std::scoped_lock lock(entry_->mutex);
    return entry_->state == Entry::State::met || entry_->state == Entry::State::let_through;
}

bool ExpectedCopies::Expectation::withdraw() {
    const std::scoped_lock lock(entry_->mutex);
    if (entry_->state == Entry::State::let_through) {
        return true;
    }
    entry_->state = Entry::State::withdrawn;
    return false;
}

ExpectedCopies::Expectation ExpectedCopies::expect(std::function<void()> write_down, HandedOver handed_over,
                                                   Form form) {
    auto name = to_lower(hex_encode(random_bytes(name_octets))) + std::string(name_domain);
    auto entry = std::make_shared<Entry>();
    entry->form = form;
    entry->write_down = std::move(write_down);
    entry->handed_over = std::make_shared<const HandedOver>(std::move(handed_over));
    const std::scoped_lock lock(mutex_);
    entries_.emplace(name, entry);
    return {*this, std::move(name), std::move(entry)};
}

std::shared_ptr<ExpectedCopies::Entry> ExpectedCopies::find(std::string_view name) const {
    const auto folded = to_lower(name);
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(folded);
    return found != entries_.end() ? found->second : nullptr;
}

bool ExpectedCopies::knows(std::string_view name) const {
    return find(name) != nullptr;
}

std::optional<ExpectedCopies::Arrival> ExpectedCopies::meet(std::string_view name,
                                                            std::string_view reverse_path) {
    auto entry = find(name);
    if (!entry) {
        return std::nullopt;
    }
    const std::scoped_lock lock(entry->mutex);
    if (entry->state != Entry::State::announced) {
        return std::nullopt;
    }
    Arrival arrival(entry, reverse_path);
    entry->state = Entry::State::met;
    return arrival;
}

std::variant<Form, ExpectedCopies::Unlike> ExpectedCopies::let_through(Arrival arrival) {
    const auto difference = arrival.comparison_.difference();
    auto& entry = *arrival.entry_;
    const std::scoped_lock lock(entry.mutex);
    if (entry.state != Entry::State::met) {
        return Unlike{"a copy came back that is not expected any more"};
    }
    if (difference) {
        entry.state = Entry::State::withdrawn;
        return Unlike{fmt::format("a copy came back changed: {}", *difference)};
    }
    entry.write_down();
    entry.state = Entry::State::let_through;
    return entry.form;
}

} // namespace lockbox::milter

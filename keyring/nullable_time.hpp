// Points in time on their way to and from SQL columns, which hold seconds since 1970.
#pragma once

#include "base/time.hpp"

#include <soci/soci.h>

#include <optional>

namespace lockbox::keyring {

[[nodiscard]] inline long long seconds(Time time) noexcept {
    return time.time_since_epoch().count();
}

[[nodiscard]] inline Time from_seconds(long long count) noexcept {
    return Time(std::chrono::seconds(count));
}

struct NullableTime {
    long long value = 0;
    soci::indicator indicator = soci::i_null;

    NullableTime() = default;
    explicit NullableTime(const std::optional<Time>& time)
        : value(time ? seconds(*time) : 0), indicator(time ? soci::i_ok : soci::i_null) {}
    [[nodiscard]] std::optional<Time> get() const {
        return indicator == soci::i_ok ? std::optional(from_seconds(value)) : std::nullopt;
    }
};

} // namespace lockbox::keyring

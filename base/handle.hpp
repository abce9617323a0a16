// C objects with an owner.
#pragma once

#include <memory>

namespace lockbox {

/// Calls a C library's release function; costs nothing beside the pointer.
template <auto release>
struct Releaser {
    template <typename T>
    void operator()(T* object) const noexcept {
        (void)release(object);
    }
};

/// Owns a C object. `release()` is called only where the C library takes the object over.
template <typename T, auto release>
using Handle = std::unique_ptr<T, Releaser<release>>;

} // namespace lockbox

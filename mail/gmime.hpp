// What every user of GMime here needs.
#pragma once

#include "base/handle.hpp"

#include <gmime/gmime.h>

namespace lockbox::mail {

template <typename T>
using GObjectHandle = Handle<T, g_object_unref>;

/// To be called before anything else of GMime; any number of times, from any thread.
inline void start_gmime() {
    static const bool started = [] {
        g_mime_init();
        return true;
    }();
    static_cast<void>(started);
}

} // namespace lockbox::mail
